"""The classes that an annotator is told of: those of a label space, and one for what is ignored; whether a project has
them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LabelSpace
from vergence.errors import InputError

IGNORE_NAMES = ("ignore", "ignored", "void", "unlabeled", "unlabelled", "unknown")
"""Names that annotators give to what has no class; the first that is no class of the space is exported."""
BACKGROUND = "background"
"""Where an annotator painted nothing: the class of this name where the space has it, else ignored."""

Colour = tuple[int, int, int]
IGNORE_COLOUR = (224, 224, 192)  # of the border in Pascal VOC
BLACK = (0, 0, 0)
_LISTED = 8


@dataclass(frozen=True)
class AnnotationClasses:
    """What files of an annotator may hold: classes of a space with distinct colours, none black; and ``ignore``.

    Id ``IGNORED_LABEL`` is painted with the class ``ignore``, so that it is not mistaken for what nobody looked at.
    """

    space: LabelSpace
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    ignore: str
    ignore_colour: Colour

    @classmethod
    def of(cls, space: LabelSpace) -> "AnnotationClasses":
        ignore = next(name for name in (*IGNORE_NAMES, *_numbered()) if name not in space.classes)
        colours = distinct_colours(space.colours, (BLACK, IGNORE_COLOUR))
        return cls(space, space.classes, colours, ignore, IGNORE_COLOUR)

    def painted(self) -> Iterator[tuple[int, str, Colour]]:
        """Id, name and colour of everything that may be painted, ``ignore`` last."""
        yield from zip(range(len(self.names)), self.names, self.colours, strict=True)
        yield IGNORED_LABEL, self.ignore, self.ignore_colour

    def palette(self) -> list[int]:
        """768 numbers: red, green and blue of the ids 0..255."""
        table = np.zeros((256, 3), dtype=np.uint8)
        for index, _, colour in self.painted():
            table[index] = colour
        return [int(value) for value in table.reshape(-1)]


def _numbered() -> Iterator[str]:
    yield from (f"ignore{number}" for number in range(2, 300))


def distinct_colours(colours: Iterable[Colour], taken: Sequence[Colour] = ()) -> tuple[Colour, ...]:
    """The colours, where one occurs twice or is taken replaced by the next free one of Pascal VOC's."""
    wanted = list(colours)
    used, distinct = set(taken), list[Colour]()
    free = (colour for colour in map(voc_colour, range(1, 256 * 8)) if colour not in wanted and colour not in taken)
    for colour in wanted:
        distinct.append(next(free) if colour in used else colour)
        used.add(colour)
    return tuple(distinct)


def voc_colour(index: int) -> Colour:
    """Colour of an index in Pascal VOC: its bits, spread over the channels, highest first."""
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return channels[0], channels[1], channels[2]


def hexadecimal(colour: Sequence[int]) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def parse_colour(text: str) -> Colour | None:
    """The colour ``#rrggbb``; None where the text is none.

    Example:
        >>> parse_colour("#804080")
        (128, 64, 128)
    """
    match = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text.strip())
    return tuple(int(part, 16) for part in match.groups()) if match else None  # type: ignore[return-value]


def same_classes(project: object, there: Sequence[str], classes: AnnotationClasses) -> None:
    """InputError where a project lacks classes that frames may have, or has others, in whatever order.

    The class that what is ignored is painted with may be missing there, and "background" on either side.
    """
    free = {BACKGROUND, classes.ignore}
    missing = [name for name in classes.names if name not in there and name not in free]
    others = [name for name in there if name not in classes.names and name not in free]
    if missing or others:
        parts = [f"lacks {_listed(missing)}"] if missing else []
        parts += [f"has {_listed(others)} besides"] if others else []
        raise InputError(
            f"{project} {' and '.join(parts)}, so that its classes are not those of {classes.space.name}; give another "
            "--project, or --label_space."
        )


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + rest
