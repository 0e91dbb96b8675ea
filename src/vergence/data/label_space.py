"""A label space: the classes that label files speak of, their colours, and the known ones."""

import colorsys
import functools
import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vergence.data.batch import IGNORED_LABEL
from vergence.data.structured import read_yaml

if TYPE_CHECKING:
    CITYSCAPES_19: "LabelSpace"
    CITYSCAPES_IDS: "LabelSpace"
    CAMVID_11: "LabelSpace"
    CAMVID_32: "LabelSpace"
    VOC_21: "LabelSpace"
    COMMA10K: "LabelSpace"
    MAPILLARY: "LabelSpace"

Colour = tuple[int, int, int]
CLASSES = Path(__file__).parent / "classes"
"""A file for each known space: names and colours in the order of the ids, and which ids are void."""
REMEDY = "install vergence again"


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
        """Colours (..., 3) uint8 of ids (...); what is no class is black.

        Example:
            >>> road_and_car = LabelSpace("drive", ("road", "car"), ((128, 64, 128), (0, 0, 142)))
            >>> road_and_car.colourize(np.array([0, 1, 255])).tolist()
            [[128, 64, 128], [0, 0, 142], [0, 0, 0]]
        """
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
        ids = [number for number in range(len(self)) if number not in self.void]
        if len(ids) == len(self) or not ids:
            return self
        return LabelSpace(
            self.name,
            tuple(self.classes[number] for number in ids),
            tuple(self.colours[number] for number in ids),
        )

    def is_known(self) -> bool:
        """Whether this is one of :data:`LABEL_SPACES`."""
        return LABEL_SPACES.get(self.name) == self

    def stated_colours(self) -> dict[int, Colour]:
        """Id -> colour, for the classes whose colour somebody has said; others are of our making."""
        if self.is_known():
            ours = OWN_COLOURS.get(self.name, ())
            return {k: colour for k, colour in enumerate(self.colours) if self.classes[k] not in ours}
        return {k: colour for k, colour in enumerate(self.colours) if colour != made_up_colour(k)}


def made_up_colour(number: int) -> Colour:
    """The colour of a class for which none is given: hues that lie far apart for neighbours, never black."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.75, 0.6 + 0.35 * (number % 2))
    return (round(red * 255), round(green * 255), round(blue * 255))


class _KnownSpaces(MutableMapping[str, LabelSpace]):
    """The files of ``data/classes/`` by name, each read when it is first asked for, and what others add."""

    _NAMES = (
        *("cityscapes19", "cityscapes_ids", "gta5", "synthia", "viper", "camvid11", "camvid_segnet", "camvid32"),
        *("voc21", "comma10k", "mapillary_v1.2", "semantic_super", "super"),
    )
    """In the order in which a space is looked for that has certain classes and colours."""

    def __init__(self) -> None:
        self._spaces: dict[str, LabelSpace | None] = dict.fromkeys(self._NAMES)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spaces)

    def __len__(self) -> int:
        return len(self._spaces)

    def __contains__(self, name: object) -> bool:
        return name in self._spaces

    def __getitem__(self, name: str) -> LabelSpace:
        space = self._spaces[name]
        return _read(name) if space is None else space

    def __setitem__(self, name: str, space: LabelSpace) -> None:
        self._spaces[name] = space

    def __delitem__(self, name: str) -> None:
        del self._spaces[name]


@functools.cache
def _read(name: str) -> LabelSpace:
    values = read_yaml(CLASSES / f"{name}.yaml", REMEDY)
    classes = values["classes"]
    if isinstance(classes, str):  # those of another space
        classes = read_yaml(CLASSES / f"{classes}.yaml", REMEDY)["classes"]
    colours = ((red, green, blue) for red, green, blue in classes.values())
    return LabelSpace(name, tuple(classes), tuple(colours), tuple(values.get("void", ())))


LABEL_SPACES: MutableMapping[str, LabelSpace] = _KnownSpaces()
_CONSTANTS = {
    "CITYSCAPES_19": "cityscapes19", "CITYSCAPES_IDS": "cityscapes_ids", "CAMVID_11": "camvid11",
    "CAMVID_32": "camvid32", "VOC_21": "voc21", "COMMA10K": "comma10k", "MAPILLARY": "mapillary_v1.2",
}  # fmt: skip


def __getattr__(name: str) -> LabelSpace:
    if name not in _CONSTANTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return LABEL_SPACES[_CONSTANTS[name]]


OWN_COLOURS = {
    "semantic_super": ("tissue 1", "tissue 2", "tool"),
    "super": ("tissue", "tool"),
    "synthia": ("lane marking",),
}
"""Known space -> classes whose colour is ours, not that of the data set."""
TRAINED_AS = {
    "cityscapes_ids": "cityscapes19",
    "gta5": "cityscapes19",
    "synthia": "cityscapes19",
    "camvid_segnet": "camvid11",
}
"""What networks learn from labels of a space."""
