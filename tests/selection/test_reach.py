"""The greedy cover against all subsets, and how far labels of a frame are carried over known motion."""

import itertools

import numpy as np
import pytest
import torch

from vergence.selection.reach import Reach, carried_weights, greedy_cover


def random_reaches(seed: int, frames: int = 9) -> list[Reach]:
    rng = np.random.default_rng(seed)
    reaches = []
    for row in range(frames):
        targets = np.arange(max(0, row - 2), min(frames, row + 3))
        reaches.append(Reach(targets, rng.uniform(0.05, 1, len(targets))))
    return reaches


def covered(reaches: list[Reach], rows: tuple[int, ...], weight: np.ndarray) -> float:
    best = np.zeros(len(weight))
    for row in rows:
        np.maximum.at(best, reaches[row].targets, reaches[row].shares)
    return float((best * weight).sum())


@pytest.mark.parametrize("seed", range(5))
def test_each_pick_adds_most_and_the_cover_is_near_the_best(seed: int) -> None:
    reaches = random_reaches(seed)
    weight = np.random.default_rng(seed + 100).uniform(0.2, 3, 9)
    picks = greedy_cover(reaches, 3, weight)
    chosen: tuple[int, ...] = ()
    for pick in picks:
        before = covered(reaches, chosen, weight)
        gains = [covered(reaches, (*chosen, row), weight) - before for row in range(9)]
        assert pick.row == int(np.argmax(gains))
        assert pick.gain == pytest.approx(max(gains))
        chosen = (*chosen, pick.row)
    best = max(covered(reaches, rows, weight) for rows in itertools.combinations(range(9), 3))
    assert covered(reaches, chosen, weight) >= (1 - 1 / np.e) * best


def test_known_frames_cover_already_and_closed_ones_are_not_taken() -> None:
    same = [Reach(np.array([0, 1]), np.array([1.0, 1.0])), Reach(np.array([1]), np.array([0.9])),
            Reach(np.array([2]), np.array([0.5]))]  # fmt: skip
    assert [pick.row for pick in greedy_cover(same, 3, known=[0])] == [2]  # the second adds nothing
    assert [pick.row for pick in greedy_cover(same, 3, allowed=np.array([False, True, True]))] == [1, 2]
    assert greedy_cover([], 3) == []


def test_standing_traffic_needs_one_label() -> None:
    jam = [Reach(np.arange(10), np.full(10, 0.95)) for _ in range(10)]
    drive = [Reach(np.array([10 + k]), np.array([1.0])) for k in range(4)]
    rows = [pick.row for pick in greedy_cover(jam + drive, 4)]
    assert sum(row < 10 for row in rows) == 1


@pytest.mark.parametrize("shares", [[0.5], [1.2, 0.1], [-0.1, 0.1]])
def test_shapes_and_ranges(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        greedy_cover([Reach(np.array([0, 1]), np.array(shares))], 1)


def test_labels_reach_as_far_as_the_picture_moves() -> None:
    torch.manual_seed(0)
    strip = torch.rand(3, 32, 200)
    moves = [0, 0, 4, 8, 12, 60]
    frames = [strip[..., x : x + 64] for x in moves]
    pairs = []
    for now, later in itertools.pairwise(moves):
        flow = torch.zeros(2, 32, 64)
        flow[0] = now - later
        pairs.append((flow, -flow))
    times = [k / 10 for k in range(6)]
    carried = carried_weights(frames.__getitem__, times, pairs.__getitem__, key=1, seconds=0.35)
    found = {place: float(weight.mean()) for place, weight in carried}
    assert list(found) == [2, 3, 4, 0]  # the last is too far in time
    assert found[0] == pytest.approx(np.exp(-0.1 / 8), abs=1e-3)  # it stands still
    assert found[0] > found[2] > found[3] > found[4]
    assert found[4] < 1 - 12 / 64 + 0.01  # what has left the picture is not reached
