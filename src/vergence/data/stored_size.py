"""The size of a frame's picture: what its file says, where the manifest does not say another."""

from pathlib import Path

from vergence.data.manifest import Manifest
from vergence.data.pictures import picture_size
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError


def stored_size(manifest: Manifest, index: int) -> tuple[int, int]:
    """(H, W) of a frame's picture, from its file's header; InputError where the manifest says another."""
    path = manifest.path(index)
    width, height = picture_size(path)
    check_size(manifest[index], path, (height, width))
    return height, width


def check_size(row: FrameRow, path: Path, size: tuple[int, int]) -> None:
    """InputError where a frame's picture of a size (H, W) has another in the manifest, whose intrinsics are of that."""
    if row.width and (row.height, row.width) != size:
        raise InputError(
            f"{path} is {size[1]}x{size[0]}, but the manifest says {row.width}x{row.height}; "
            "make the manifest again, with the intrinsics of this size."
        )
