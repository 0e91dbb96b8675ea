"""Point clouds from depth maps, as PLY files (binary little-endian) and as glTF, which browsers show."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.errors import InputError

_POINT = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
_COLOUR = [("red", "u1"), ("green", "u1"), ("blue", "u1")]
_CONFIDENCE = [("confidence", "<f4")]
_ARRAY_BUFFER, _FLOAT, _BYTE, _POINTS = 34962, 5126, 5121, 0  # numbers of glTF


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points in camera axes: x right, y down, z forward."""

    points: NDArray[np.float32]
    """(N, 3), in the unit of the depth."""
    colours: NDArray[np.uint8] | None
    """(N, 3) RGB, where there are any."""
    comment: str = ""
    """What the file's header says: unit and axes."""
    confidence: NDArray[np.float32] | None = None
    """(N,) in [0, 1], of depth, where the prediction says it."""

    def save(self, path: Path | str) -> Path:
        """Write a binary PLY file; InputError where it cannot be written."""
        if not isinstance(path, str | Path):
            raise InputError(f"cloud.save: {path!r} is no path; give one such as frame.ply.")
        return write_ply(path, self)


def depth_to_points(
    depth: NDArray[np.floating],
    camera: tuple[float, float, float, float],
    image: NDArray[np.uint8] | None = None,
    farthest: float | None = None,
    confidence: NDArray[np.floating] | None = None,
    min_confidence: float = 0.0,
) -> Cloud:
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
    return Cloud(points, None if image is None else image[keep], confidence=sure)


def write_ply(path: Path | str, cloud: Cloud) -> Path:
    """Write a point cloud atomically, its comment as one line of the header."""
    points, colours, confidence = cloud.points, cloud.colours, cloud.confidence
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
    lines += [f"comment {' '.join(cloud.comment.split())}"] if cloud.comment else []
    lines += [f"element vertex {len(points)}", *(f"property float {name}" for name, _ in _POINT)]
    lines += [f"property uchar {name}" for name, _ in _COLOUR] if colours is not None else []
    lines += [f"property float {name}" for name, _ in sure]
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode())
        file.write(vertices.tobytes())
    return Path(path)


def glb(points: NDArray[np.floating], colours: NDArray[np.uint8]) -> bytes:
    """Points (N, 3) in camera axes (x right, y down, z forward) and colours (N, 3) as one binary glTF 2.0 file.

    glTF's y is up and its viewers look along -z, so both axes are turned. Source: Khronos, glTF 2.0 specification,
    "GLB File Format Specification".
    """
    if points.ndim != 2 or points.shape[1:] != (3,) or colours.shape != points.shape or not len(points):
        raise ValueError(f"expected points (N, 3) and as many colours, got {points.shape} and {colours.shape}")
    turned = (points * np.array([1, -1, -1])).astype("<f4")
    opaque = np.concatenate((colours, np.full((len(colours), 1), 255, dtype=np.uint8)), axis=1)
    binary = turned.tobytes() + opaque.tobytes()
    count = len(points)
    document = {
        "asset": {"version": "2.0", "generator": "Vergence"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "mode": _POINTS, "material": 0}]}
        ],
        "materials": [{"extensions": {"KHR_materials_unlit": {}}}],
        "extensionsUsed": ["KHR_materials_unlit"],
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 12 * count, "target": _ARRAY_BUFFER},
            {"buffer": 0, "byteOffset": 12 * count, "byteLength": 4 * count, "target": _ARRAY_BUFFER},
        ],
        "accessors": [
            {
                "bufferView": 0, "componentType": _FLOAT, "count": count, "type": "VEC3",
                "min": turned.min(axis=0).tolist(), "max": turned.max(axis=0).tolist(),
            },
            {"bufferView": 1, "componentType": _BYTE, "normalized": True, "count": count, "type": "VEC4"},
        ],
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
