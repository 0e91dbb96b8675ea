"""Labels in a folder of their own beside the images, paired by name, with the classes that a file names."""

import dataclasses
import logging
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from vergence.data.labels import label_space
from vergence.data.layouts.files import IMAGE_SUFFIXES, composed, list_files, list_folders
from vergence.data.layouts.maps import has_predictions
from vergence.data.masks.label_files import FILE_NAMES, read_label_space
from vergence.data.masks.label_pictures import check_aspect
from vergence.data.pictures import picture_size
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

FOLDERS = ("labels", "masks")
"""Names of label folders, best first."""
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_log = logging.getLogger("vergence")


def label_folder(root: Path) -> Path | None:
    """The folder of labels in ``root``, or None; also None where they are predictions, or none has a picture's path.

    Of such labels the names alone may tell the picture (BDD100K's ``labels/sem_seg/...``): see ``join_maps``.
    """
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
    if folder is None or (folder.name == FOLDERS[0] and has_predictions(root)):
        return None
    images = root / "images" if not list_files(root) and (root / "images").is_dir() else root
    labels = label_files(folder)
    suffixes = [case for suffix in IMAGE_SUFFIXES for case in (suffix, suffix.upper())]
    stems = (form for stem in labels for form in (stem, unicodedata.normalize("NFD", stem)))
    fits = any((images / f"{stem}{suffix}").is_file() for stem in stems for suffix in suffixes)
    return folder if fits or not labels else None


def label_files(base: Path) -> dict[str, str]:
    """Path below ``base`` without suffix, letters composed -> path with suffix, for all images in it."""
    paths: dict[str, str] = {}
    pending = [base]
    while pending:
        here = pending.pop(0)
        folder = here.relative_to(base)
        for name in list_files(here):
            path = (folder / name).as_posix()
            first = paths.setdefault(composed(path.rpartition(".")[0]), path)
            if first != path:
                raise InputError(f"{base} has two labels for one image, {first} and {path}; keep one of them.")
        pending += [here / name for name in list_folders(here)]
    return paths


def pair_labels(
    rows: Sequence[FrameRow], images: Path, labels: Path, root: Path, space: str, odd: bool = False
) -> list[FrameRow]:
    """Rows with the labels that have their image's path below ``images``, whatever the suffix, in ``labels``.

    ``odd`` keeps labels of another aspect, which the layout leaves out itself.

    Raises:
        InputError: a label without an image, two labels or two images of one name, a label of another aspect.
    """
    paths = label_files(labels)
    names: dict[str, FrameRow] = {}
    for row in rows:
        name = composed((root / row.image).relative_to(images).as_posix().rpartition(".")[0])
        first = names.setdefault(name, row)
        if first is not row and name in paths:
            raise InputError(
                f"{images} has two images for the label {paths[name]}: {first.image} and {row.image}; keep one of them."
            )
    lonely = sorted(set(paths) - set(names))
    if lonely:
        raise InputError(
            f"{labels} has {len(lonely)} label(s) without an image, the first is {paths[lonely[0]]}; "
            f"put the image into {images} or remove the label."
        )
    folder = labels.relative_to(root).as_posix()
    labelled = []
    for row in rows:
        name = composed((root / row.image).relative_to(images).as_posix().rpartition(".")[0])
        if name in paths:
            if row.width and not odd:
                path = labels / paths[name]
                check_aspect(picture_size(path)[::-1], (row.height, row.width), path)
            row = dataclasses.replace(row, label=f"{folder}/{paths[name]}", label_space=space)
        labelled.append(row)
    return labelled


def with_labels(rows: Sequence[FrameRow], root: Path, images: Path, space: str = "") -> list[FrameRow]:
    """Rows with the labels of :data:`FOLDERS` in ``root``; ``space`` is a label space, else ``classes.json`` says it.

    Labels of unknown meaning are left out, with a warning.
    """
    text = label_space(space).text() if space else None  # an unknown one is refused also where no labels are
    labels = label_folder(root)
    if labels is None or not label_files(labels):
        return list(rows)
    text = text or space_of_folder(root, labels)
    if text is None:
        _log.warning("%s is not used: %s with the names of the classes is missing in %s", labels, FILE_NAMES[0], root)
        return list(rows)
    return pair_labels(rows, images, labels, root, text)


def space_of_folder(*folders: Path) -> str | None:
    """The label space of the first classes.json or .yaml in these folders, as text; None without one."""
    for path in (folder / name for folder in folders for name in FILE_NAMES):
        if path.is_file():
            return read_label_space(path).text()
    return None


def split_by_folder(rows: Sequence[FrameRow], images: Path, root: Path) -> list[FrameRow] | None:
    """Rows with the splits of folders called train, val, test below ``images``; None where others are there."""
    splits = []
    for row in rows:
        parts = (root / row.image).relative_to(images).parts
        splits.append(next((SPLITS[part.lower()] for part in parts[:-1] if part.lower() in SPLITS), None))
    if None in splits or len(set(splits)) < 2:
        return None
    return [dataclasses.replace(row, split=split or "") for row, split in zip(rows, splits, strict=True)]
