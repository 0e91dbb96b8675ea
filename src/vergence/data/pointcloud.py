"""Point clouds as PLY files (binary little-endian), and from depth maps."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.errors import InputError

_POINT = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
_COLOUR = [("red", "u1"), ("green", "u1"), ("blue", "u1")]
_CONFIDENCE = [("confidence", "<f4")]
_NUMPY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}


class PointCloud(NamedTuple):
    """Points (N, 3) float32 in camera axes (x right, y down, z forward), colours (N, 3) uint8 or None, and how far each
    is trusted (N,) float32 in [0, 1], or None."""

    points: NDArray[np.float32]
    colours: NDArray[np.uint8] | None
    confidence: NDArray[np.float32] | None = None


def depth_to_points(
    depth: NDArray[np.floating],
    camera: tuple[float, float, float, float],
    image: NDArray[np.uint8] | None = None,
    farthest: float | None = None,
    confidence: NDArray[np.floating] | None = None,
    min_confidence: float = 0.0,
) -> PointCloud:
    """Back-project a depth map; pixels with depth 0, not finite, beyond ``farthest`` or less sure are left out.

    Args:
        depth: (H, W), any unit; the points are in the same unit.
        camera: fx, fy, cx, cy normalised by width and height; pixel centres at integers.
        image: (H, W, 3) colours of the points.
        farthest: largest depth kept, in the unit of ``depth``.
        confidence: (H, W) in [0, 1], of the depth.
        min_confidence: least confidence kept.
    """
    if depth.ndim != 2 or (image is not None and image.shape != (*depth.shape, 3)):
        raise ValueError(f"expected depth (H, W) and image (H, W, 3), got {depth.shape} and "
                         f"{None if image is None else image.shape}")  # fmt: skip
    height, width = depth.shape
    fx, fy, cx, cy = camera[0] * width, camera[1] * height, camera[2] * width, camera[3] * height
    keep = np.isfinite(depth) & (depth > 0)
    if farthest is not None:
        keep &= depth <= farthest
    if confidence is not None:
        keep &= confidence >= min_confidence
    v, u = np.nonzero(keep)
    z = depth[keep]
    points = np.stack(((u - cx) / fx * z, (v - cy) / fy * z, z), axis=1).astype(np.float32)
    sure = None if confidence is None else confidence[keep].astype(np.float32)
    return PointCloud(points, None if image is None else image[keep], sure)


def write_ply(path: Path | str, cloud: PointCloud, comment: str = "") -> Path:
    """Write a point cloud atomically; ``comment`` (one line, such as the unit) goes into the header."""
    points, colours, confidence = cloud
    if points.ndim != 2 or points.shape[1] != 3 or (colours is not None and colours.shape != points.shape):
        raise ValueError(f"expected points (N, 3) and colours (N, 3), got {points.shape} and "
                         f"{None if colours is None else colours.shape}")  # fmt: skip
    sure = _CONFIDENCE if confidence is not None else []
    vertices = np.empty(len(points), dtype=_POINT + (_COLOUR if colours is not None else []) + sure)
    for axis, (name, _) in enumerate(_POINT):
        vertices[name] = points[:, axis]
    if colours is not None:
        for channel, (name, _) in enumerate(_COLOUR):
            vertices[name] = colours[:, channel]
    if confidence is not None:
        vertices["confidence"] = confidence
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {' '.join(comment.split())}"] if comment else []
    lines += [f"element vertex {len(points)}", *(f"property float {name}" for name, _ in _POINT)]
    lines += [f"property uchar {name}" for name, _ in _COLOUR] if colours is not None else []
    lines += [f"property float {name}" for name, _ in sure]
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode())
        file.write(vertices.tobytes())
    return Path(path)


def read_ply(path: Path | str) -> PointCloud:
    """Read the vertices of a PLY file (binary or ASCII); other elements are ignored.

    Raises:
        InputError: missing, not a PLY file, truncated, or without x, y, z.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            order, count, properties = _read_header(file, path)
            vertices = _read_vertices(file, order, count, properties)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a PLY file.") from error
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} has points that are not numbers; write it again.") from error
    if len(vertices) != count:
        raise InputError(f"{path} is truncated: {len(vertices)} of {count} points; write it again.")
    points = np.stack([vertices[name] for name, _ in _POINT], axis=1).astype(np.float32)
    has_colours = all(name in properties for name, _ in _COLOUR)
    colours = np.stack([vertices[name] for name, _ in _COLOUR], axis=1).astype(np.uint8) if has_colours else None
    confidence = vertices["confidence"].astype(np.float32) if "confidence" in properties else None
    return PointCloud(points, colours, confidence)


def _read_header(file: BinaryIO, path: Path) -> tuple[str, int, dict[str, str]]:
    """Byte order, number of vertices, and the vertices' properties as numpy types."""
    if file.readline(16).strip() != b"ply":
        raise InputError(f"{path} is not a PLY file: it does not start with 'ply'.")
    properties: dict[str, str] = {}
    order, count, element = "", 0, None
    for raw in iter(lambda: file.readline(4096), b""):
        words = raw.decode("ascii", "replace").split()
        match words:
            case ["format", form, *_] if form in _BYTE_ORDERS:
                order = _BYTE_ORDERS[form]
            case ["element", name, number] if number.isdigit():
                count = int(number) if name == "vertex" else count
                if name != "vertex" and not properties:
                    raise InputError(f"{path} does not list its vertices first; save it with the vertices first.")
                element = name
            case ["property", kind, name] if element == "vertex" and kind in _NUMPY_TYPES:
                properties[name] = order + _NUMPY_TYPES[kind]
            case ["property", *_] if element == "vertex":
                raise InputError(f"{path} has a vertex property that is not a number: {' '.join(words)}.")
            case ["end_header"]:
                if not {"x", "y", "z"} <= properties.keys():
                    raise InputError(f"{path} has no vertices with x, y and z.")
                return order, count, properties
    raise InputError(f"{path} is not a PLY file: its header does not end.")


def _read_vertices(file: BinaryIO, order: str, count: int, properties: dict[str, str]) -> NDArray[np.void]:
    layout = np.dtype(list(properties.items()))
    if order:
        data = file.read(count * layout.itemsize)
        return np.frombuffer(data, layout, count=min(count, len(data) // layout.itemsize))
    rows = [tuple(float(word) for word in file.readline().split()) for _ in range(count)]
    return np.array([row for row in rows if len(row) == len(properties)], dtype=layout)
