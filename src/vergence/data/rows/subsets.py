"""Which frames of a manifest are used as labelled ones: all, a random few, or those that a file lists."""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vergence.data.buckets.addresses import places
from vergence.data.buckets.remote import given
from vergence.data.manifest import Manifest
from vergence.data.structured import read_json, read_lines
from vergence.errors import InputError


@dataclass(frozen=True)
class Subset:
    """Labelled frames of a manifest."""

    rows: list[int]
    """Indices, sorted by the image's path: the same frames in whatever order they were chosen are the same data."""
    digest: str
    """Twelve hexadecimal digits of which frames these are, the same wherever the data lie."""
    describe: str
    """For people: how many of how many, and how they were chosen."""


def labelled_subset(
    manifest: Manifest, count: int | None = None, seed: int | None = None, file: str | None = None
) -> Subset:
    """The frames that count as labelled.

    Carried labels (``label_origin``) come along wherever all hand-made ones count: they were made of these. Without
    count and file: all that have a label. With a count: ``sorted(RandomState(seed).permutation(n)[:count])``
    of the n labelled frames sorted by path, so that a smaller subset of one seed lies in a larger one (three_ways.md
    section 6); no seed is seed 0. With a file: the frames it lists, of these the first ``count``.

    Args:
        manifest: the training frames.
        count: how many.
        seed: of the draw.
        file: a manifest, a JSON list, or a text file of one image name a line (what ``vergence select`` writes).

    Raises:
        InputError: no frame has a label, fewer have one than asked for, or the file lists a frame that is not there,
            has no label, or is listed twice.
    """
    judging = (row for row in range(len(manifest)) if manifest[row].judges)
    labelled = sorted(judging, key=lambda row: manifest[row].image)
    carried = [row for row in range(len(manifest)) if manifest[row].label and not manifest[row].judges]
    if not labelled and not carried:
        raise InputError(
            f"{manifest.name} has no labelled frame among its {len(manifest)}; fill the column 'label', or give a "
            "layout that finds the labels."
        )
    if count is not None and count < 1:
        raise InputError(f"frames.labelled.count is {count}; give at least 1, or leave it out for all labelled frames.")
    if file is not None:
        chosen, how = _listed(manifest, Path(file), count), f"from {file}"
        total = len(manifest)
    elif count is None:
        chosen, how, total = labelled, "all that have a label", len(manifest)
    else:
        if count > len(labelled):
            raise InputError(
                f"frames.labelled.count is {count}, but {manifest.name} has {len(labelled)} labelled frames; "
                "ask for fewer, or label more."
            )
        chosen = [labelled[index] for index in random_subset(len(labelled), count, seed or 0)]
        how, total = f"at random with seed {seed or 0}", len(labelled)
    if carried and len(chosen) < len(labelled):
        raise InputError(
            f"{manifest.name} has labels carried from {len(labelled)} labelled frames, of which {len(chosen)} are to "
            "count as labelled; carry the labels of those alone (vergence labels propagate), or let all count "
            "(frames.labelled.count null)."
        )
    rows = sorted([*chosen, *carried], key=lambda row: manifest[row].image)
    digest = _digest(manifest, rows)
    return Subset(rows, digest, f"{len(rows)} of {total} frames, {how} ({digest})")


def random_subset(total: int, count: int, seed: int) -> list[int]:
    """``count`` sorted places out of ``total``, nested in the count, by NumPy's legacy generator as the paper's.

    Example:
        >>> set(random_subset(100, 3, seed=1)) < set(random_subset(100, 10, seed=1))
        True
    """
    return sorted(int(index) for index in np.random.RandomState(seed % 2**32).permutation(total)[:count])


def _digest(manifest: Manifest, rows: Iterable[int]) -> str:
    hasher = hashlib.sha256()
    for row in rows:
        frame = manifest[row]
        values = (frame.sequence, frame.camera, frame.position, Path(frame.image).name, Path(frame.label).name)
        hasher.update(repr(values).encode())
    return hasher.hexdigest()[:12]


def _listed(manifest: Manifest, file: Path, count: int | None) -> list[int]:
    names = read_list(file)
    if count is not None and count > len(names):
        raise InputError(f"frames.labelled.count is {count}, but {file} lists {len(names)} frames; ask for fewer.")
    keys = _Names(manifest)
    chosen: dict[int, str] = {}
    for name in names[:count]:
        row = keys.find(name, file)
        if row in chosen:
            raise InputError(f"{file} lists {name} twice; remove one of them.")
        if not manifest[row].label:
            raise InputError(f"{file} lists {name}, which has no label in {manifest.name}; label it or remove it.")
        if not manifest[row].judges:
            raise InputError(
                f"{file} lists {name}, whose label was carried there from another frame; list frames that were "
                "labelled by hand: carried labels come along."
            )
        chosen[row] = name
    return list(chosen)


def listed_rows(manifest: Manifest, file: Path | str) -> list[int]:
    """Rows of the frames that a list names, with or without label; InputError where one is not in the manifest."""
    keys, file = _Names(manifest), given(file)
    return [keys.find(name, file) for name in read_list(file)]


def read_list(file: Path) -> list[str]:
    """Image names in the order of a list: JSON list of names or of objects with ``image``, text, or a manifest.

    Raises:
        InputError: missing, of another form, or empty.
    """
    file = given(file)
    if file.suffix.lower() in (".csv", ".parquet"):
        manifest = Manifest.read(file)
        return [str(manifest.path(row)) for row in range(len(manifest))]
    remedy = "make a list of frames with `vergence select`"
    content = read_json(file, remedy=remedy) if file.suffix.lower() == ".json" else read_lines(file, remedy)
    try:
        names = _json_names(content) if file.suffix.lower() == ".json" else _text_names(content)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{file} is no list of frames ({type(error).__name__}: {error}); give a manifest, a JSON list "
            "of image names, or a text file of one image name a line."
        ) from error
    if not names:
        raise InputError(f"{file} lists no frames; name at least one image.")
    return places(names, str(file))


def _json_names(values: Any) -> list[str]:
    if isinstance(values, dict):
        values = values.get("frames", values.get("images"))
    if not isinstance(values, list):
        raise TypeError("it holds no list")
    names = [one["image"] if isinstance(one, dict) else one for one in values]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("an entry is no name")
    return names


_LONGEST = 8192
"""Letters of a line: two paths and their parts fit."""


def _text_names(lines: list[str]) -> list[str]:
    long = next((number for number, line in enumerate(lines, start=1) if len(line) > _LONGEST), None)
    if long is not None:
        raise TypeError(f"line {long} is longer than any name of a file")
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


class _Names:
    """Finds rows by what a list may call them: path (absolute, or relative to manifest or list), file name or stem."""

    def __init__(self, manifest: Manifest) -> None:
        self.name, self.root = manifest.name, manifest.root
        self.images: dict[int, str] = {}
        self.paths: dict[str, int] = {}
        self.short: dict[str, list[int]] = {}
        for row in range(len(manifest)):
            image = Path(manifest[row].image)
            self.paths[os.path.abspath(self.root / image)] = row
            self.images[row] = image.as_posix()
            for short in {image.name, image.stem}:
                self.short.setdefault(short, []).append(row)

    def find(self, line: str, file: Path) -> int:
        """The row of a line: an image, or an image and its label, as lists of other programs have it."""
        ends = [end for end, letter in enumerate(line) if letter.isspace()]
        for name in (line, *(line[:end].rstrip() for end in ends)):
            with contextlib.suppress(LookupError):
                return self._row(name, file)
        raise InputError(f"{file} lists {line}, which is no frame of {self.name}; take it out, or give these frames.")

    def _row(self, name: str, file: Path) -> int:
        """LookupError where there is none; InputError where there are several."""
        for folder in (self.root, file.parent):
            row = self.paths.get(os.path.abspath(folder / name))
            if row is not None:
                return row
        rows = self.short.get(Path(name).name, [])
        rows = [row for row in rows if self.images[row].endswith(f"/{name}")] or rows
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise InputError(
                f"{file} lists {name}, but {len(rows)} frames of {self.name} are called so; give its path."
            )
        raise LookupError(name)
