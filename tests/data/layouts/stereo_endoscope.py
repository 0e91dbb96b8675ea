"""A raw stereo pair of SCARED whose geometry is known."""

import struct
import zlib

import numpy as np

from vergence.data.layouts.rectification import StereoCalibration

HEIGHT, WIDTH, DISTANCE = 96, 128, 90.0  # a wall 9 cm away, in millimetres


def rotation(x, y, z):
    """Small turns about the three axes."""
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn, _, other = np.linalg.svd(np.eye(3) + cross)
    return turn @ other


CAMERAS = StereoCalibration(
    KL=np.array([[110.0, 0, 66], [0, 112, 50], [0, 0, 1]]),
    DL=np.array([-0.08, 0.02, 0.002, -0.001, 0.0]),
    KR=np.array([[108.0, 0, 61], [0, 109, 46], [0, 0, 1]]),
    DR=np.array([0.05, -0.01, -0.001, 0.002, 0.0]),
    R=rotation(0.02, -0.03, 0.025),
    T=np.array([-4.2, 0.15, -0.1]),
)


def rays(K, bend):
    """Directions (H, W, 3) that the pixels of a raw frame look along: the distortion, undone by iteration."""
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    x0, y0 = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    x, y = x0.copy(), y0.copy()
    k1, k2, p1, p2, k3 = bend
    for _ in range(30):
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        x = (x0 - 2 * p1 * x * y - p2 * (r2 + 2 * x * x)) / radial
        y = (y0 - p1 * (r2 + 2 * y * y) - 2 * p2 * x * y) / radial
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def wall(points):
    x, y = points[..., 0] / 9, points[..., 1] / 9
    waves = [np.sin(2 * x + y), np.sin(1.5 * y - 1.2 * x + 1), np.cos(1.8 * x + 2) * np.cos(1.3 * y)]
    return np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def raw_pair():
    """Left and right picture of the wall, and the points (H, W, 3) that the left one shows."""
    points = rays(CAMERAS.KL, CAMERAS.DL) * DISTANCE
    directions = rays(CAMERAS.KR, CAMERAS.DR) @ CAMERAS.R
    centre = -CAMERAS.R.T @ CAMERAS.T
    seen = centre + directions * ((DISTANCE - centre[2]) / directions[..., 2:])
    return wall(points), wall(seen), points.astype(np.float32)


def write_points(path, values, compression="raw"):
    """A TIFF of float32 written by hand: one strip, tags in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = values.shape
    strip = values.astype("<f4").tobytes()
    code = {"raw": 1, "deflate": 8}[compression]
    if compression == "deflate":
        strip = zlib.compress(strip)
    extra = 8 + len(strip)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, extra), (259, 3, 1, code), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(strip)), (284, 3, 1, 1),
        (339, 3, 3, extra + 6),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    numbers = struct.pack("<6H", 32, 32, 32, 3, 3, 3)
    path.write_bytes(b"II*\0" + struct.pack("<I", extra + 12) + strip + numbers + directory)
