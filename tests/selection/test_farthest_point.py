"""Farthest points against the definition, golden fact 18, ties, duplicates and bad input."""

import numpy as np
import pytest
import torch

from tests.selection.distances import DistanceMatrix
from vergence.selection.farthest_point import farthest_points
from vergence.selection.features import FeatureSpace

LINE = np.array([[0.0], [1], [2], [10], [11]], dtype=np.float32)


def spaces() -> list:
    points = torch.from_numpy(LINE)
    return [FeatureSpace(LINE), FeatureSpace(LINE, memory=0), DistanceMatrix(torch.cdist(points, points))]


@pytest.mark.parametrize("space", spaces())
def test_golden_fact_18(space) -> None:
    picks = farthest_points(space, 3, [0])
    assert [(pick.row, pick.distance) for pick in picks] == [(4, 11), (2, 2), (1, 1)]
    bias = torch.tensor([0.0, 0, 20, 0, 0])
    picks = farthest_points(space, 3, [0], bias=bias)
    assert [(pick.row, pick.distance + float(bias[pick.row])) for pick in picks] == [(2, 22), (4, 9), (1, 1)]
    allowed = torch.tensor([False, True, True, False, False])
    assert [pick.row for pick in farthest_points(space, 3, [0], allowed=allowed)] == [2, 1]


def greedy(points: np.ndarray, count: int, start: int, bias: np.ndarray) -> list[int]:
    """The definition, in float64, with the whole matrix."""
    matrix = np.linalg.norm(points[:, None].astype(np.float64) - points[None], axis=2)
    order = [start]
    for _ in range(count - 1):
        value = matrix[order].min(0) + bias
        value[order] = -1
        order.append(int(value.argmax()))
    return order


@pytest.mark.parametrize("memory", [0, 2**30])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_the_definition(memory: int, bias: bool) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 40)).astype(np.float32) + 100  # an offset that costs a rounded product its digits
    weights = rng.uniform(size=300).astype(np.float32) if bias else np.zeros(300, np.float32)
    space = FeatureSpace(points, memory=memory)
    picks = farthest_points(space, 120, start=7, bias=torch.from_numpy(weights))
    assert [pick.row for pick in picks] == greedy(points, 120, 7, weights)


def test_ties_go_to_the_first_on_a_grid() -> None:
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), -1).reshape(-1, 2).astype(np.float32)
    space = FeatureSpace(np.tile(grid, (1, 50)))
    assert [pick.row for pick in farthest_points(space, 81, start=40)] == greedy(grid, 81, 40, np.zeros(81))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vergence.selection.features._BLOCK_BYTES", 4 * 8 * 7)
    points = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float16)
    read, held = FeatureSpace(points, memory=0), FeatureSpace(points)
    assert [pick.row for pick in farthest_points(read, 50, start=0)] == [
        pick.row for pick in farthest_points(held, 50, start=0)
    ]


def test_duplicates_are_never_chosen() -> None:
    points = np.repeat(np.random.default_rng(2).normal(size=(6, 16)), 3, axis=0).astype(np.float32)
    bias = torch.zeros(18)
    bias[1] = 1000.0
    picks = farthest_points(FeatureSpace(points), 18, start=0, bias=bias)
    assert sorted(pick.row // 3 for pick in picks) == list(range(6))
    assert len(farthest_points(FeatureSpace(points[:3]), 3, start=1)) == 1


def test_picks_of_a_shorter_call_are_the_first_of_a_longer_one() -> None:
    space = FeatureSpace(np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32))
    many = [pick.row for pick in farthest_points(space, 40, start=5)]
    assert [pick.row for pick in farthest_points(space, 10, start=5)] == many[:10]
    assert [pick.row for pick in farthest_points(space, 30, many[:10])] == many[10:]


def test_bad_input() -> None:
    space = FeatureSpace(LINE)
    with pytest.raises(ValueError, match="needs chosen points or a start"):
        farthest_points(space, 2)
    with pytest.raises(ValueError, match=r"bias has shape \(3,\), expected \(5,\)"):
        farthest_points(space, 2, [0], bias=torch.zeros(3))
    with pytest.raises(ValueError, match=r"expected \(N, D\)"):
        FeatureSpace(np.zeros(3, np.float32))
    assert farthest_points(space, 0, start=0) == []


def test_a_bias_much_larger_than_distances_hides_none() -> None:
    points = np.random.default_rng(4).uniform(size=(200, 1)).astype(np.float32)
    bias = np.full(200, 1e5)
    picks = farthest_points(FeatureSpace(points), 50, start=0, bias=torch.from_numpy(bias))
    assert [pick.row for pick in picks] == greedy(points, 50, 0, np.zeros(200))


def test_picks_hardly_depend_on_where_they_start() -> None:
    """Golden facts 22 and 23 are about published lists: distinct frames, the same far ones soon after any start, and
    prefixes of different seeds that share most frames (71 of 100), which random ones do not."""
    rng = np.random.default_rng(3)
    points = (rng.normal(size=(1500, 32)) * rng.gamma(2, 1, size=(1500, 1))).astype(np.float32)  # a few are far out
    lists = [
        [pick.row for pick in farthest_points(FeatureSpace(points), 100, start=int(start))]
        for start in rng.integers(0, 1500, 3)
    ]
    assert all(len(set(rows)) == 100 for rows in lists)
    for rows in lists[1:]:
        assert rows[2:8] == lists[0][2:8] or len(set(rows[1:12]) & set(lists[0][1:12])) >= 9
        assert len(set(rows) & set(lists[0])) > 60
    by_chance = [set(rng.permutation(1500)[:100].tolist()) for _ in range(2)]
    assert len(by_chance[0] & by_chance[1]) < 25


@pytest.mark.parametrize("form", [np.float16, np.float32])
def test_most_points_are_compared_with_few_choices(form: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames lie in places: choices inside one say nothing new of the others. Picks are those of all products."""
    rng = np.random.default_rng(5)
    places = rng.normal(size=(20, 64))
    points = (places[rng.integers(0, 20, 2000)] + 0.2 * rng.normal(size=(2000, 64))).astype(form)
    space, products = FeatureSpace(points, memory=0), 0
    whole = FeatureSpace.squared

    def counted(self: FeatureSpace, others: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        nonlocal products
        products += len(others) * (len(self) if rows is None else len(rows))
        return whole(self, others, rows)

    monkeypatch.setattr(FeatureSpace, "squared", counted)
    picks = farthest_points(space, 200, start=3)
    assert [pick.row for pick in picks] == greedy(points, 200, 3, np.zeros(2000))
    assert products < 2000 * 200 / 2
