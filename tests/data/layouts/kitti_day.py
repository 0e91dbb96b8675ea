"""One recording day of KITTI."""

import numpy as np

DAY = "2011_09_26"


DRIVE = f"{DAY}/{DAY}_drive_0001_sync"


SIZE = (32, 16)


FRAMES = [f"{number:010d}.jpg" for number in range(6)]


def projection(x: float, cx: float = 15.0) -> np.ndarray:
    """P_rect of a camera at x metres to the right of camera 0."""
    return np.array([[24.0, 0, cx, -24.0 * x], [0, 25.0, 8.0, 0], [0, 0, 1, 0]])


def line(key: str, values: np.ndarray) -> str:
    return f"{key}: {' '.join(f'{value:e}' for value in np.ravel(values))}"


def write_day(folder) -> None:
    lines = ["calib_time: 09-Jan-2012 13:57:47", line("corner_dist", np.array([0.0995])), line("R_rect_00", np.eye(3))]
    lines += [line("S_rect_02", np.array(SIZE))]
    lines += [line(f"P_rect_{n:02d}", projection(x, 15.0 + n / 8)) for n, x in enumerate((0.0, 0.54, -0.06, 0.47))]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines))
    # scanner: x forward, y left, z up; 0.3 m ahead of the camera
    rotation = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    text = [line("R", rotation), line("T", np.array([0, 0, -0.3]))]
    (folder / "calib_velo_to_cam.txt").write_text("\n".join(text))
