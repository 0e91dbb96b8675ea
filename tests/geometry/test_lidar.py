"""LiDAR sweeps as depth maps."""

import numpy as np
import pytest

from vergence.geometry.lidar import project_lidar

HEIGHT, WIDTH, FOCAL = 12, 20, 10.0
P = np.array([[FOCAL, 0, 10, 0], [0, FOCAL, 6, 0], [0, 0, 1, 0]])
TO_CAMERA = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x forward, y left, z up to x right, y down, z forward
SIZE = (HEIGHT, WIDTH)


def sweep(*hits: tuple[float, float, float], mount: float = 0.0) -> np.ndarray:
    """Points that land on pixels (row, column) at a depth z; ``mount`` metres between scanner and camera."""
    points = []
    for row, column, z in hits:
        right, down = (column + 1 - 10) * z / FOCAL, (row + 1 - 6) * z / FOCAL  # the pixel is round(u) - 1
        points.append((z + mount, -right, -down, 0.5))
    return np.array(points, dtype=np.float64)


def run(points: np.ndarray, mount: float = 0.0, **options: object) -> np.ndarray:
    translation = np.array([0.0, 0.0, -mount])
    return project_lidar(points, P, np.eye(3), TO_CAMERA, translation, SIZE, **options)  # type: ignore[arg-type]


def test_points_land_where_they_are_seen() -> None:
    depth = run(sweep((3, 4, 8.0), (11, 19, 5.0), (0, 0, 7.0)))
    assert depth.shape == SIZE
    assert depth.dtype == np.float64
    assert {(int(r), int(c)): depth[r, c] for r, c in np.argwhere(depth)} == {(3, 4): 8.0, (11, 19): 5.0, (0, 0): 7.0}


def test_forward_coordinate_or_camera_depth() -> None:
    points = sweep((3, 4, 8.0), mount=0.3)
    assert run(points, mount=0.3)[3, 4] == pytest.approx(8.3)
    assert run(points, mount=0.3, depth="camera")[3, 4] == pytest.approx(8.0)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_nearest_point_wins(legacy: bool) -> None:
    """Golden fact 30."""
    for order in ((9.0, 5.0, 7.0), (5.0, 9.0, 7.0), (7.0, 9.0, 5.0)):
        depth = run(sweep(*((3, 4, z) for z in order)), legacy_duplicates=legacy)
        assert depth[3, 4] == 5.0
        assert np.count_nonzero(depth) == 1


def test_row_ends_do_not_meet_row_starts() -> None:
    """Golden fact 30: the published program takes them for one pixel; we do only where asked to."""
    points = sweep((3, WIDTH - 1, 9.0), (4, 0, 5.0))
    depth = run(points)
    assert (depth[3, WIDTH - 1], depth[4, 0]) == (9.0, 5.0)
    legacy = run(points, legacy_duplicates=True)
    assert (legacy[3, WIDTH - 1], legacy[4, 0]) == (5.0, 5.0)


def test_behind_and_outside_are_dropped() -> None:
    points = sweep((3, 4, 8.0), (-1, 4, 8.0), (3, -1, 8.0), (HEIGHT, 4, 8.0), (3, WIDTH, 8.0))
    points = np.concatenate([points, [[-5.0, 0.1, 0.1, 0.5]]])
    depth = run(points)
    assert np.argwhere(depth).tolist() == [[3, 4]]
    assert not run(points[:0]).any()


def test_between_scanner_and_camera() -> None:
    """Ahead of the scanner, behind the camera: not seen with camera depth, and no warning from dividing by zero."""
    points = np.array([[0.1, 0.02, 0.02, 0.0], [0.3, 0.0, 0.0, 0.0]])
    assert not run(points, mount=0.3, depth="camera").any()


def test_reflectance_is_not_used() -> None:
    points = sweep((3, 4, 8.0), (5, 6, 4.0))
    assert np.array_equal(run(points), run(points[:, :3]))
    assert np.array_equal(run(points), run(points.astype(np.float32)))


@pytest.mark.parametrize("shape", [(5,), (5, 2), (1, 5, 4)])
def test_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="points have shape"):
        run(np.ones(shape))
