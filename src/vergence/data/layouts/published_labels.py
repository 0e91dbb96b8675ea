"""Labels of published data sets that lie without a file of their classes: told by their names and what they hold."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vergence.data.label_space import CAMVID_32, VOC_21, LabelSpace
from vergence.data.masks.label_pictures import coding_of, decode_label
from vergence.errors import InputError

_KNOWN: tuple[tuple[LabelSpace, re.Pattern[str], re.Pattern[str]], ...] = (
    (VOC_21, re.compile(r"SegmentationClass(Aug|Raw)?"), re.compile(r"\d{4}_\d{6}")),
    (CAMVID_32, re.compile(r".*"), re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+_[LP]")),
)
"""Space, name of the folder, stems of the files; CamVid's end in L where they are colours, P where they are ids."""
_OWN = ("labelmap.txt", "class_names.txt")
"""What annotation tools write beside pictures of VOC's form: classes of the user's own."""
_LOOKED_AT = 16


def published_space(root: Path, labels: Sequence[Path]) -> LabelSpace | None:
    """The label space of labels (not empty) below ``root`` that are those of a published data set, else None.

    All must be named as the data set names them, and some, evenly spaced, hold its ids or colours and no others.
    """
    above = {parent for path in labels for parent in path.parents if parent == root or root in parent.parents}
    if any((parent / name).is_file() for parent in above for name in _OWN):
        return None
    for space, folder, stem in _KNOWN:
        named = all(folder.fullmatch(path.parent.name) and stem.fullmatch(path.stem) for path in labels)
        if named and _fits(labels, space):
            return space
    return None


def _fits(labels: Sequence[Path], space: LabelSpace) -> bool:
    coding = dataclasses.replace(coding_of(space), lenient=False)
    indices = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), _LOOKED_AT)).round().astype(int))
    try:
        for index in indices:
            decode_label(labels[index], coding)
    except InputError:
        return False
    return True
