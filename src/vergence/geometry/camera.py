"""Pinhole cameras: intrinsics that follow their image, back-projection, projection, and depth from disparity.

OpenCV axes (x right, y down, z forward), pixel centres at integers. Depth is z, in any unit: nothing here cares.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.errors import InputError

EPSILON = 1e-7
"""Added to z before the perspective division (Monodepth2; spec section 1.3)."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera of one image size; focal lengths and principal point in pixels of that size.

    Raises:
        InputError: a value is not finite, or too absurd to belong to a camera of this size.

    Example:
        >>> Camera(500, 500, 320, 240, 640, 480).resized(320, 240)
        Camera(fx=250.0, fy=250.0, cx=160.0, cy=120.0, width=320, height=240)
        >>> Camera(500, 500, 320, 240, 640, 480).cropped(100, 40, 400, 400).cx
        220
        >>> Camera(500, 500, 300, 240, 640, 480).flipped().cx
        339
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"camera image size {self.width} x {self.height} is impossible; give a positive size.")
        rows = (("fx", self.fx, "cx", self.cx, self.width), ("fy", self.fy, "cy", self.cy, self.height))
        for focal_name, focal, centre_name, centre, size in rows:
            if not math.isfinite(focal) or not 0.05 * size <= focal <= 100 * size:
                raise InputError(
                    f"camera {focal_name}={focal} is impossible for an image side of {size} pixels; expected a focal "
                    f"length in pixels between {0.05 * size:g} and {100 * size}, give the calibration in pixels."
                )
            if not math.isfinite(centre) or not -size <= centre <= 2 * size:
                raise InputError(
                    f"camera {centre_name}={centre} is impossible for an image side of {size} pixels; expected a "
                    f"principal point in pixels, at most one image size outside the image."
                )

    @classmethod
    def from_normalized(cls, fx: float, fy: float, cx: float, cy: float, width: int, height: int) -> "Camera":
        """From intrinsics divided by width (fx, cx) and height (fy, cy), the form that manifests store."""
        return cls(fx * width, fy * height, cx * width, cy * height, width, height)

    @classmethod
    def from_field_of_view(cls, degrees_horizontal: float, width: int, height: int) -> "Camera":
        """A guess: square pixels, centred, with this horizontal field of view (0 < degrees < 180).

        Example:
            >>> round(Camera.from_field_of_view(90, 640, 480).fx, 3)
            320.0
        """
        if not 0 < degrees_horizontal < 180:
            raise InputError(f"field of view {degrees_horizontal} is impossible; give degrees between 0 and 180.")
        focal = width / (2 * math.tan(math.radians(degrees_horizontal) / 2))
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)

    def resized(self, width: int, height: int, half_pixel: bool = False) -> "Camera":
        """The camera of the resized image.

        By default both rows are scaled plainly, as the published programs do; ``half_pixel`` gives the exact
        ``c' = s (c + 0.5) - 0.5`` of pixel centres at integers.
        """
        sx, sy = width / self.width, height / self.height
        shift = 0.5 if half_pixel else 0.0
        cx, cy = sx * (self.cx + shift) - shift, sy * (self.cy + shift) - shift
        return Camera(self.fx * sx, self.fy * sy, cx, cy, width, height)

    def cropped(self, left: float, top: float, width: int, height: int) -> "Camera":
        """The camera of the part of the image that starts at pixel (left, top)."""
        return Camera(self.fx, self.fy, self.cx - left, self.cy - top, width, height)

    def flipped(self) -> "Camera":
        """The camera of the image mirrored left to right: cx becomes W - 1 - cx."""
        return Camera(self.fx, self.fy, self.width - 1 - self.cx, self.cy, self.width, self.height)

    def matrix(self) -> Tensor:
        """Intrinsics (3, 3), float32, pixels."""
        return torch.tensor([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]], dtype=torch.float32)

    def normalized(self) -> tuple[float, float, float, float]:
        """fx / W, fy / H, cx / W, cy / H.

        Example:
            >>> Camera(500, 500, 320, 240, 1000, 500).normalized()
            (0.5, 1.0, 0.32, 0.48)
        """
        return self.fx / self.width, self.fy / self.height, self.cx / self.width, self.cy / self.height


def scale_intrinsics(K: Tensor, sx: float, sy: float) -> Tensor:
    """Intrinsics (..., 3, 3) of the image resized by the factors sx, sy (plain scaling of both rows).

    Example:
        >>> K = Camera(500, 500, 320, 240, 640, 480).matrix()
        >>> scale_intrinsics(K, 0.5, 0.25)[:2].tolist()
        [[250.0, 0.0, 160.0], [0.0, 125.0, 60.0]]
    """
    _check_matrix("scale_intrinsics", K, 3)
    return K * K.new_tensor([sx, sy, 1.0])[:, None]


def crop_intrinsics(K: Tensor, left: float, top: float) -> Tensor:
    """Intrinsics (..., 3, 3) of the image cropped at pixel (left, top).

    Example:
        >>> K = Camera(500, 500, 320, 240, 640, 480).matrix()
        >>> crop_intrinsics(K, left=20, top=40)[:2].tolist()
        [[500.0, 0.0, 300.0], [0.0, 500.0, 200.0]]
    """
    _check_matrix("crop_intrinsics", K, 3)
    offset = K.new_zeros(3, 3)
    offset[0, 2], offset[1, 2] = left, top
    return K - offset


def flip_intrinsics(K: Tensor, width: int) -> Tensor:
    """Intrinsics (..., 3, 3) of the image of this width mirrored left to right: cx becomes W - 1 - cx.

    Example:
        >>> K = Camera(500, 500, 300, 240, 640, 480).matrix()
        >>> flip_intrinsics(K, 640)[0].tolist()
        [500.0, 0.0, 339.0]
    """
    _check_matrix("flip_intrinsics", K, 3)
    flipped = K.clone()
    flipped[..., 0, 2] = width - 1 - K[..., 0, 2]
    return flipped


def flip_intrinsics_vertically(K: Tensor, height: int) -> Tensor:
    """Intrinsics (..., 3, 3) of the image of this height mirrored top to bottom: cy becomes H - 1 - cy."""
    _check_matrix("flip_intrinsics_vertically", K, 3)
    flipped = K.clone()
    flipped[..., 1, 2] = height - 1 - K[..., 1, 2]
    return flipped


def invert_intrinsics(K: Tensor) -> Tensor:
    """Inverse (..., 3, 3) of upper-triangular intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]].

    In closed form: exact, differentiable, without a library call that would wait for the device.

    Example:
        >>> K = Camera(500, 500, 320, 240, 640, 480).matrix()
        >>> torch.allclose(invert_intrinsics(K) @ K, torch.eye(3), atol=1e-6)
        True
    """
    _check_matrix("invert_intrinsics", K, 3)
    fx, skew, cx, fy, cy = K[..., 0, 0], K[..., 0, 1], K[..., 0, 2], K[..., 1, 1], K[..., 1, 2]
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    rows = (
        torch.stack([1 / fx, -skew / (fx * fy), (skew * cy - cx * fy) / (fx * fy)], dim=-1),
        torch.stack([zero, 1 / fy, -cy / fy], dim=-1),
        torch.stack([zero, zero, one], dim=-1),
    )
    return torch.stack(rows, dim=-2)


def pixel_grid(
    height: int, width: int, device: torch.device | str | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Homogeneous pixel coordinates (3, H, W): column 0..W-1, row 0..H-1, one.

    Example:
        >>> pixel_grid(4, 6)[:, 2, 5].tolist()
        [5.0, 2.0, 1.0]
    """
    x = torch.arange(width, device=device, dtype=dtype).expand(height, width)
    y = torch.arange(height, device=device, dtype=dtype)[:, None].expand(height, width)
    return torch.stack([x, y, torch.ones_like(x)])


def backproject(depth: Tensor, K: Tensor) -> Tensor:
    """Points X = D K^-1 [u, v, 1] in camera coordinates (spec section 1.3).

    Args:
        depth: (B, 1, H, W), along the optical axis.
        K: (B, 3, 3), pixels of that image.

    Returns:
        (B, 3, H, W), in the unit of the depth.

    Example:
        >>> K = Camera(100, 100, 2, 1, 5, 3).matrix()[None]
        >>> backproject(torch.full((1, 1, 3, 5), 10.0), K)[0, :, 1, 2].tolist()
        [0.0, 0.0, 10.0]
    """
    if depth.dim() != 4 or depth.shape[1] != 1:
        raise ValueError(f"backproject: depth must be (B, 1, H, W), received {tuple(depth.shape)}")
    _check_matrix("backproject", K, 3, depth.shape[0])
    height, width = depth.shape[-2:]
    grid = pixel_grid(height, width, depth.device, K.dtype).flatten(1)
    rays = (invert_intrinsics(K) @ grid).unflatten(-1, (height, width))
    return depth * rays


def project(points: Tensor, K: Tensor, T: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pixels and depths of points, seen by a camera after an optional move.

    Args:
        points: (B, 3, H, W).
        K: (B, 3, 3), pixels.
        T: (B, 4, 4) from the points' coordinates to the camera's; identity if None.

    Returns:
        Pixels (B, 2, H, W), x first, and depth (B, 1, H, W). Points behind the camera have negative depth.

    Example:
        >>> K = Camera(100, 100, 2, 1, 5, 3).matrix()[None]
        >>> pixels, depth = project(torch.tensor([0.1, 0.0, 10.0]).view(1, 3, 1, 1), K)
        >>> pixels.flatten().tolist(), depth.item()
        ([3.0, 1.0], 10.0)
    """
    if points.dim() != 4 or points.shape[1] != 3:
        raise ValueError(f"project: points must be (B, 3, H, W), received {tuple(points.shape)}")
    _check_matrix("project", K, 3, points.shape[0])
    flat = points.flatten(2)
    if T is not None:
        _check_matrix("project", T, 4, points.shape[0])
        flat = T[:, :3, :3] @ flat + T[:, :3, 3:]
    depth = flat[:, 2:].unflatten(-1, points.shape[-2:])
    homogeneous = (K @ flat).unflatten(-1, points.shape[-2:])
    return homogeneous[:, :2] / (homogeneous[:, 2:] + EPSILON), depth


def disparity_to_depth(disparity: Tensor, min_depth: float = 0.1, max_depth: float = 100.0) -> tuple[Tensor, Tensor]:
    """Inverse depth 1/max + (1/min - 1/max) disparity, and depth, from a sigmoid output (spec section 1.3).

    Args:
        disparity: any shape, values in [0, 1].
        min_depth: depth at disparity 1.
        max_depth: depth at disparity 0.

    Returns:
        Inverse depth and depth, of the same shape.

    Example:
        >>> inverse_depth, depth = disparity_to_depth(torch.tensor([0.0, 1.0]), min_depth=0.5, max_depth=50)
        >>> depth
        tensor([50.0000,  0.5000])
    """
    far, near = _inverse_range(min_depth, max_depth)
    inverse_depth = disparity * (near - far) + far
    return inverse_depth, inverse_depth.reciprocal()


def resize_inverse_depth(inverse_depth: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Inverse depth or disparity, (h, w) or (B, C, h, w), at another size: the one way in which it is done everywhere.

    Bilinear, half-pixel centres, no antialiasing (as OpenCV). What has that size already is returned as it is.

    Example:
        >>> resize_inverse_depth(torch.rand(4, 6), (8, 12)).shape
        torch.Size([8, 12])
    """
    if inverse_depth.shape[-2:] == tuple(size):
        return inverse_depth
    maps = inverse_depth if inverse_depth.ndim == 4 else inverse_depth[None, None]
    resized = F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
    return resized if inverse_depth.ndim == 4 else resized[0, 0]


def depth_to_disparity(depth: Tensor, min_depth: float = 0.1, max_depth: float = 100.0) -> Tensor:
    """The sigmoid output that :func:`disparity_to_depth` turns into this depth; outside [0, 1] if out of range.

    Example:
        >>> depth_to_disparity(torch.tensor([50.0, 0.5]), min_depth=0.5, max_depth=50).tolist()
        [0.0, 1.0]
    """
    return inverse_depth_to_disparity(depth.reciprocal(), min_depth, max_depth)


def inverse_depth_to_disparity(inverse_depth: Tensor, min_depth: float = 0.1, max_depth: float = 100.0) -> Tensor:
    """The sigmoid output that stands for this inverse depth: :func:`depth_to_disparity` of what is inverse already."""
    far, near = _inverse_range(min_depth, max_depth)
    return (inverse_depth - far) / (near - far)


def _inverse_range(min_depth: float, max_depth: float) -> tuple[float, float]:
    if not 0 < min_depth < max_depth:
        raise ValueError(f"depth range must satisfy 0 < min < max, received {min_depth} and {max_depth}")
    return 1 / max_depth, 1 / min_depth


def _check_matrix(caller: str, matrix: Tensor, size: int, batch: int | None = None) -> None:
    """Raise ValueError unless the matrix is (..., size, size), and (batch, size, size) where a batch is given."""
    shape = tuple(matrix.shape)
    if shape[-2:] != (size, size) or (batch is not None and (len(shape) != 3 or shape[0] not in (1, batch))):
        expected = f"(..., {size}, {size})" if batch is None else f"({batch}, {size}, {size})"
        raise ValueError(f"{caller}: matrix must be {expected}, received {shape}")
