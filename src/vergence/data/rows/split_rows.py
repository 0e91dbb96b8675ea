"""Which rows of a manifest a split means: one answer for every verb."""

import logging

from vergence.data.manifest import Manifest
from vergence.errors import InputError

_log = logging.getLogger("vergence")
ALL = "all"
"""Names every row, whatever its split."""


def has_splits(manifest: Manifest) -> bool:
    """Whether any row says which split it belongs to."""
    return any(manifest.splits())


def has_split(manifest: Manifest, split: str) -> bool:
    """Whether rows belong to this split."""
    return split in manifest.splits()


def in_split(manifest: Manifest, split: str | None, setting: str = "--split") -> Manifest:
    """The samples of a split; the others stay as neighbours.

    All samples for None, for "all" (unless a split is called so), and, with a note in the log, for data in which no
    row names a split.

    Args:
        manifest: where rows are looked for.
        split: its name.
        setting: what the user changes to name another one.

    Raises:
        InputError: there are splits, and none of this name.
    """
    if split is None or (split == ALL and not has_split(manifest, ALL)) or not len(manifest):
        return manifest
    if not has_splits(manifest):
        _log.info("%s has no splits: %r means all its %d frames", manifest.name, split, len(manifest))
        return manifest
    if not has_split(manifest, split):
        known = ", ".join(repr(name) for name in manifest.splits() if name)
        raise InputError(
            f"{manifest.name} has no split {split!r} but {known}; name one of these, or all, in {setting}."
        )
    return manifest.select(split=split)
