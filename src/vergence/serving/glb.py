"""Coloured points as a binary glTF 2.0 file, which browsers show."""

import json
import struct

import numpy as np
from numpy.typing import NDArray

_ARRAY_BUFFER, _FLOAT, _BYTE, _POINTS = 34962, 5126, 5121, 0


def glb(points: NDArray[np.floating], colours: NDArray[np.uint8]) -> bytes:
    """Points (N, 3) in camera axes (x right, y down, z forward) and colours (N, 3) as one file.

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
