import math

import pytest
import torch

from vergence.metrics.points import PointError, point_errors, project_points


def test_distances_by_hand():
    marked = torch.zeros(2, 3, 2)
    tracked = torch.tensor([[[3.0, 4.0], [0.0, 1.0], [9.0, 9.0]], [[0.0, 0.0], [0.0, 3.0], [6.0, 8.0]]])
    visible = torch.tensor([[True, True, False], [True, True, True]])
    found = point_errors(tracked, marked, visible, torch.tensor([False, False, True]))
    # visible distances: 5, 1, 0, 3 inside and 10 on the border; the place (0, 2) is not looked at
    assert found.all == pytest.approx((3.8, math.sqrt((25 + 1 + 0 + 9 + 100) / 5 - 3.8**2), 5, 0))
    assert found.inner == pytest.approx((2.25, math.sqrt(35 / 4 - 2.25**2), 4, 0))
    assert found.border == (10.0, 0.0, 1, 0)
    torch.testing.assert_close(found.per_point, torch.tensor([2.5, 2.0, 10.0], dtype=torch.float64))


def test_lost_points_are_counted_and_not_averaged():
    marked = torch.zeros(3, 2, 2)
    tracked = marked.clone()
    tracked[..., 0] = 2.0
    tracked[0, 0] = math.nan
    tracked[:, 1] = math.inf
    found = point_errors(tracked, marked, torch.ones(3, 2, dtype=torch.bool), torch.tensor([False, True]))
    assert found.inner == (2.0, 0.0, 2, 1)
    assert (found.border.compared, found.border.lost) == (0, 3)
    assert math.isnan(found.border.mean)
    assert math.isnan(found.per_point[1])
    assert (found.all.mean, found.all.lost) == (2.0, 4)


def test_nothing_visible_and_no_border():
    found = point_errors(torch.zeros(1, 2, 2), torch.full((1, 2, 2), math.nan), torch.zeros(1, 2, dtype=torch.bool))
    assert math.isnan(found.all.mean)
    assert found.border[2:] == (0, 0)


def test_perfect_tracking_of_projected_points():
    intrinsics = torch.tensor([[768.99, 0, 292.89], [0, 768.99, 291.61], [0, 0, 1]])
    points = torch.rand((4, 5, 3), generator=torch.Generator().manual_seed(0)) + torch.tensor([-0.5, -0.5, 1.0])
    pixels = project_points(points, intrinsics)
    x = 768.99 * points[..., 0] / points[..., 2] + 292.89
    torch.testing.assert_close(pixels[..., 0].float(), x)
    found = point_errors(project_points(7 * points, intrinsics), pixels, torch.ones(4, 5, dtype=torch.bool))
    assert found.all.mean == pytest.approx(0, abs=1e-4)  # the scale of depth does not matter
    assert project_points(torch.tensor([0.1, 0.2, -1.0]), intrinsics).isnan().all()


def test_text():
    assert str(PointError(9.2, 13.2, 40, 0)) == "9.2 (13.2) px of 40"
    assert str(PointError(9.2, 13.2, 40, 2)) == "9.2 (13.2) px of 40, 2 lost"


def test_wrong_shapes():
    good, seen = torch.zeros(2, 3, 2), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"\(2, 3, 3\)"):
        point_errors(torch.zeros(2, 3, 3), good, seen)
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        point_errors(good, good, seen.T)
    with pytest.raises(ValueError, match=r"border \(3,\)"):
        point_errors(good, good, seen, torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="no marked position"):
        point_errors(good, good + math.nan, seen)
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        project_points(torch.zeros(2), torch.eye(3))
