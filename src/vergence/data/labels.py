"""Label spaces by name, by text or from a file, and mappings between them."""

import functools
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.batch import IGNORED_LABEL
from vergence.data.label_space import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_IDS,
    COMMA10K,
    LABEL_SPACES,
    MAPILLARY,
    Colour,
    LabelSpace,
)
from vergence.data.masks import label_meanings as meanings
from vergence.data.masks.label_files import read_label_space
from vergence.errors import InputError, nearest

__all__ = [
    "CAMVID_11",
    "CITYSCAPES_19",
    "CITYSCAPES_IDS",
    "COMMA10K",
    "LABEL_SPACES",
    "MAPILLARY",
    "LabelSpace",
    "label_mapping",
    "label_space",
    "meaning",
]

ALIASES = {
    "cityscapes": "cityscapes19",
    "toytown": "cityscapes19",
    "kitti": "cityscapes_ids",
    "camvid": "camvid11",
    "voc": "voc21",
    "mapillary": "mapillary_v1.2",
}


def label_space(text: str) -> LabelSpace:
    """The label space of a text: a known name, ``NAME:class#rrggbb,class#rrggbb,...``, or a .json or .yaml file.

    The second form is what :meth:`LabelSpace.text` gives; ``;ID`` after it names ids that mean "no class".

    Raises:
        InputError: unknown name (with the nearest known one), a malformed text or file.

    Example:
        >>> label_space("cityscapes19").classes[:3]
        ('road', 'sidewalk', 'building')
        >>> label_space("drive:road#804080,car#00008e").classes
        ('road', 'car')
    """
    name = ALIASES.get(text, text)
    if name in LABEL_SPACES:
        return LABEL_SPACES[name]
    if text.lower().endswith((".json", ".yaml", ".yml")):
        return read_label_space(Path(text))
    if ":" in text and "#" in text:
        return _parse(text)
    raise InputError(
        f"label space {text!r} is unknown{nearest(text, list(LABEL_SPACES))}; known: {', '.join(LABEL_SPACES)}; or "
        "name a .json or .yaml file of classes and colours."
    )


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> LabelSpace:
    name, _, rest = text.partition(":")
    listed, *void = rest.split(";")
    try:
        pairs = [
            (entry.rpartition("#")[0].strip(), _hexadecimal(entry.rpartition("#")[2])) for entry in listed.split(",")
        ]
        space = LabelSpace(name, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), tuple(map(int, void)))
    except ValueError as error:
        raise InputError(
            f"label space {text[:60]!r} is malformed ({error}); write NAME:road#804080,sky#4682b4."
        ) from error
    return space


def _hexadecimal(text: str) -> Colour:
    if not re.fullmatch(r"[0-9a-fA-F]{6}", text):
        raise ValueError(f"{text!r} is no colour rrggbb")
    return (int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16))


@functools.lru_cache(maxsize=64)
def label_mapping(stored: str, target: str) -> NDArray[np.uint8]:
    """Table (256,) uint8: id in files of space ``stored`` -> id of space ``target``, 255 where there is none.

    Classes are matched by name (case and punctuation do not count), then by synonyms, then by what a class of the
    target takes in (:data:`vergence.data.masks.label_meanings.COVERS`): with CamVid as target a truck is a car.

    Raises:
        InputError: an unknown space, or the two share no class.

    Example:
        >>> table = label_mapping("drive:car#00008e,road#804080", "cityscapes19")
        >>> [label_space("cityscapes19").classes[number] for number in table[:2]]
        ['car', 'road']
    """
    known, wanted = label_space(stored), label_space(target)
    table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
    numbers = {key: number for key, number in _meanings(wanted).items() if number not in wanted.void}
    same = known.classes == wanted.classes
    for number, name in enumerate(known.classes):
        if number not in known.void:
            class_id = numbers.get(_words(name), numbers.get(meaning(name), IGNORED_LABEL))
            table[number] = number if same and number not in wanted.void else class_id
    if (table == IGNORED_LABEL).all():
        raise InputError(
            f"label spaces {known.name!r} and {wanted.name!r} share no class ({', '.join(known.classes[:4])}, ... and "
            f"{', '.join(wanted.classes[:4])}, ...); choose another frames.options.label_space or rename the classes."
        )
    table.flags.writeable = False
    return table


def _meanings(space: LabelSpace) -> dict[str, int]:
    """Name or meaning -> id, for the classes of a space and for what they take in."""
    numbered = list(enumerate(space.classes))
    own = {meaning(name): number for number, name in reversed(numbered)}
    own.update({_words(name): number for number, name in numbered})
    known = space.name if LABEL_SPACES.get(space.name) == space else ""
    covers = meanings.COVERS.get({"camvid_segnet": "camvid11"}.get(known, known), {})
    taken = {
        meaning(part): own[meaning(name)] for name, parts in covers.items() if meaning(name) in own for part in parts
    }
    return {**taken, **own}


def meaning(name: str) -> str:
    """What a class name means: :func:`_words` of it, synonyms as one."""
    return meanings.SYNONYMS.get(_words(name), _words(name))


def _words(name: str) -> str:
    """Lower case, words without punctuation."""
    return " ".join(re.findall(r"[^\W_]+", name.lower()))
