"""Cityscapes: stills with labels, the 30-frame sequences around them, cameras, right images and disparity."""

import dataclasses
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, list_folders, require_folder
from vergence.data.layouts.intrinsics import Intrinsics, normalised
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import Entry, read_json
from vergence.errors import InputError
from vergence.geometry.camera import Camera

MEANS = Camera(2262.52, 2265.3018, 1096.98, 513.137, 2048, 1024)
"""The data set's mean intrinsics (three_ways.md §2.5), used where there is no camera file."""
BASELINE = 0.209313
FPS = 17.0
IMAGES, SEQUENCES = "leftImg8bit", "leftImg8bit_sequence"
REFINED = "_depth_stereoscopic.mat"
"""End of files of depth in metres, from stereo, without holes: published with the foggy and CorDA's Cityscapes."""
LABELS = {"labelTrainIds": "cityscapes19", "labelIds": "cityscapes_ids"}
"""Kind of label file, best first -> label space: the 19 train ids, or the ids of the data set."""
_log = logging.getLogger("vergence")


class Name(NamedTuple):
    """``aachen_000000_000019`` in parts; ``stem`` is all of it."""

    stem: str
    recording: str
    frame: int


def cityscapes(
    root: Path | str,
    images: str = "auto",
    intrinsics: str = "camera",
    parts: tuple[str, ...] = ("train", "val"),
    samples: str = "all",
) -> Manifest:
    """Cityscapes as unpacked: ``leftImg8bit_sequence/`` or ``leftImg8bit/``, and beside it, each where it exists,
    ``gtFine/``, ``camera/``, ``disparity(_sequence)/``, ``rightImg8bit(_sequence)/`` and ``depth/``; each of them also
    within the folder of its archive, ``gtFine_trainvaltest/gtFine/``.

    A sequence is a run of consecutive frames (a snippet). Labels are the train-id files, else the id files. Disparity
    is used as truth as it is stored: its offset of one (p = 256 d + 1) is 1/256 px, 0.1 % at 80 m. ``depth/`` holds
    MATLAB files of metres, which go before it. Pictures in ``disparity/`` that are named as their image
    (``_leftImg8bit.png``) are what a depth network says, not stereo: the column ``estimate``.

    Args:
        root: the folder.
        images: "sequence", "stills" or "auto" (sequences where they exist).
        intrinsics: "camera" (the file of each snippet; the data set's means where it is missing) or "mean" for all.
        parts: which of train, val, test; they become the splits.
        samples: "all": sequence frames without a label are samples too; "labelled": they belong to no split and are
            neighbours only, which makes the 2975 training samples of segmentation.

    Raises:
        InputError: no images, a file name of another form, a broken camera file, unknown option values.
    """
    root = require_folder(root)
    choices = {
        "images": (images, ("auto", "sequence", "stills")),
        "intrinsics": (intrinsics, ("camera", "mean")),
        "samples": (samples, ("all", "labelled")),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            raise InputError(f"cityscapes: {name} {value!r} is unknown; use {', '.join(known)}.")
    has_sequences = (root / _unpacked(root, SEQUENCES)).is_dir()
    folder = _unpacked(root, SEQUENCES if images == "sequence" or (images == "auto" and has_sequences) else IMAGES)
    rows: list[FrameRow] = []
    without = 0
    for part in parts:
        for city in list_folders(root / folder / part):
            for snippet in _snippets(root / folder / part / city):
                camera = _camera(root, part, city, snippet) if intrinsics == "camera" else None
                without += camera is None
                rows += _rows(root, folder, part, city, snippet, camera or _mean())
    if without:
        _log.info("%s: %d snippet(s) use the data set's mean intrinsics", root.name, without)
    if samples == "labelled":
        rows = [row if row.label else dataclasses.replace(row, split="") for row in rows]
    return finish(rows, root, root.name, split=False)


def _unpacked(root: Path, name: str) -> str:
    """Path of a folder below the root: of its own, or within the folder of its archive."""
    inner = f"{name}_trainvaltest/{name}"
    return inner if not (root / name).is_dir() and (root / inner).is_dir() else name


def _mean() -> Intrinsics:
    return normalised(MEANS, "the data set's mean intrinsics", baseline=BASELINE)


def _snippets(folder: Path) -> Iterator[list[Name]]:
    """Runs of consecutive frames of the recordings of one city."""
    names = sorted((_parse(folder, name) for name in list_files(folder)), key=lambda name: (name.recording, name.frame))
    run: list[Name] = []
    for name in names:
        if run and (name.recording != run[-1].recording or name.frame != run[-1].frame + 1):
            yield run
            run = []
        run.append(name)
    if run:
        yield run


def _parse(folder: Path, name: str) -> Name:
    parts = name.split("_")
    if len(parts) < 4 or not parts[-2].isdecimal():
        raise InputError(
            f"{folder / name} is not named like aachen_000000_000019_leftImg8bit.png; remove or rename it."
        )
    return Name("_".join(parts[:-1]), "_".join(parts[:-2]), int(parts[-2]))


def _rows(root: Path, folder: str, part: str, city: str, snippet: list[Name], camera: Intrinsics) -> list[FrameRow]:
    city_folder = root / folder / part / city
    files = _by_stem(city_folder)
    right = _by_stem(root / folder.replace("left", "right") / part / city)
    gt = f"{_unpacked(root, 'gtFine')}/{part}/{city}"
    labels = _labels(root / gt)
    columns = _other_files(root, part, city)
    width, height = image_size(city_folder / files[snippet[0].stem])
    base = camera.onto(FrameRow("", snippet[0].stem, 0, part, camera=city, width=width, height=height))
    rows = []
    for name in snippet:
        row = dataclasses.replace(
            base, image=f"{folder}/{part}/{city}/{files[name.stem]}", position=name.frame, fps=FPS
        )
        if name.stem in right:
            partner = f"{folder.replace('left', 'right')}/{part}/{city}/{right[name.stem]}"
            row = dataclasses.replace(row, stereo=partner, baseline=camera.baseline)
        if name.stem in labels:
            file, space = labels[name.stem]
            row = dataclasses.replace(row, label=f"{gt}/{file}", label_space=space)
        if name.stem in columns:
            row = dataclasses.replace(row, **columns[name.stem])  # type: ignore[arg-type]
            row = dataclasses.replace(row, baseline=camera.baseline) if row.disparity else row
        rows.append(row)
    return rows


def _by_stem(folder: Path) -> dict[str, str]:
    return {name.rsplit("_", 1)[0]: name for name in list_files(folder)}


def _labels(folder: Path) -> dict[str, tuple[str, str]]:
    labels: dict[str, tuple[str, str]] = {}
    for kind, space in LABELS.items():
        for name in list_files(folder):
            if name.endswith(f"_{kind}.png"):
                labels.setdefault(name.rsplit("_", 2)[0], (name, space))
    return labels


def _other_files(root: Path, part: str, city: str) -> dict[str, dict[str, str]]:
    """Frame -> column -> path of what is known of its depth: from stereo, from a network, refined."""
    files: dict[str, dict[str, str]] = {}
    for folder in (_unpacked(root, "disparity"), "disparity_sequence"):
        for name in list_files(root / folder / part / city):
            column = "estimate" if name.endswith("_leftImg8bit.png") else "disparity"
            files.setdefault(name.rsplit("_", 1)[0], {})[column] = f"{folder}/{part}/{city}/{name}"
    for name in list_files(root / "depth" / part / city, frozenset({".mat"})):
        if name.endswith(REFINED):
            files.setdefault(name.removesuffix(REFINED), {})["depth"] = f"depth/{part}/{city}/{name}"
    return files


def _camera(root: Path, part: str, city: str, snippet: list[Name]) -> Intrinsics | None:
    """Camera of the frame of the snippet that has a file (frame 19 of 30), or None."""
    for folder in (_unpacked(root, "camera"), "camera_sequence"):
        for name in snippet:
            path = root / folder / part / city / f"{name.stem}_camera.json"
            if path.is_file():
                return read_camera(path)
    return None


def read_camera(path: Path) -> Intrinsics:
    """A Cityscapes camera file, for the 2048 x 1024 image; InputError where it is broken or lacks a key."""
    remedy = "unpack the cameras of Cityscapes again"
    values = Entry(path, read_json(path, remedy=remedy), remedy=remedy)
    fx, fy = (values["intrinsic"][key].number(above=0) for key in ("fx", "fy"))
    cx, cy = (values["intrinsic"][key].number() for key in ("u0", "v0"))
    baseline = values["extrinsic"]["baseline"].number()
    camera = Camera(fx, fy, cx, cy, MEANS.width, MEANS.height)
    return normalised(camera, str(path), baseline=baseline if baseline > 0 else math.nan)
