"""CamVid in the form of the SegNet tutorial (list files) and with `images/`, `labels/` by split."""

import dataclasses
import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder, stem_number
from vergence.data.layouts.intrinsics import UNKNOWN, Intrinsics, normalised, read_intrinsics
from vergence.data.layouts.label_folders import space_of_folder
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_lines
from vergence.errors import InputError
from vergence.geometry.camera import Camera

SPLITS = ("train", "val", "test")
FILM_FPS = 30.0
ESTIMATED = Camera(575.0, 762.0, 239.5, 179.5, 480, 360)
"""From structure from motion over the val frames: 16:9 film stored as 4:3, so the pixels are not square."""
_log = logging.getLogger("vergence")


def camvid(root: Path | str, intrinsics: str = "auto") -> Manifest:
    """CamVid: ``images/SPLIT/`` and ``labels/SPLIT/``, or SegNet's ``train.txt`` (image and label path a line) with
    ``train/``, ``trainannot/`` and so on. Names are kept: ``0016E5_07959`` is frame 7959 of sequence 0016E5.

    Labels mean what ``classes.json`` says ("camvid11": 255 = none); without one they are "camvid_segnet" (11 = none).
    Frames of the film that are one or two apart are neighbours; the frames one second apart are not.

    Args:
        root: the folder.
        intrinsics: "auto": ``intrinsics.json`` of the folder, else, for 4:3 frames, an estimate (fx 575, fy 762 at
            480x360: non-square pixels); "unknown": none.

    Raises:
        InputError: no images, lists that name absent files, a label without image.
    """
    root = require_folder(root)
    if intrinsics not in ("auto", "unknown"):
        raise InputError(f"camvid: intrinsics is {intrinsics!r}; use auto or unknown.")
    listed = any((root / f"{split}.txt").is_file() for split in SPLITS)
    space = space_of_folder(root) or "camvid_segnet"
    rows: list[FrameRow] = []
    for split in SPLITS:
        pairs = _listed_pairs(root, split) if listed else _folder_pairs(root, split)
        rows += [_row(root, image, label, split, space) for image, label in pairs]
    if not rows:
        raise InputError(f"{root} holds no CamVid; expected images/train/ and labels/train/, or train.txt with train/.")
    camera = UNKNOWN if intrinsics == "unknown" else _intrinsics(root, rows[0])
    rows = [dataclasses.replace(camera.onto(row), fps=row.fps) for row in rows]
    return finish(_neighboured(rows), root, root.name, split=False)


def _intrinsics(root: Path, row: FrameRow) -> Intrinsics:
    if (root / "intrinsics.json").is_file():
        intrinsics = read_intrinsics(root / "intrinsics.json")
        intrinsics.check_aspect(row.width, row.height, root / row.image)
        return intrinsics
    if abs(row.width / row.height - ESTIMATED.width / ESTIMATED.height) < 0.01:
        _log.info("%s: intrinsics are an estimate for CamVid (fx 575, fy 762 at 480x360)", root.name)
        return normalised(ESTIMATED, "the estimate for CamVid")
    return UNKNOWN


def _folder_pairs(root: Path, split: str) -> list[tuple[str, str]]:
    """(image, label or "") of one split by folders, either way of naming them."""
    own_form = (root / "images").is_dir()
    images, labels = (f"images/{split}", f"labels/{split}") if own_form else (split, f"{split}annot")
    by_stem = {Path(name).stem: f"{labels}/{name}" for name in list_files(root / labels)}
    names = list_files(root / images)
    lonely = set(by_stem) - {Path(name).stem for name in names}
    if lonely:
        raise InputError(
            f"{root / labels} has {len(lonely)} label(s) without an image, the first is {min(lonely)}; "
            f"put the image into {root / images} or remove the label."
        )
    return [(f"{images}/{name}", by_stem.get(Path(name).stem, "")) for name in names]


def _listed_pairs(root: Path, split: str) -> list[tuple[str, str]]:
    """(image, label) of a SegNet list. Its paths start with /SegNet/CamVid: only the last two parts count."""
    path = root / f"{split}.txt"
    if not path.is_file():
        return []
    pairs = [["/".join(Path(word).parts[-2:]) for word in line.split()] for line in read_lines(path)]
    pairs = [words for words in pairs if words]
    absent = [word for words in pairs for word in words if not (root / word).is_file()]
    if absent:
        raise InputError(f"{path} names {len(absent)} file(s) that are not in {root}, the first is {absent[0]}.")
    return [(words[0], words[1] if len(words) > 1 else "") for words in pairs]


def _row(root: Path, image: str, label: str, split: str, space: str) -> FrameRow:
    width, height = image_size(root / image)
    name = Path(image).stem
    return FrameRow(
        image=image,
        sequence=name.rsplit("_", 1)[0],
        position=stem_number(name.rsplit("_", 1)[-1]) or 0,
        split=split,
        camera="main",
        width=width,
        height=height,
        label=label,
        label_space=space if label else "",
        fps=FILM_FPS,
    )


def _neighboured(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """Positions in steps of the film: runs of every second frame become neighbours, at 15 frames a second."""
    frames: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        frames.setdefault((row.sequence, row.split), []).append(row.position)
    steps = {key: _usual_step(sorted(numbers)) for key, numbers in frames.items()}
    result = []
    for row in rows:
        step = steps[row.sequence, row.split]
        sequence = row.sequence if step == 1 else f"{row.sequence}/every-{step}"
        result.append(dataclasses.replace(row, sequence=sequence, position=row.position // step, fps=FILM_FPS / step))
    return result


def _usual_step(numbers: Sequence[int]) -> int:
    steps = Counter(b - a for a, b in itertools.pairwise(numbers))
    step = steps.most_common(1)[0][0] if steps else 1
    return step if 1 < step <= 3 else 1
