"""Frames and what is known of their classes, written for an annotator."""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vergence.data.annotation.classes import AnnotationClasses
from vergence.data.annotation.formats import ExportedFrame, Label
from vergence.data.annotation.names import frame_name
from vergence.data.annotation.registry import writer
from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LabelSpace, label_mapping, label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.pictures import picture_size
from vergence.errors import InputError
from vergence.progress import Progress

if TYPE_CHECKING:
    from vergence.data.annotation.registry import Format

Predictor = Callable[[Path], Label]
"""Image file -> class ids (H, W) uint8 at the image's size."""


def export_labels(
    manifest: Manifest,
    to: "Format | str",
    out: Path | str,
    space: LabelSpace | str | None = None,
    predictor: Predictor | None = None,
    predictor_space: LabelSpace | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write the frames of a manifest, their labels and predicted ones in the form of an annotator.

    Args:
        manifest: its samples are written; those without a label as images alone.
        to: "png", "cvat", "coco" or "label_studio".
        out: folder that does not exist yet or is empty, or an archive ``.zip``; written whole or not at all.
        space: classes to annotate; default those of the manifest's labels, or else of the predictor.
        predictor: labels the frames that have no label; its ids are of ``predictor_space``.
        progress: called with (frames done, all).

    Returns:
        How many frames were written in all ("frames"), with a label ("labels") and with a predicted one
        ("predictions").

    Raises:
        InputError: no frames, no classes known, labels of other spaces that share no class, ids outside the space,
            files that cannot be read, something at ``out``.
    """
    write = writer(str(to))
    chosen = chosen_space(manifest, space, predictor_space)
    if not len(manifest):
        raise InputError(f"{manifest.name} has no frames to annotate; give another manifest.")
    counts: Counter[str] = Counter()
    with _whole(Path(out)) as folder:
        frames = _frames(manifest, chosen, predictor, predictor_space, counts, progress)
        write(frames, AnnotationClasses.of(chosen), folder)
    return {key: counts[key] for key in ("frames", "labels", "predictions")}


def chosen_space(manifest: Manifest, space: LabelSpace | str | None, otherwise: LabelSpace | None = None) -> LabelSpace:
    """The classes to annotate: those that were asked for, of the labels, or else ``otherwise``; InputError for none."""
    chosen = label_space(space) if isinstance(space, str) else space or common_space(manifest, otherwise)
    if chosen is None:
        raise InputError(
            f"{manifest.name} has no labels that say which classes to annotate; name them with "
            "--label_space, such as classes.yaml, or give a segmentation run with --run."
        )
    return chosen


def common_space(manifest: Manifest, otherwise: LabelSpace | None = None) -> LabelSpace | None:
    """The label space of a manifest's labels; InputError where they are of several."""
    spaces = sorted({row.label_space for row in manifest if row.label and row.label_space})
    if len(spaces) > 1:
        names = ", ".join(label_space(text).name for text in spaces)
        raise InputError(f"{manifest.name} has labels of several spaces ({names}); choose one with --label_space.")
    return label_space(spaces[0]) if spaces else otherwise


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A new folder beside ``out`` that takes its place, or is packed into it, when everything is written."""
    archive = out.suffix.lower() == ".zip"
    if out.is_dir() and not archive and not any(out.iterdir()):
        out.rmdir()
    if out.exists():
        raise InputError(f"{out} exists already; give another --out, or remove it.")
    staging = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    packed = staging.with_name(f"{staging.name}.zip")
    try:
        staging.mkdir(parents=True)
        yield staging
        if archive:
            shutil.make_archive(str(staging), "zip", staging)
            os.replace(packed, out)
        else:
            os.replace(staging, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}); give a folder with space.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):  # below a file: what was wrong has been said
            packed.unlink(missing_ok=True)


def _frames(
    manifest: Manifest,
    space: LabelSpace,
    predictor: Predictor | None,
    predictor_space: LabelSpace | None,
    counts: Counter[str],
    progress: Progress | None,
) -> Iterator[ExportedFrame]:
    mapping = _Mapping(space)
    for index, row in enumerate(manifest):
        image = manifest.path(index)
        size = picture_size(image)[::-1]
        label = None
        if row.label:
            path = manifest.path(index, "label")
            stored = row.label_space or space.text()
            label = mapping(read_label(path, size, label_space(stored)), stored)
            counts["labels" if row.judges else "predictions"] += 1
        elif predictor is not None and predictor_space is not None:
            label = mapping(predictor(image), predictor_space.text())
            counts["predictions"] += 1
        counts["frames"] += 1
        yield ExportedFrame(frame_name(row), image, size, label, predicted=not row.judges)
        if progress is not None:
            progress(index + 1, len(manifest))


class _Mapping:
    """Ids of any space to those of one."""

    def __init__(self, target: LabelSpace) -> None:
        self.target = target
        self._tables: dict[str, Label] = {}

    def __call__(self, label: Label, stored: str) -> Label:
        if stored not in self._tables:
            space = label_space(stored)
            if space.classes == self.target.classes:
                table = np.where(np.arange(256) < len(space), np.arange(256), IGNORED_LABEL)
            else:
                table = label_mapping(stored, self.target.text())
            self._tables[stored] = table.astype(np.uint8)
        return self._tables[stored][label]
