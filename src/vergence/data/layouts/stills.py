"""Single frames with files of the same names beside them: what synthetic data sets of stills share."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from vergence.data.layouts.files import image_size, list_files, stem_number
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

_log = logging.getLogger("vergence")


def still_rows(root: Path, folder: str, val: int = 0) -> list[FrameRow]:
    """Rows of the images in ``root / folder``, each a sequence of its own; the last ``val`` are split "val".

    InputError where so many are held back that none is left.
    """
    names = list_files(root / folder)
    if val < 0 or (names and val >= len(names)):
        raise InputError(f"val is {val} and {root / folder} holds {len(names)} images; hold fewer of them back.")
    rows = []
    for index, name in enumerate(names):
        width, height = image_size(root / folder / name)
        stem, split = Path(name).stem, "val" if index >= len(names) - val else "train"
        row = FrameRow(f"{folder}/{name}", stem, stem_number(stem) or 0, split, width=width, height=height)
        rows.append(dataclasses.replace(row, camera=f"{width}x{height}"))
    return rows


def with_column(rows: Sequence[FrameRow], root: Path, folder: str, column: str, **others: str) -> list[FrameRow]:
    """Rows with the files in ``root / folder`` that are named as their images in ``column``.

    Args:
        others: further columns of the rows that have such a file.
    """
    by_stem = {Path(name).stem: f"{folder}/{name}" for name in list_files(root / folder)}
    paths = [by_stem.get(Path(row.image).stem) for row in rows]
    return [
        dataclasses.replace(row, **{column: path}, **others) if path else row  # type: ignore[arg-type]
        for row, path in zip(rows, paths, strict=True)
    ]


def without_odd_labels(rows: Sequence[FrameRow], root: Path) -> list[FrameRow]:
    """Rows but those whose label has another size than the image; a line in the log names them."""
    odd = [row for row in rows if row.label and image_size(root / row.label) != (row.width, row.height)]
    if odd:
        names = ", ".join(Path(row.image).name for row in odd[:5])
        _log.warning("%s: %d frame(s) left out, whose label has another size: %s", root.name, len(odd), names)
    left_out = {row.image for row in odd}
    return [row for row in rows if row.image not in left_out]
