"""Toy town: a procedural town rendered with NumPy, with exact depth, pose, intrinsics and semantics."""

from vergence.data.toytown.options import STYLES, TownFrame, TownOptions, camera
from vergence.data.toytown.render import render_street
from vergence.data.toytown.write import write_toytown

__all__ = ["STYLES", "TownFrame", "TownOptions", "camera", "render_street", "write_toytown"]
