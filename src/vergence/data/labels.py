"""Label spaces: the classes that label files speak of, with their colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vergence.data.batch import IGNORED_LABEL
from vergence.data.table import nearest
from vergence.errors import InputError


@dataclass(frozen=True)
class LabelSpace:
    """Named classes; the id of a class is its place in ``classes``, ``IGNORED_LABEL`` is no class."""

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours) or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"label space {self.name!r} needs distinct class names and a colour for each")

    def __len__(self) -> int:
        return len(self.classes)

    def colourize(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Colours (..., 3) uint8 of ids (...); what is no class is black."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self)] = self.colours
        return table[np.where((label >= 0) & (label < len(self)), label, IGNORED_LABEL)]


_CITYSCAPES = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}

CITYSCAPES_19 = LabelSpace("cityscapes19", tuple(_CITYSCAPES), tuple(_CITYSCAPES.values()))
"""The 19 evaluated classes of Cityscapes by train id."""

LABEL_SPACES = {space.name: space for space in (CITYSCAPES_19,)}


def label_space(name: str) -> LabelSpace:
    """The label space of this name; InputError with the nearest name where there is none."""
    if name not in LABEL_SPACES:
        raise InputError(
            f"label space {name!r} is unknown{nearest(name, list(LABEL_SPACES))}; known: {', '.join(LABEL_SPACES)}."
        )
    return LABEL_SPACES[name]
