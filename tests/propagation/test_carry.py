"""Labels carried over a picture that moves by whole pixels: what arrives is the label, moved."""

import pytest
import torch
from torch import Tensor

from vergence.motion.confidence import IGNORED
from vergence.propagation.carry import Pair, Piece, carry

SIZE = (24, 40)
FRAMES = 4


def texture(step: int) -> Tensor:
    """The same noise, two pixels farther to the right at each step."""
    noise = torch.rand(3, SIZE[0], SIZE[1] + 40, generator=torch.Generator().manual_seed(0))
    return (noise[..., 20 - 2 * step : 20 - 2 * step + SIZE[1]] * 255).byte()


def label(step: int) -> Tensor:
    """Class 1 right of a border that moves along."""
    return (torch.arange(SIZE[1]).expand(SIZE) >= 16 + 2 * step).byte()


def moving(place: int) -> Pair:
    flow = torch.zeros(2, *SIZE)
    flow[0] = 2.0
    return flow, -flow


def piece(*keys: int, motion=moving) -> Piece:
    labels = [label(step) if step in keys else None for step in range(FRAMES)]
    times = [0.1 * step for step in range(FRAMES)]
    return Piece([texture(step) for step in range(FRAMES)], times, labels, map(motion, range(FRAMES - 1)), classes=2)


def test_a_label_moves_with_the_picture() -> None:
    outcome = carry(piece(0))
    assert sorted(outcome.carried) == [1, 2, 3]
    assert (outcome.cuts, outcome.meetings) == ([], [])
    for step, carried in outcome.carried.items():
        kept = carried.label != IGNORED
        assert kept.float().mean() > 0.7
        assert (carried.label == label(step))[kept].float().mean() > 0.98
        assert ((carried.score >= 0) & (carried.score <= 1)).all()


def test_two_keys_meet_and_are_compared() -> None:
    outcome = carry(piece(0, FRAMES - 1))
    assert sorted(outcome.carried) == [1, 2]
    assert [meeting.seconds for meeting in outcome.meetings] == [pytest.approx(0.3)] * 2
    assert all(meeting.right.float().mean() > 0.98 for meeting in outcome.meetings)


def test_nothing_passes_a_cut() -> None:
    def cut(place: int) -> Pair:
        ahead, back = moving(place)
        return (ahead, back) if place != 1 else (ahead, back + 9.0)  # there and back ends somewhere else

    outcome = carry(piece(0, motion=cut))
    assert outcome.cuts == [1]
    assert sorted(outcome.carried) == [1]
    assert sorted(carry(piece(0, FRAMES - 1, motion=cut)).carried) == [1, 2]


def test_a_label_of_another_size_is_carried_by_its_own_pixels() -> None:
    large = piece(0)
    large.labels = [label(0).repeat_interleave(2, 0).repeat_interleave(2, 1), *large.labels[1:]]
    for frame, carried in carry(large).carried.items():
        assert torch.equal(carried.label, carry(piece(0)).carried[frame].label)


def test_what_was_left_without_a_label_stays_so() -> None:
    part = piece(0)
    grey = [torch.full_like(frame, 128) for frame in part.frames]  # no colour tells the sides apart
    part.frames, part.labels = grey, [torch.where(label(0) == 1, IGNORED, 0).byte(), *part.labels[1:]]
    for step, carried in carry(part).carried.items():
        assert (carried.label[:, 18 + 2 * step :] == IGNORED).all()
        assert (carried.label[:, 8 : 14 + 2 * step] == 0).all()
