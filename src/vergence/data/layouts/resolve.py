"""Whatever the user gives - manifest, data set, folder, video, image - as a manifest, and one line that says how."""

import dataclasses
import logging
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vergence.data.buckets.addresses import named
from vergence.data.buckets.remote import given
from vergence.data.layouts.clips import clip_form
from vergence.data.layouts.files import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    image_size,
    list_files,
    list_folders,
)
from vergence.data.layouts.label_folders import space_of_folder
from vergence.data.layouts.registry import LAYOUTS
from vergence.data.layouts.videos import video
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PATH_COLUMNS, FrameRow
from vergence.errors import InputError

_log = logging.getLogger("vergence")
_NAMED = 6
"""Sequences that the log names: so it is seen where a folder was taken for frames that holds none."""
_MANIFESTS = ("manifest.parquet", "manifest.csv")


def resolve_input(
    data: Path | str | Sequence[Path | str], split: bool = True, allow_truncated: bool = False
) -> Manifest:
    """Manifest of what the user gave, with a line in the log: what it was taken for and which intrinsics it has.

    Args:
        data: a manifest file, a data set folder of a known layout, a folder of images, of sub-folders or of videos,
            a video file, a single image, or several of these.
        split: give data without a split of their own one; predictions need none.
        allow_truncated: use what can be read of a video that is damaged or cut off.

    Raises:
        InputError: nothing there, nothing readable in it, or a kind of file that is not known.
    """
    if not isinstance(data, str | Path):
        if not data:
            raise InputError("no input given; name a manifest, a folder or a video.")
        return merge([resolve_input(one, split, allow_truncated) for one in data])
    path = given(data)
    kind = recognise(path)
    manifest = _read(kind, path, split, allow_truncated)
    _log.info("%s: recognised as %s; %s", named(path), kind, describe_intrinsics(manifest))
    return manifest


def _read(kind: str, path: Path, split: bool, allow_truncated: bool) -> Manifest:
    if kind == "manifest":
        return Manifest.read(path if path.is_file() else next(path / n for n in _MANIFESTS if (path / n).is_file()))
    if kind == "manifests":
        return merge([Manifest.read(manifest) for manifest in _inner_manifests(path)])
    if kind == "image":
        width, height = image_size(path)
        return Manifest([FrameRow(path.name, path.stem, 0, width=width, height=height)], path.parent, str(path))
    if kind == "video":
        return video(path, split=split, allow_truncated=allow_truncated)
    layout = LAYOUTS[kind]
    has_switch = layout.__annotations__.get("split") is bool
    return layout(path, split=split) if has_switch else layout(path)


def recognise(path: Path) -> str:
    """What a path is, by its suffix or by the marks in the folder.

    "manifest", "manifests" (in the sub-folders), "image" or the name of a layout; InputError where it is none of these.
    """
    if path.is_file():
        return _recognise_file(path)
    if not path.is_dir():
        raise InputError(f"{path} does not exist; give a manifest, a folder of frames, a video or an image.")
    if any((path / name).is_file() for name in _MANIFESTS):
        return "manifest"
    if _inner_manifests(path) and not list_files(path):
        return "manifests"
    folders = list_folders(path)
    for name, marks in _MARKS.items():
        if any(all((path / part).exists() for part in group) for group in marks) and not _is_own(name, path):
            return name
    if any(re.fullmatch(r"\d{4}_\d\d_\d\d", name) and _has_drives(path / name) for name in folders):
        return "kitti_raw"
    if clip_form(path) is not None:
        return "stereo_folders" if {"left", "right"} & set(folders) else "folder_intrinsics"
    if not list_files(path):
        if any(clip_form(path / name) is not None for name in folders):
            return "driving_video"
        if list_files(path, VIDEO_SUFFIXES):
            return "video"
    return "folder"


def _inner_manifests(path: Path) -> list[Path]:
    """Manifests of the sub-folders, one each; so lie toy towns of several styles."""
    candidates = [[path / folder / name for name in _MANIFESTS] for folder in list_folders(path)]
    return [next(one for one in names if one.is_file()) for names in candidates if any(one.is_file() for one in names)]


_MARKS: dict[str, Sequence[tuple[str, ...]]] = {
    "cityscapes": [("leftImg8bit_sequence",), ("leftImg8bit",), ("leftImg8bit_trainvaltest/leftImg8bit",)],
    "synthia": [("RGB", "GT/LABELS"), ("RGB", "synthia_mapped_to_cityscapes")],
    "viper": [("train/img", "train/cls"), ("img", "cls")],
    "gta5": [("images/00001.png", "labels/00001.png")],
    "kitti_odometry": [("sequences/00",), ("sequences", "poses")],
    "kitti2015": [("image_left", "disparity"), ("training/image_2", "training/disp_occ_0"), ("image_2", "disp_occ_0")],
    "kitti_semantics": [("training/image_2", "training/semantic")],
    "scared": [("dataset_1/keyframe_1",), ("keyframe_1", "keyframe_2"), ("endoscope_calibration.yaml",)],
    "mapillary": [("training/images", f"training/{version}labels") for version in ("", "v1.2/", "v2.0/")],
    "comma10k": [("imgs", "masks")],
    "camvid": [("images/train", "labels/train", "classes.json"), ("train", "trainannot")],
}
"""Layout -> groups of files or folders; a folder with all of one group has that layout."""


def _is_own(layout: str, path: Path) -> bool:
    """Whether a folder with the marks of CamVid has classes of its own, or one with those of GTA5 another name."""
    if layout == "gta5":
        return space_of_folder(path) is not None or "gta" not in path.absolute().name.lower()
    return layout == "camvid" and space_of_folder(path) not in (None, "camvid11", "camvid_segnet")


def _has_drives(folder: Path) -> bool:
    return any("_drive_" in name for name in list_folders(folder))


def _recognise_file(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".csv"):
        return "manifest"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in IMAGE_SUFFIXES:
        return "image"
    raise InputError(
        f"{path} is no manifest (.parquet, .csv), video (such as .mp4) or image (such as .jpg); give one of these."
    )


def describe_intrinsics(manifest: Manifest) -> str:
    """Which intrinsics the frames have, for the log: known, a guess, or mixed, with the number of cameras."""
    count, known = len(manifest), manifest.given("fx")[: len(manifest)]
    names = list(dict.fromkeys(manifest.values("sequence")[:count]))
    listed = f" ({', '.join(names[:_NAMED])}{' ...' if names[_NAMED:] else ''})" if len(names) > 1 else ""
    size = f"{count} frames, {len(names)} sequence(s){listed}"
    if not known.any():
        return f"{size}; intrinsics unknown: guessed from the field of view, or learned"
    pairs = set(zip(manifest.values("fx")[:count], manifest.values("fy")[:count], strict=True))
    cameras = sorted(pair for pair in pairs if not math.isnan(pair[0]))
    examples = ", ".join(f"fx {fx:.3f} W, fy {fy:.3f} H" for fx, fy in cameras[:3]) + (" ..." if cameras[3:] else "")
    given, stereo = int(known.sum()), int(manifest.given("stereo")[:count].sum())
    unknown = "" if given == count else f", unknown for the other {count - given} frames (guessed or learned)"
    partners = f"; {stereo} with a stereo partner" if stereo else ""
    return f"{size}; intrinsics given for {given} of them ({examples}){unknown}{partners}"


def merge(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest of several; where two have a sequence of the same name, the inputs' names are put before it."""
    if len(manifests) == 1:
        return manifests[0]
    root = Path(os.path.commonpath([manifest.root for manifest in manifests]))
    names = _unique(_short_name(manifest) for manifest in manifests)
    owners: dict[str, set[int]] = {}
    for number, manifest in enumerate(manifests):
        for row in manifest.rows:
            owners.setdefault(row.sequence, set()).add(number)
    rows = []
    for manifest, name in zip(manifests, names, strict=True):
        for row in manifest:
            paths = {key: str(manifest.root / getattr(row, key)) for key in PATH_COLUMNS if getattr(row, key)}
            sequence = row.sequence if len(owners[row.sequence]) == 1 else f"{name}/{row.sequence}"
            camera = f"{name}/{row.camera}"
            rows.append(dataclasses.replace(row, sequence=sequence, camera=camera, **paths))  # type: ignore[arg-type]
    files = [file for manifest in manifests for file in manifest.read_from]
    return Manifest(rows, root, " + ".join(names), read_from=files)


def _short_name(manifest: Manifest) -> str:
    """Its file's name, or that of the folder where the file is called manifest.parquet, which says less."""
    path = Path(manifest.name)
    return (path.absolute().parent if path.name in _MANIFESTS else path).name or "input"


def _unique(names: Iterable[str]) -> list[str]:
    result: list[str] = []
    for name in names:
        count = 2
        unique = name
        while unique in result:
            unique, count = f"{name}-{count}", count + 1
        result.append(unique)
    return result
