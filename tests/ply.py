"""Reading back the PLY files that the program writes, by the header that they state."""

from pathlib import Path

import numpy as np

from vergence.data.measured.pointcloud import Cloud

KINDS = {"float": "<f4", "uchar": "u1"}


def read_ply(path: Path) -> Cloud:
    header, _, content = path.read_bytes().partition(b"end_header\n")
    first, form, *lines = header.decode("ascii").splitlines()
    assert (first, form) == ("ply", "format binary_little_endian 1.0")
    words = [line.split() for line in lines]
    count = next(int(rest[1]) for word, *rest in words if word == "element" and rest[0] == "vertex")
    vertices = np.frombuffer(content, [(rest[1], KINDS[rest[0]]) for word, *rest in words if word == "property"])
    assert len(vertices) == count
    points, colours = (
        np.stack([vertices[name] for name in names], axis=1) if set(names) <= set(vertices.dtype.names) else None
        for names in (("x", "y", "z"), ("red", "green", "blue"))
    )
    return Cloud(points, colours, confidence=vertices["confidence"] if "confidence" in vertices.dtype.names else None)
