"""Surgical stereo video of SuPer and Semantic-SuPer: deforming tissue under an endoscope that stands still.

Cameras are those of SemHint-MD specification 2.13. The names of files and folders are from memory of how these data are
passed around, and therefore loose: see :func:`super_endoscopy`.
"""

import dataclasses
import logging
import math
import re
from pathlib import Path
from typing import Literal, NamedTuple

from vergence.data.labels import label_space as space_called
from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, list_folders, require_folder, stem_number
from vergence.data.layouts.intrinsics import Intrinsics, find_intrinsics, normalised
from vergence.data.layouts.label_folders import space_of_folder
from vergence.data.layouts.order import positions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.geometry.camera import Camera

CAMERAS = {
    "v1": Camera(883.0, 883.0, 445.06, 190.24, 640, 480),
    "semantic": Camera(768.99, 768.99, 292.89, 291.61, 640, 480),
}
"""SuPer V1 (520 frames) and the four trials of Semantic-SuPer (151 frames each); both are rectified."""
SPACES = {"v1": "super", "semantic": "semantic_super"}
IMAGE_FOLDERS = ("", "rgb", "images", "data", "data/rgb", "frames")
"""Where in a trial the frames may lie: right there, as sides/ or with the side in their names."""
LEFT = ("left", "image_left", "left_images", "left_frames", "l")
RIGHT = ("right", "image_right", "right_images", "right_frames", "r")
LABELS = ("masks", "labels", "seg", "segmentation", "mask", "label", "semantic", "gt")
_SIDE = re.compile(r"(?:^|[-_.])(left|right|l|r)(?=$|[-_.])", re.IGNORECASE)
_log = logging.getLogger("vergence")


class Trial(NamedTuple):
    """The files of one video by their number: paths relative to the root."""

    folder: Path
    left: list[str]
    right: dict[int, str]
    labels: dict[int, str]


def super_endoscopy(
    root: Path | str,
    version: Literal["auto", "v1", "semantic"] = "auto",
    baseline: float = 0.0,
    label_space: str = "",
    split: bool = True,
) -> Manifest:
    """One trial, or a folder of trials, each one a sequence.

    A trial has ``left/`` and ``right/`` (also in ``rgb/``, ``images/``, ``data/`` or ``frames/``), or one of these
    folders with ``NNNNNN-left.png`` and ``NNNNNN-right.png`` (any place for the word, any image format). Labels are
    images of class ids in ``masks/``, ``labels/``, ``seg/`` or ``segmentation/``, perhaps in a ``left/`` there; pairs
    and labels are found by the last number in the names. ``intrinsics.json`` in the trial or the root wins over the
    published camera, ``classes.json`` over the known classes. Frames may have been resized, not cropped.

    Args:
        root: the folder.
        version: "v1" (520 frames of SuPer), "semantic" (trials of Semantic-SuPer), or "auto": by the folder's name
            ("v1" or "v2" in it), else v1 for more than 300 frames.
        baseline: metres between the two cameras, where no ``intrinsics.json`` with ``baseline_m`` says it; without
            either, right frames are not used. It fixes the scale of depth and nothing else.
        label_space: what the ids of labels mean; default the known classes of the version, or ``classes.json``.
        split: hold the end of each trial back as val.

    Raises:
        InputError: no frames, an unknown version, a label without a frame, a frame of another shape than the camera's.
    """
    root = require_folder(root)
    if version not in ("auto", *CAMERAS):
        raise InputError(f"super_endoscopy: version is {version!r}; use auto, v1 or semantic.")
    if baseline < 0 or not baseline < 1:
        raise InputError(f"super_endoscopy: baseline {baseline:g} is impossible; give metres, such as 0.005.")
    whole = _trial(root, root)
    candidates = [whole] if whole else [_trial(root, root / name) for name in list_folders(root)]
    trials = [trial for trial in candidates if trial]
    if not trials:
        raise InputError(f"{root} holds no trials; expected left/ and right/ with frames, or rgb/NNNNNN-left.png.")
    rows: list[FrameRow] = []
    for trial in trials:
        kind = _version(root, trial) if version == "auto" else version
        rows += _rows(root, trial, kind, baseline, label_space)
    if not any(row.stereo for row in rows) and any(trial.right for trial in trials):
        _log.warning("%s: right frames are not used, because the baseline is unknown; give --baseline metres", root)
    return finish(rows, root, root.name, split)


def _trial(root: Path, folder: Path) -> Trial | None:
    for inner in IMAGE_FOLDERS:
        base = folder / inner if inner else folder
        left = next((base / name for name in LEFT if list_files(base / name)), None)
        if left is not None:
            right = next((base / name for name in RIGHT if list_files(base / name)), None)
            partners = [] if right is None else [right / name for name in list_files(right)]
            return _numbered(root, folder, [left / name for name in list_files(left)], partners)
        sided = [(base / name, _side(name)) for name in list_files(base)]
        lefts = [path for path, side in sided if side == "l"]
        if lefts:
            return _numbered(root, folder, lefts, [path for path, side in sided if side == "r"])
    return None


def _side(name: str) -> str:
    """ "l", "r" or "": the side that a file's name speaks of."""
    sides = _SIDE.findall(Path(name).stem)
    return sides[-1][0].lower() if sides else ""


def _numbered(root: Path, folder: Path, left: list[Path], right: list[Path]) -> Trial:
    labels: list[Path] = []
    for name in LABELS:
        for base in (folder / name / "left", folder / name):
            labels = labels or [base / one for one in list_files(base) if _side(one) != "r"]
    lefts = [path.relative_to(root).as_posix() for path in left]
    return Trial(folder, lefts, _by_number(root, right), _by_number(root, labels))


def _by_number(root: Path, paths: list[Path]) -> dict[int, str]:
    by_number: dict[int, str] = {}
    for index, path in enumerate(paths):
        number = stem_number(path.name)
        first = by_number.setdefault(index if number is None else number, path.relative_to(root).as_posix())
        if (root / first) != path:
            raise InputError(f"{root / first} and {path} have one number; keep one of them.")
    return by_number


def _version(root: Path, trial: Trial) -> str:
    name = f"{root.name}/{trial.folder.name}".lower()
    if re.search(r"v1(?!\d)", name):
        return "v1"
    if "v2" in name or "semantic" in name:
        return "semantic"
    return "v1" if len(trial.left) > 300 else "semantic"


def _rows(root: Path, trial: Trial, version: str, baseline: float, space: str) -> list[FrameRow]:
    camera = _camera(root, trial, version, baseline)
    text = space_called(space).text() if space else space_of_folder(trial.folder, root) or SPACES[version]
    sequence = trial.folder.name
    rows = []
    numbers = list(_by_number(root, [root / path for path in trial.left]))
    in_order = positions([Path(path).name for path in trial.left])
    lonely = sorted(set(trial.labels) - set(numbers))
    if lonely:
        raise InputError(f"{root / trial.labels[lonely[0]]} has no frame of its number; number labels as left frames.")
    for image, number, position in zip(trial.left, numbers, in_order, strict=True):
        width, height = image_size(root / image)
        camera.check_aspect(width, height, root / image)
        row = camera.onto(FrameRow(image, sequence, position, camera="left", width=width, height=height))
        if number in trial.labels:
            row = dataclasses.replace(row, label=trial.labels[number], label_space=text)
        if number in trial.right and camera.baseline > 0:
            row = dataclasses.replace(
                row, stereo=trial.right[number], baseline=camera.baseline, stereo_cx=camera.stereo_cx
            )
        rows.append(row)
    return rows


def _camera(root: Path, trial: Trial, version: str, baseline: float) -> Intrinsics:
    camera = find_intrinsics(trial.folder, root)
    if not camera.known:
        camera = normalised(CAMERAS[version], f"the camera of SuPer ({version})")
    return dataclasses.replace(camera, baseline=baseline) if baseline and math.isnan(camera.baseline) else camera
