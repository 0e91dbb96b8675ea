"""Layouts: one small function for each form of data, from a folder to a manifest."""

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vergence.data.buckets.remote import given
from vergence.data.layouts.registry import LAYOUTS
from vergence.data.layouts.resolve import describe_intrinsics, merge, recognise, resolve_input
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.data.table import check_manifest_file
from vergence.errors import InputError, nearest

__all__ = ["LAYOUTS", "describe_intrinsics", "index_layout", "merge", "recognise", "resolve_input"]

_log = logging.getLogger("vergence")


def index_layout(name: str, root: Path | str, out: Path | str, **options: Any) -> Manifest:
    """Make a data set's manifest, write it to ``out`` (.parquet or .csv) and return it.

    Raises:
        InputError: unknown layout or option (with the nearest known one), and what the layout itself raises.
    """
    layout = find_layout(name)
    known = list(inspect.signature(layout).parameters)[1:]
    for key in options:
        if key not in known:
            raise InputError(
                f"layout {name!r} has no option {key!r}{nearest(key, known)}; it has {', '.join(known) or 'none'}."
            )
    keep_inputs([out], *(path for path in (root, *map(str, options.values())) if Path(path).is_file()))
    check_manifest_file(Path(out))
    manifest = layout(given(root), **options)
    keep_inputs([out], manifest)
    manifest.write(out)
    _log.info("%s: %s", out, describe_intrinsics(manifest))
    return manifest


def find_layout(name: str) -> Callable[..., Manifest]:
    """The layout's function; InputError with the nearest name for an unknown one."""
    if name not in LAYOUTS:
        raise InputError(f"layout {name!r} is unknown{nearest(name, list(LAYOUTS))}; use one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
