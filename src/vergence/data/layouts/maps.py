"""Which pictures of a data set are frames, and which are maps of them: labels, measured depth, others."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.layouts.files import composed, dangling, list_files, list_folders
from vergence.data.pictures import open_picture
from vergence.errors import InputError

_log = logging.getLogger("vergence")
_LABELS = re.compile(
    r"labels?|masks?|ann|ann_dir|annotations?|segmentation_?class.*|class_?segmentation.*|class(es|gt)?|gt|gt_?(fine|coarse|image.*)|ground_?truths?|semantics?.*"
    r"|seg(mentation)?s?([_-].*)?|.*annot|labeled.*|(labels?|masks?)[_-].*|.*[_-](labels?|masks?|annotations?|gt|seg)",
    re.IGNORECASE,
)
_DEPTH = re.compile(
    r"depths?|(depths?|gt_depth)[_-].*|.*[_-]depths?|depth_?maps?|disp(arity|arities)?([_-].*)?|.*[_-]disp",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"segmentationobject|instances?([_-].*)?|instance_?(segmentation|ids?|gt)s?|panoptic.*|(.*_)?normals?|(.*[_-])?(optical|forward|backward|scene)?"
    r"_?(scene)?_?flow([_-].*)?|confidence|uncertainty|albedo|.*overlays?|(.*[_-])?(vis|viz|visuali[sz]ations?|heat_?maps?)"
    r"|stereo_reference|previews?|thumb(nail)?s?|edges?|(pred(iction)?s?|outputs?|results?)([_-].*)?",
    re.IGNORECASE,
)
_ENDING = re.compile(
    r"([._-](mask|masks|label|labels|labelids|labeltrainids|instanceids|colors?|colours?|seg|semantic|gt|l|p|ann|depth|disp|"
    r"gtfine_[a-z]+|leftimg8bit|rgb|sat|image|img|photo))+$",
    re.IGNORECASE,
)
_START = re.compile(r"^((sync_)?depth|mask|label|seg|class_?gt|gt|rgb|image|img|colors?|colours?)[_-]", re.IGNORECASE)
_NO_DATA = ("@eadir", "__macosx", "$recycle.bin", "lost+found")
"""Folders that disks, servers and archives add."""
_MADE = ("propagation.json", "metrics.jsonl")
"""Files by which folders of results, with nothing else in them, are known."""
_PREDICTED = ("predictions.json", "results.jsonl")
_PREDICTIONS = ("depth", "array", "cloud", "depth_confidence", "colour", "overlay", "labels", "confidence", "tracker")
"""What predictions lie in beside those files; the folder itself may be that of the frames."""
_LOSSY = (".jpg", ".jpeg", ".webp")
FEW_COLOURS = 40
"""Colours up to which a picture may be a map of classes: photographs have thousands."""


@dataclass
class Sorted:
    """Pictures of a data set, absolute paths."""

    frames: dict[Path, list[str]] = field(default_factory=dict)
    """Folder -> names."""
    labels: list[Path] = field(default_factory=list)
    depth: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def bare(stem: str) -> str:
    """A name without what says that it is a map or a picture: 0001_mask, depth_0001 and rgb_0001 are 0001."""
    stem = composed(stem)
    return _START.sub("", _ENDING.sub("", stem)) or stem


def sort_pictures(root: Path, skip: Path | None = None) -> Sorted:
    """All pictures below ``root``, but those in the folder ``skip``: frames and maps, told by name and content.

    A folder holds maps where its name says so and its pictures look like maps or share names with others, or where both
    of the latter hold. Maps among frames are told by their names (0001_mask.png, 0001.png beside 0001.jpg) and look.
    """
    folders = _walk(root, skip)
    owners: dict[str, set[Path]] = {}
    for folder, names in folders.items():
        for name in names:
            owners.setdefault(bare(Path(name).stem), set()).add(folder)
    result = Sorted()
    for folder, names in folders.items():
        shares = sum(len(owners[bare(Path(name).stem)]) > 1 for name in names) * 2 > len(names)
        kind = _folder_kind(root, folder, names, shares)
        if kind:
            getattr(result, kind).extend(folder / name for name in names)
            continue
        kinds = _among_frames(folder, names)
        for name, attribute in kinds.items():
            getattr(result, attribute).append(folder / name)
        frames = [name for name in names if name not in kinds]
        if frames:
            result.frames[folder] = frames
    if not result.frames:  # a folder of maps alone is what the user wants to see
        return Sorted(frames=folders)
    return result


def _walk(root: Path, skip: Path | None) -> dict[Path, list[str]]:
    names_of: dict[Path, list[str]] = {}
    seen: dict[str, Path] = {}
    pending = [root]
    while pending:
        here = pending.pop(0)
        if here == skip:
            continue
        first = seen.setdefault(os.path.realpath(here), here)
        if first != here:
            _log.warning("%s is left out: it is a link to %s, whose pictures are taken", here, first)
            continue
        if here != root and any((here / name).is_file() for name in _MADE):
            _log.warning("%s is left out: it holds results of Vergence, no frames", here)
            continue
        inner = list_folders(here)
        if has_predictions(here) and set(inner) & set(_PREDICTIONS):
            inner = [name for name in inner if name not in _PREDICTIONS]
            _log.warning("%s: the predictions in it are left out: they are results of Vergence, no frames", here)
        names = list_files(here)
        if lost := dangling(here):
            _log.warning("%s: %d picture(s) such as %s are links to nothing and are left out", here, len(lost), lost[0])
        if names:
            names_of[here] = names
        pending += [here / name for name in inner if name.lower() not in _NO_DATA]
    return names_of


def _folder_kind(root: Path, folder: Path, names: Sequence[str], shares: bool) -> str:
    parts = folder.relative_to(root).parts
    named_kind = next((kind for part in reversed(parts) if (kind := map_kind(part))), "")
    look = _look([folder / name for name in names])
    if named_kind and (shares or look):
        return named_kind
    if shares and look == "labels" and not any(p.lower() in ("images", "img_dir", "rgb", "imgs") for p in parts):
        return "labels"
    return ""


def has_predictions(folder: Path) -> bool:
    """Whether results of ``vergence predict`` were written into a folder."""
    return any((folder / name).is_file() for name in _PREDICTED)


def map_kind(part: str) -> str:
    """ "labels", "depth" or "others" where the name of a folder says that it holds such maps; else an empty text."""
    for kind, pattern in (("others", _OTHERS), ("depth", _DEPTH), ("labels", _LABELS)):
        if pattern.fullmatch(part):
            return "others" if part.lower().startswith("disp") else kind
    return ""


def _among_frames(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Maps between the frames of one folder -> their kind."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(bare(Path(name).stem), []).append(name)
    maps: dict[str, str] = {}
    for members in groups.values():
        photos = [name for name in members if not _look([folder / name])] if len(members) > 1 else []
        if not photos:
            continue
        for name in members:
            if name not in photos:
                maps[name] = "depth" if _look([folder / name]) == "depth" else "labels"
    return maps


def _look(paths: Sequence[Path]) -> str:
    """ "labels" or "depth" where all of a few of the pictures look like it, else ""."""
    chosen = [paths[k] for k in sorted({0, len(paths) // 2, len(paths) - 1})]
    looks = {_one_look(path) for path in chosen}
    return looks.pop() if len(looks) == 1 else ""


def _one_look(path: Path) -> str:
    if path.suffix.lower() in _LOSSY:
        return ""
    try:
        image = open_picture(path)
    except InputError:
        return ""
    if image.mode.startswith(("I", "F")):
        return "depth"
    small = image.resize((min(image.width, 256), min(image.height, 256)), Image.Resampling.NEAREST)
    colours = small.convert("RGB").getcolors(FEW_COLOURS)
    return "labels" if colours and len(colours) * 8 <= np.prod(small.size) else ""
