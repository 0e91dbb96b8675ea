"""Rows for manifests."""

from collections.abc import Sequence

from vergence.data.manifest import FrameRow, Manifest


def rows(count=4, **columns):
    return [FrameRow(f"{i}.png", "a", i, **columns) for i in range(count)]


def with_neighbours(manifest: Manifest, offsets: Sequence[int | str]) -> list[int]:
    """Samples that have a row at every offset ("s": a stereo partner)."""
    return [i for i in range(len(manifest)) if all(manifest.has_source(i, offset) for offset in offsets)]
