"""A label space: the classes that label files speak of, their colours, and the known ones."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data import label_tables as tables
from vergence.data.batch import IGNORED_LABEL
from vergence.data.label_tables import Colour
from vergence.errors import InputError


@dataclass(frozen=True)
class LabelSpace:
    """Named classes; the id of a class is its place in ``classes``, ``IGNORED_LABEL`` is no class."""

    name: str
    classes: tuple[str, ...]
    colours: tuple[Colour, ...]
    void: tuple[int, ...] = ()
    """Ids that files use for "no class" beside 255: places in ``classes`` or numbers after them."""

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours) or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"label space {self.name!r} needs distinct class names and a colour for each")
        if not 0 < len(self.classes) <= IGNORED_LABEL:
            raise ValueError(f"label space {self.name!r} has {len(self.classes)} classes, possible are 1 to 255")
        odd = [name for name in self.classes if not name or name != name.strip() or re.search(r"[,#;\n]", name)]
        if odd or re.search(r"[:\n]", self.name):
            raise ValueError(f"label space {self.name!r}: names like {(odd or [self.name])[0]!r} cannot be written")
        if any(not 0 <= value <= 255 for value in (*self.void, *(part for one in self.colours for part in one))):
            raise ValueError(f"label space {self.name!r}: void ids and parts of colours lie between 0 and 255")

    def __len__(self) -> int:
        return len(self.classes)

    def colourize(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Colours (..., 3) uint8 of ids (...); what is no class is black."""
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self)] = self.colours
        return table[np.where((label >= 0) & (label < len(self)), label, IGNORED_LABEL)]

    def text(self) -> str:
        """A text that ``label_space`` makes this space of again: its name, if that is known, or all of it."""
        if LABEL_SPACES.get(self.name) == self:
            return self.name
        classes = (f"{name}#{r:02x}{g:02x}{b:02x}" for name, (r, g, b) in zip(self.classes, self.colours, strict=True))
        return f"{self.name}:{','.join(classes)}" + "".join(f";{number}" for number in self.void)

    def trained(self) -> "LabelSpace":
        """The space that networks learn from labels of this one: without void classes; "cityscapes19" for raw ids."""
        if self.name in TRAINED_AS and LABEL_SPACES[self.name] == self:
            return LABEL_SPACES[TRAINED_AS[self.name]]
        kept = [number for number in range(len(self)) if number not in self.void]
        if len(kept) == len(self) or not kept:
            return self
        return LabelSpace(
            self.name, tuple(self.classes[number] for number in kept), tuple(self.colours[number] for number in kept)
        )

    def check_ids(self, label: NDArray[np.integer], source: Path | str) -> None:
        """InputError where a label of ``source`` has an id that is neither a class, void, nor 255."""
        if label.size == 0 or label.max() < len(self):
            return
        outside = set(np.flatnonzero(np.bincount(label.ravel()))) - {*range(len(self)), *self.void, IGNORED_LABEL}
        if outside:
            shown = ", ".join(str(number) for number in sorted(outside)[:5])
            raise InputError(
                f"{source} has the id {shown}, but label space {self.name!r} has ids 0 to {len(self) - 1} and "
                "255 for none; name the right space in the column label_space, or correct the file."
            )

    def decode(self, colours: NDArray[np.uint8], source: Path | str) -> NDArray[np.uint8]:
        """Ids (H, W) uint8 of a label painted in this space's colours (H, W, 3).

        Black is 255 unless a class is black; of two classes of one colour the one with the lower id is taken.

        Raises:
            InputError: a colour of no class, naming ``source`` and the colour.
        """
        ids = _colour_table(self)[_packed(colours)]
        if ids.min(initial=0) < 0:
            row, column = np.argwhere(ids < 0)[0]
            red, green, blue = colours[row, column]
            raise InputError(
                f"{source} has the colour ({red}, {green}, {blue}) at x {column}, y {row}, which is of no class of "
                f"label space {self.name!r}; save labels without smoothing or JPEG, or name the right label space."
            )
        return ids.astype(np.uint8)


@functools.lru_cache(maxsize=2)
def _colour_table(space: LabelSpace) -> NDArray[np.int16]:
    """Id of every 24-bit colour, -1 where it is of no class: a look-up is an eighth of the time of a search."""
    table = np.full(1 << 24, -1, dtype=np.int16)
    table[0] = IGNORED_LABEL
    for number, colour in reversed(list(enumerate(space.colours))):
        table[_packed(np.array(colour))] = number
    return table


def _packed(colours: NDArray[np.integer]) -> NDArray[np.int32]:
    wide = colours.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _space(name: str, classes: dict[str, Colour], void: tuple[int, ...] = ()) -> LabelSpace:
    return LabelSpace(name, tuple(classes), tuple(classes.values()), void)


CITYSCAPES_19 = _space("cityscapes19", tables.CITYSCAPES_19)
"""The 19 evaluated classes of Cityscapes by train id."""
CITYSCAPES_IDS = _space("cityscapes_ids", tables.CITYSCAPES_IDS)
GTA5 = _space("gta5", tables.GTA5)
SYNTHIA = _space("synthia", tables.SYNTHIA, (0, 22))
VIPER = _space("viper", tables.VIPER, (0, 1))
CAMVID_11 = _space("camvid11", tables.CAMVID_11)
CAMVID_SEGNET = _space("camvid_segnet", tables.CAMVID_11, (11,))
COMMA10K = _space("comma10k", tables.COMMA10K)
MAPILLARY = _space("mapillary_v1.2", tables.MAPILLARY, (65,))
SEMANTIC_SUPER = _space("semantic_super", tables.SEMANTIC_SUPER)
SUPER = _space("super", tables.SUPER)

LABEL_SPACES = {
    space.name: space
    for space in (
        *(CITYSCAPES_19, CITYSCAPES_IDS, GTA5, SYNTHIA, VIPER),
        *(CAMVID_11, CAMVID_SEGNET, COMMA10K, MAPILLARY),
        *(SEMANTIC_SUPER, SUPER),
    )
}
TRAINED_AS = {
    "cityscapes_ids": "cityscapes19",
    "gta5": "cityscapes19",
    "synthia": "cityscapes19",
    "camvid_segnet": "camvid11",
}
"""What networks learn from labels of a space."""
