"""Rows for manifests."""

from vergence.data.manifest import FrameRow


def rows(count=4, **columns):
    return [FrameRow(f"{i}.png", "a", i, **columns) for i in range(count)]
