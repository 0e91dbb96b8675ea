"""Masks that come back from an annotator, checked as a whole and entered into a manifest."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.annotation.archives import unpacked
from vergence.data.annotation.classes import (
    BACKGROUND,
    BLACK,
    IGNORE_COLOUR,
    IGNORE_NAMES,
    AnnotationClasses,
    distinct_colours,
    voc_colour,
)
from vergence.data.annotation.exporting import common_space
from vergence.data.annotation.formats import Annotations, Problems
from vergence.data.annotation.names import FrameNames, frame_name
from vergence.data.annotation.png import write_palette_png
from vergence.data.annotation.registry import detect, reader
from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LABEL_SPACES, LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.data.rows.selected import joined, with_label
from vergence.data.stored_size import stored_size
from vergence.data.table import check_manifest_file
from vergence.errors import InputError, nearest
from vergence.progress import Progress


@dataclass(frozen=True)
class ImportedLabels:
    """What an import did."""

    manifest: Path
    format: str
    space: LabelSpace
    frames: int
    """Rows of the manifest."""
    imported: int
    """Rows that got a label."""
    empty: int
    """Those of them in which no pixel has a class."""
    missing: int
    """Rows without annotation; they stay as they were."""

    def __str__(self) -> str:
        empty = f", {self.empty} of them without any class" if self.empty else ""
        missing = f"; without annotation and as before: {self.missing}" if self.missing else ""
        return (
            f"{self.imported} of {self.frames} frames labelled from {self.format}{empty}{missing}; "
            f"{len(self.space)} classes of {self.space.name}, in {self.manifest}"
        )


def import_labels(
    export: Path | str,
    manifest: Manifest,
    out: Path | str,
    format: str | None = None,
    space: LabelSpace | str | None = None,
    complete: bool = False,
    progress: Progress | None = None,
    whole: Manifest | None = None,
) -> ImportedLabels:
    """Check the masks of an annotator, write them as PNG files of class ids, and write the manifest that names them.

    Files are matched to rows by name (see :class:`vergence.data.annotation.names.FrameNames`). The labels lie in
    ``STEM_labels/`` beside the new manifest; ``label`` and ``label_space`` are set in the rows that have one, other
    rows stay as they are. Nothing is written before everything has been checked.

    Args:
        export: folder, ``.zip``, ``.tar`` or ``.json`` of the annotator.
        manifest: its samples are labelled.
        out: the new manifest, .parquet or .csv.
        format: "png", "cvat", "coco" or "label_studio"; default what the files look like.
        space: whose classes the labels speak of; default that of the manifest's labels, or else the annotator's.
        complete: frames without annotation are an error.
        progress: called with (files done, all).
        whole: what ``manifest`` is a part of; all its frames are in the new manifest, with the labels of that part.

    Raises:
        InputError: one that lists every problem: names of no frame, several masks of a frame, other sizes, unknown
            classes, colours, palettes and ids, damaged files.
    """
    export, out = Path(export), Path(out).absolute()
    check_manifest_file(out)
    folder = out.parent / f"{out.stem}_labels"
    masks = [folder / f"{frame_name(row)}.png" for row in manifest]
    keep_inputs([out, *masks], manifest, whole, export if export.is_file() else None)
    keep_inputs(masks, export)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    fresh = [parent for parent in out.parents if not parent.exists()]
    with unpacked(export) as contents:
        name = format or detect(contents)
        problems = Problems(export)
        chosen = label_space(space) if isinstance(space, str) else space or common_space(manifest)
        annotations = reader(name)(contents, problems, chosen)
        if not annotations.masks or not annotations.classes:
            problems.check()
        chosen = chosen or _own_space(annotations, export)
        rows = _matched(annotations, manifest, problems)
        if not rows and not problems.messages:
            problems.add("it has no masks")
        if complete:
            for index in sorted(set(range(len(manifest))) - rows.keys()):
                problems.add(f"{manifest[index].image} has no annotation")
        try:
            with _writable(folder):
                staging.mkdir(parents=True, exist_ok=True)
            empty = _convert(annotations, rows, manifest, chosen, staging, problems, progress)
            problems.check()
            _move(staging, folder)
        except BaseException:
            _tidy(staging, fresh)
            raise
        _tidy(staging, fresh=[])
    labelled = [
        with_label(row, str(folder / f"{frame_name(row)}.png"), chosen.text()) if index in rows else row
        for index, row in enumerate(manifest)
    ]
    found_rows = Manifest(labelled, manifest.root, manifest.name)
    (found_rows if whole is None else joined(found_rows, whole)).write(out)
    return ImportedLabels(out, name, chosen, len(manifest), len(rows), empty, len(manifest) - len(rows))


def _own_space(annotations: Annotations, export: Path) -> LabelSpace:
    """The space that the annotations themselves speak of: by its text, a known one with their classes, or a new one."""
    if annotations.space:
        return label_space(annotations.space)
    for space in LABEL_SPACES.values():
        if set(annotations.classes) - {BACKGROUND, AnnotationClasses.of(space).ignore} == set(space.classes):
            return space
    palette = annotations.colours or [voc_colour(index + 1) for index in range(len(annotations.classes))]
    pairs = [
        (name, colour)
        for name, colour in zip(annotations.classes, palette, strict=True)
        if name not in IGNORE_NAMES and (name, colour) != (BACKGROUND, BLACK)
    ]
    if not pairs:
        raise InputError(f"{export} names no classes; say with --label_space which there are.")
    names, colours = zip(*pairs, strict=True)
    word = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in export.stem)
    try:
        return LabelSpace(word.strip("-") or "annotated", names, distinct_colours(colours))
    except ValueError as error:
        raise InputError(
            f"the classes of {export} are no label space ({error}); name one with --label_space."
        ) from error


def _matched(annotations: Annotations, manifest: Manifest, problems: Problems) -> dict[int, str]:
    """Row -> name of its mask; problems where names fit no row, or several fit one."""
    names, rows = FrameNames(list(manifest)), dict[int, str]()
    for name in annotations.masks:
        try:
            index = names.find(name)
        except LookupError as error:
            problems.add(f"{name} {error.args[0]}{nearest(Path(name).name, list(names.exact))}")
            continue
        if index in rows:
            problems.add(f"{rows[index]} and {name} are both masks of {manifest[index].image}; keep one")
        rows.setdefault(index, name)
    return rows


def _convert(
    annotations: Annotations,
    rows: dict[int, str],
    manifest: Manifest,
    space: LabelSpace,
    staging: Path,
    problems: Problems,
    progress: Progress | None,
) -> int:
    """Write every good mask below ``staging``; returns how many have no class anywhere."""
    table, strangers = class_table(annotations.classes, space)
    # not the annotator's palette, whose colours are made distinct: a label is read by the colours of its space
    colours = [*space.colours, *[BLACK] * (IGNORED_LABEL - len(space)), IGNORE_COLOUR]
    palette, empty = [part for colour in colours for part in colour], 0
    seen: dict[str, int] = {}
    for done, (index, name) in enumerate(sorted(rows.items()), start=1):
        with problems.collect():
            mask = annotations.masks[name](stored_size(manifest, index))
            for class_id in np.unique(mask):
                if int(class_id) in strangers:
                    seen[strangers[int(class_id)]] = seen.get(strangers[int(class_id)], 0) + 1
            label = table[mask]
            empty += bool((label == IGNORED_LABEL).all())
            if not problems.messages and not seen:
                write_palette_png(staging / f"{frame_name(manifest[index])}.png", label, palette)
        if progress is not None:
            progress(done, len(rows))
    for stranger, count in seen.items():
        problems.add(
            f"the class {stranger!r} ({count} masks) is not in {space.name}{nearest(stranger, space.classes)}; "
            "rename it in the annotator, or give the label space that has it with --label_space"
        )
    return empty


def class_table(names: list[str], space: LabelSpace) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Ids of the space (256,) uint8 for indices into ``names``, and the indices whose names mean nothing there."""
    table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
    if BACKGROUND in space.classes:
        table[IGNORED_LABEL] = space.classes.index(BACKGROUND)
    strangers = {}
    for class_id, name in enumerate(names):
        if name in space.classes:
            table[class_id] = space.classes.index(name)
        elif name == BACKGROUND or name in IGNORE_NAMES or name == AnnotationClasses.of(space).ignore:
            table[class_id] = IGNORED_LABEL
        else:
            strangers[class_id] = name
    return table, strangers


def _tidy(staging: Path, fresh: list[Path]) -> None:
    """Remove what an import that failed has made: its files, and folders (innermost first) that were not there."""
    shutil.rmtree(staging, ignore_errors=True)
    for folder in fresh:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """InputError where what is done within cannot write ``folder``."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error}); give another --out.") from error


def _move(staging: Path, folder: Path) -> None:
    """Move each file to its place in one step."""
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
