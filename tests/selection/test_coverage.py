"""Coverage against its definition, and the flat map against what is known of a plane."""

import numpy as np
import pytest

from vergence.selection.coverage import coverage, flat_map
from vergence.selection.features import FeatureSpace


@pytest.mark.parametrize("known", [[], [3, 4]])
def test_coverage_is_the_distance_to_the_nearest(known: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vergence.selection.coverage._PICKS", 3)
    points = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    order, rows = [7, 0, 30, 12, 5, 6, 1], list(range(0, 40, 2))
    found = coverage(FeatureSpace(points), order, rows, known)
    assert len(found.mean) == len(order)
    for count in range(1, len(order) + 1):
        chosen = points[[*known, *order[:count]]]
        nearest = np.linalg.norm(points[rows][:, None] - chosen[None], axis=2).min(1)
        assert found.largest[count - 1] == pytest.approx(nearest.max(), abs=1e-3)
        assert found.mean[count - 1] == pytest.approx(nearest.mean(), abs=1e-3)


def test_flat_map_keeps_a_plane_as_it_is() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) * [5, 1]
    basis, _ = np.linalg.qr(rng.normal(size=(20, 2)))
    points = flat @ basis.T + 3
    found = flat_map(points)
    assert sum(found.shares) == pytest.approx(1)
    assert found.shares[0] > 0.8
    placed = found.project(points)
    distances = [np.linalg.norm(one[:, None] - one[None], axis=2) for one in (flat, placed)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-9)


def test_flat_map_of_equal_points() -> None:
    found = flat_map(np.ones((4, 3)))
    assert found.shares == (0.0, 0.0)
    assert found.project(np.ones((4, 3))).tolist() == [[0, 0]] * 4
    assert flat_map(np.ones((1, 3))).shares == (0.0, 0.0)
