"""Labels, depth and splits that a data set's other folders and lists hold, joined to its frames."""

import dataclasses
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vergence.data.labels import label_space
from vergence.data.layouts.files import VIDEO_SUFFIXES, list_files, list_folders
from vergence.data.layouts.label_folders import SPLITS
from vergence.data.layouts.maps import Sorted, bare, map_kind
from vergence.data.layouts.published_labels import published_space
from vergence.data.masks.label_files import FILE_NAMES, read_classes_csv, read_label_space
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_lines
from vergence.errors import InputError

TUM_SCALE = 5000.0
"""TUM RGB-D: stored 5000 is one metre."""
_LARGEST_DELAY = 0.02
"""Seconds between a frame and the depth that belongs to it, in data sets named by time."""
_VERSIONS = {"v2.0": "config_v2.0.json", "v1.2": "config_v1.2.json"}
"""Folders of Mapillary Vistas in which ids have the meaning of one version, and its classes; best first."""
_CLASS_FILES = (*FILE_NAMES, *_VERSIONS.values())
_PICTURES = frozenset(
    {
        *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raw"),
        *(".gif", ".tga", ".pbm", ".pnm", ".svg", ".psd", ".xcf", ".hdr"),
    }
)
"""Pictures that are not read."""
_UNREAD = frozenset({*_PICTURES, ".txt", ".json", ".xml", ".npy", ".npz", ".mat", ".exr", ".pfm"})
_DRAWN = frozenset({".txt", ".json", ".xml"})
"""Annotations, also between the frames, where Labelme and YOLO put them."""
_NO_FRAMES = _PICTURES | frozenset(VIDEO_SUFFIXES)
_ROLES = ("labels", "annotations", "masks", "json", "ann", "ann_dir", "depth")
_log = logging.getLogger("vergence")


def join_maps(rows: Sequence[FrameRow], root: Path, maps: Sorted, space: str, scale: float) -> list[FrameRow]:
    """Rows with the labels and the depth among the maps whose meaning is known; a line in the log says what is not.

    Args:
        rows: paths relative to ``root``.
        maps: of :func:`vergence.data.layouts.maps.sort_pictures`.
        space: label space of the labels, or "": that of a file of classes.
        scale: value of depth that is one metre, or NaN.
    """
    rows = list(rows)
    if not math.isnan(scale) and not 0 < scale < math.inf:
        raise InputError(f"depth_scale is {scale:g}; give the value of the depth maps that is one metre, such as 1000.")
    if maps.labels:
        maps.labels = _of_one_version(root, maps.labels)
        text = label_space(space).text() if space else _space(root, maps.labels)
        if text is None:
            _leave_out(root, maps.labels, "labels of unknown classes", f"add {FILE_NAMES[0]} or give --label_space")
        else:
            rows = _joined(rows, root, maps.labels, "label", label_space=text)
    if maps.depth:
        known = _depth_scale(root, maps, scale)
        if known is None:
            _leave_out(root, maps.depth, "depth in an unknown unit", "give --depth_scale (value / scale = metres)")
        else:
            rows = _joined(rows, root, maps.depth, "depth", depth_scale=known)
    if maps.others:
        _leave_out(root, maps.others, "maps that are neither labels nor depth", "nothing reads them")
    _say_unread(root)
    _say_no_frames(maps.frames)
    return rows


def _leave_out(root: Path, paths: Sequence[Path], fault: str, remedy: str) -> None:
    folders = sorted({path.parent.relative_to(root).as_posix() for path in paths})
    listed = ", ".join(folders[:4]) + (" ..." if folders[4:] else "")
    _log.warning("%s: %d picture(s) in %s are %s and are left out; %s", root, len(paths), listed, fault, remedy)


def _of_one_version(root: Path, labels: Sequence[Path]) -> list[Path]:
    """Those of the labels whose ids have the meaning of the best version of which both labels and classes are there."""
    for version, config in _VERSIONS.items():
        chosen = [path for path in labels if version in path.relative_to(root).parts]
        if chosen and (root / config).is_file():
            return chosen
    return list(labels)


def _space(root: Path, labels: Sequence[Path]) -> str | None:
    """What the labels mean, from a file of classes beside them or in a folder above, or as published; as text."""
    for folder in dict.fromkeys(parent for path in labels for parent in (path.parent, *path.parents)):
        if folder != root and root not in folder.parents:
            continue
        class_file = next((folder / name for name in _CLASS_FILES if (folder / name).is_file()), None)
        if class_file is not None:
            return read_label_space(class_file).text()
        if (folder / "_classes.csv").is_file():
            return read_classes_csv(folder / "_classes.csv").text()
    published = published_space(root, labels)
    if published is None:
        return None
    _log.info("%s: %d labels are named and painted as those of %s", root, len(labels), published.name)
    return published.name


def _depth_scale(root: Path, maps: Sorted, scale: float) -> float | None:
    """The scale of depth; NaN: that of the suffix; None: unknown."""
    if not math.isnan(scale):
        return scale
    if all(path.parent.name == "lidar_depth" for path in maps.depth):
        return math.nan
    lists = any((root / name).is_file() for name in ("rgb.txt", "depth.txt", "groundtruth.txt", "accelerometer.txt"))
    stamped = all(_seconds(path.name) is not None for path in maps.depth)
    folders = {path.parent.name for path in maps.depth} | {folder.name for folder in maps.frames}
    return TUM_SCALE if folders == {"rgb", "depth"} and (lists or stamped) else None


def _joined(rows: Sequence[FrameRow], root: Path, paths: Sequence[Path], column: str, **more: object) -> list[FrameRow]:
    """Rows with the map of their name; of several the one whose folders have most in common with theirs."""
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(bare(path.stem), []).append(path)
    by_time = sorted((when, path) for path in paths if (when := _seconds(path.name)) is not None)
    result, used = [], set()
    for row in rows:
        match = _nearest_folder(Path(row.image), by_stem.get(bare(Path(row.image).stem), []), root)
        if match is None and column == "depth" and by_time:
            match = _nearest_in_time(row, by_time, root)
        if match is not None and not getattr(row, column):
            used.add(match)
            values = {column: match.relative_to(root).as_posix(), **more}
            row = dataclasses.replace(row, **values)  # type: ignore[arg-type]
        result.append(row)
    if len(used) < len(paths):
        name = min(set(paths) - used).relative_to(root)
        _log.warning(
            "%s: %d of %d %s maps are not used, the first is %s: no frame of that name, or another map of it",
            *(root, len(paths) - len(used), len(paths), column, name),
        )
    return result


def _nearest_folder(image: Path, candidates: Sequence[Path], root: Path) -> Path | None:
    """The candidate that shares most folders with an image; None where there is none or two of one kind do."""

    def rank(path: Path) -> tuple[int, bool]:
        return _shared(image, path, root), "color" not in str(path).lower()

    ranked = sorted(candidates, key=rank, reverse=True)
    ids = [path for path in ranked if rank(path) == rank(ranked[0])]
    trained = [path for path in ids if "trainids" in path.stem.lower()]
    plain = [path for path in ids if "instance" not in path.stem.lower()]
    return (trained or plain or [None])[0]  # type: ignore[list-item]


def _seconds(name: str) -> float | None:
    """The time that a name like 1305031102.175304.png says."""
    try:
        return float(name.rpartition(".")[0]) if "." in name.rpartition(".")[0] else None
    except ValueError:
        return None


def _nearest_in_time(row: FrameRow, maps: Sequence[tuple[float, Path]], root: Path) -> Path | None:
    """The map of the row's time, of several cameras or clips the one in its own folder."""
    now = _seconds(Path(row.image).name)
    if now is None:
        return None
    near = [(abs(when - now), path) for when, path in maps if abs(when - now) <= _LARGEST_DELAY]
    return min(near, key=lambda one: (-_shared(Path(row.image), one[1], root), one))[1] if near else None


def _shared(image: Path, path: Path, root: Path) -> int:
    """How many folders a picture, relative to ``root``, and a map have in common."""
    return len(set(path.relative_to(root).parts[:-1]) & set(image.parts[:-1]))


def _say_no_frames(frames: Mapping[Path, Sequence[str]]) -> None:
    """One line for each folder of frames with videos, pictures of a kind that is not read, or annotations in it."""
    for folder, pictures in frames.items():
        stems = {name.rpartition(".")[0] for name in pictures}
        drawn = [name for name in list_files(folder, _DRAWN) if name.rpartition(".")[0] in stems]
        for names, remedy in (
            (list_files(folder, _NO_FRAMES), "save pictures as JPEG or PNG, and give videos on their own"),
            (drawn, "`vergence labels import` makes labels of annotations"),
        ):
            if names:
                _log.warning(
                    "%s: %d file(s) such as %s are not read beside the pictures; %s",
                    *(folder, len(names), names[0], remedy),
                )


def _say_unread(root: Path) -> None:
    """One line for each folder of other files (text, arrays, other pictures) that its name says are labels or depth."""
    unread: dict[Path, list[str]] = {}
    pending: list[tuple[Path, Path | None]] = [(root / name, None) for name in list_folders(root)]
    while pending:
        here, above = pending.pop()
        role = above or (here if here.name.lower() in _ROLES or map_kind(here.name) in ("labels", "depth") else None)
        pending += [(here / name, role) for name in list_folders(here)]
        files = list_files(here, _UNREAD) if role else []
        if role and files:
            unread.setdefault(role, []).extend(files)
    for role, files in sorted(unread.items()):
        drawn = os.path.splitext(files[0])[1].lower() in _DRAWN
        remedy = "`vergence labels import` makes labels of annotations" if drawn else "save maps as PNG"
        _log.warning("%s: %d file(s) such as %s are not read; %s", role, len(files), files[0], remedy)


def listed_splits(rows: Sequence[FrameRow], root: Path) -> list[FrameRow] | None:
    """Rows with the splits of lists called train.txt, val.txt, test.txt (of folders, paths or names, one a line) in
    ``root`` or near it, and of folders called so for the rest; None without such lists.

    InputError where a list names what is not there.
    """
    known: dict[str, str] = {}
    index = _index(rows)
    for folder, path in _lists(rows, root):
        split, before, words = SPLITS[path.stem.lower()], len(known), 0
        for line in read_lines(path):
            word = line.split()[0] if line.split() else ""
            words += bool(word)
            for key in _frames_named(word, folder, root, rows, index) if word else ():
                if known.setdefault(key, split) != split:
                    raise InputError(f"{path} names {word}, which is {known[key]} too; name it in one list.")
        if words and len(known) == before:
            _log.warning("%s: none of its %d lines names a frame of %s; no split is made of it", path, words, root)
    if not known:
        return None
    result = []
    for row in rows:
        parts = Path(row.image).parts[:-1]
        by_folder = next((SPLITS[part.lower()] for part in parts if part.lower() in SPLITS), "")
        other = by_folder if by_folder == "test" else ""
        result.append(dataclasses.replace(row, split=known.get(row.image, other)))
    _log.info("%s: splits as its lists say", root)
    return result


def _lists(rows: Sequence[FrameRow], root: Path) -> Iterator[tuple[Path, Path]]:
    """(folder, list) of the lists in ``root``, its folders and those above the images, and in ``ImageSets/`` there: of
    the lists of several tasks that VOC has, those of segmentation alone, since each task splits the images anew."""
    names = [name for name in SPLITS if len(name) <= 5]
    above = {root / parent for row in rows for parent in Path(row.image).parents}
    folders = sorted({root, *(root / name for name in list_folders(root)), *above})
    for folder in list(folders):
        sets = folder / "ImageSets"
        tasks = list_folders(sets)
        folders += [sets, *(sets / name for name in (["Segmentation"] if "Segmentation" in tasks else tasks))]
    for folder in dict.fromkeys(folders):
        yield from ((folder, folder / f"{name}.txt") for name in names if (folder / f"{name}.txt").is_file())


def _frames_named(
    word: str, folder: Path, root: Path, rows: Sequence[FrameRow], index: Mapping[str, list[str]]
) -> list[str]:
    """Images of a line of a list: those in a folder of that name beside it, or the one of that path or name."""
    word = word.strip().removeprefix("./").rstrip("/")
    if (folder / word).is_dir():
        prefix = (folder / word).relative_to(root).as_posix()
        return [row.image for row in rows if prefix in (".", "") or row.image.startswith(f"{prefix}/")]
    return index.get(word, index.get(word.rpartition(".")[0], []))


def _index(rows: Sequence[FrameRow]) -> Mapping[str, list[str]]:
    """Every end of the paths of the images, with and without suffix -> the images."""
    images: dict[str, list[str]] = {}
    for row in rows:
        parts = Path(row.image).parts
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            for name in {end, end.rpartition(".")[0]}:
                images.setdefault(name, []).append(row.image)
    return images
