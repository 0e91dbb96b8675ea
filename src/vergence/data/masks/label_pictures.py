"""The one way in which a label picture becomes class ids, for training, evaluation, import and ports alike."""

import functools
import logging
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.batch import IGNORED_LABEL
from vergence.data.buckets.remote import names_beside
from vergence.data.buckets.remote_store import NoAnswer
from vergence.data.imaging.deep_pictures import has_deep_channels, read_channels
from vergence.data.label_space import Colour, LabelSpace
from vergence.data.pictures import bits, is_lossy, open_picture, raw_mode
from vergence.errors import InputError

Label = NDArray[np.uint8]
_BLACK, _WHITE, _BORDER = (0, 0, 0), (255, 255, 255), (224, 224, 192)
_LOOKED_AT = 64
_COARSEST = 32
"""A label is no coarser than so many pixels of its image: the coarsest stride of networks."""
_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Coding:
    """What values and colours of label files stand for."""

    name: str
    """For messages: what says so."""
    ids: Mapping[int, int]
    """Stored value -> id; values that are not there may not occur."""
    colours: Mapping[Colour, int]
    """Colour -> id."""
    expected: Mapping[int, Colour]
    """Id -> colour, where files may be expected to have it: not where colours are ours."""
    classes: int
    lenient: bool = False
    """Whether ids are believed under a palette of other colours: data sets whose form is known."""

    def greys(self) -> dict[int, int]:
        """Grey level -> id; black is none unless a class is black."""
        ids = {colour[0]: value for value, colour in reversed(list(self.expected.items())) if len(set(colour)) == 1}
        return {0: IGNORED_LABEL, **ids}


@functools.lru_cache(maxsize=64)
def coding_of(space: LabelSpace) -> Coding:
    """The coding of label files of a space; ids stay those of the file."""
    colours = {colour: number for number, colour in reversed(list(enumerate(space.colours)))}
    ids = {number: number for number in (*range(len(space)), *space.void, IGNORED_LABEL)}
    return Coding(
        f"label space {space.name!r}",
        MappingProxyType(ids),
        MappingProxyType(colours),
        MappingProxyType(space.stated_colours()),
        len(space),
        space.is_known(),
    )


def decode_label(path: Path | str, coding: Coding) -> Label:
    """Class ids (H, W) uint8 of a label picture, 255 = none.

    One channel of grey holds ids; or the grey levels of classes, such as 0 and 255 where a class is white. A palette
    holds ids where its colours are those of the classes, else its colours count. What is wholly transparent has no
    label. Of several channels of 16 bits, the form of SYNTHIA, the first one holds the ids.

    Raises:
        InputError: unreadable, compressed as JPEG is, ids or colours that the coding lacks.
    """
    path = Path(path)
    image = open_picture(path)
    if is_lossy(image, path):
        raise InputError(
            f"label {path} was compressed as {image.format} in a way which changes its values; save labels as "
            "PNG, from their source."
        )
    if has_deep_channels(image):
        channels = read_channels(image, path)
        erased = channels[..., -1] == 0 if "A" in raw_mode(image).upper() else None
        return _without(erased, channels[..., 0], lambda ids: _of_ids(_narrow(ids, path), path, coding))
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        ids = np.asarray(image)
        return _without(_keyed(image, ids), ids, lambda kept: _of_ids(_narrow(kept, path), path, coding))
    if image.mode in ("L", "LA", "1"):
        step = 255 // (2 ** min(bits(image), 8) - 1)
        greys = np.asarray(image if image.mode == "L" else image.convert("L"))
        erased = np.asarray(image)[..., 1] == 0 if image.mode == "LA" else _keyed(image, greys // np.uint8(step))
        return _without(erased, greys, lambda kept: _of_greys(kept, step, path, coding))
    if image.mode == "P":
        label = _of_palette(image, path, coding)
        label[np.isin(np.asarray(image), list(_transparent(image)))] = IGNORED_LABEL
        return label
    if image.mode == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("RGB", "RGBA"):
        return _of_colours(np.asarray(image), path, coding)
    raise InputError(f"label {path} has mode {image.mode}, expected ids in one channel or colours; save it as PNG.")


def _narrow(ids: NDArray[np.generic], path: Path) -> Label:
    wide = ids.astype(np.int64)
    if wide.size and (wide.max() > IGNORED_LABEL or wide.min() < 0):
        value = wide.max() if wide.max() > IGNORED_LABEL else wide.min()
        raise InputError(
            f"label {path} has the value {value} in its first channel of 16 or more bits, expected class ids up to "
            "255; name the file of classes, not of depth or of objects."
        )
    return wide.astype(np.uint8)


def _present(values: Label) -> set[int]:
    return {int(value) for value in np.flatnonzero(np.bincount(values.ravel(), minlength=256))}


def _of_ids(values: Label, path: Path, coding: Coding) -> Label:
    if values.size and values.max() >= coding.classes:
        outside = sorted(_present(values) - set(coding.ids))
        if outside:
            ids = ", ".join(str(number) for number in outside[:5])
            raise InputError(
                f"{path} has the id {ids}, but {coding.name} has ids 0 to {coding.classes - 1} and 255 for none; "
                "name the right space in the column label_space, or correct the file."
            )
    return _mapped(values, coding)


def _mapped(values: Label, coding: Coding) -> Label:
    if all(value == class_id for value, class_id in coding.ids.items()):
        return np.array(values)
    table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
    for value, class_id in coding.ids.items():
        table[value] = class_id
    return table[values]


def _of_greys(greys: Label, step: int, path: Path, coding: Coding) -> Label:
    """Ids, or grey levels of classes; in files of fewer than 8 bits, ids are ``step`` levels apart."""
    values = greys // np.uint8(step)
    white = _WHITE in coding.expected.values()
    if not white and values.max(initial=0) < coding.classes:
        return _of_ids(values, path, coding)
    levels, present = coding.greys(), _present(greys)
    by_grey = present <= set(levels)
    if by_grey and {value // step for value in present} <= set(coding.ids):  # the folder's other files tell
        union = _levels_of_folder(path.absolute().parent, path.suffix) | present
        by_grey = white and (step == 255 or (255 in union and union <= set(levels)))
    if by_grey:
        table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
        table[list(levels)] = list(levels.values())
        return table[greys]
    if not white and step == 1 and 255 in present and present <= {0, 255}:
        _check_binary(path, present, coding)
    return _of_ids(values, path, coding)


def _check_binary(path: Path, present: Set[int], coding: Coding) -> None:
    """InputError where the labels of a folder have 0 and 255 only, which is how most tools write two classes; of more
    classes a warning, since then the first may be the only one that is labelled."""
    folder = path.absolute().parent
    if _levels_of_folder(folder, path.suffix) | present == {0, 255}:  # 255 alone is a picture without labels
        if coding.classes > 2:
            _say_binary(folder, coding.name)
            return
        raise InputError(
            f"label {path} has the values 0 and 255 only, and so have the others of its folder, but 255 means none and "
            f'no class of {coding.name} is white; give the class that 255 stands for "color": [255, 255, 255] in '
            "classes.json, or save ids."
        )


@functools.lru_cache(maxsize=256)
def _levels_of_folder(folder: Path, suffix: str) -> frozenset[int]:
    """Grey levels in the label pictures of a folder, of which at most a part, evenly spaced, is read."""
    names = sorted(name for name in names_beside(folder) if name.endswith(suffix))
    indices = np.unique(np.linspace(0, len(names) - 1, min(len(names), _LOOKED_AT)).round().astype(int))
    levels: set[int] = set()
    for index in indices:
        try:
            image = open_picture(folder / names[index])
        except NoAnswer:  # without this one the others may mean another thing
            raise
        except InputError:
            continue  # said when it is its turn
        if image.mode == "L":
            levels |= _present(np.asarray(image))
    return frozenset(levels)


def _of_palette(image: Image.Image, path: Path, coding: Coding) -> Label:
    """Ids where the palette agrees with the classes or none of their colours is known; else by colour, or refused."""
    values = np.array(image)
    flat = image.getpalette() or []
    palette = [tuple(flat[k : k + 3]) for k in range(0, len(flat) - 2, 3)]
    expected = coding.expected
    opaque = {value for value, count in enumerate(image.histogram()) if count} - _transparent(image)
    present = sorted(opaque)
    agrees = len(palette) >= coding.classes and all(
        expected.get(k, colour) == colour for k, colour in enumerate(palette) if k < coding.classes
    )
    if agrees and opaque <= set(coding.ids):
        return _of_ids(np.where(np.isin(values, present), values, IGNORED_LABEL), path, coding)
    colours = {value: palette[value] if value < len(palette) else expected.get(value, _BLACK) for value in present}
    if not expected or all(colour == (value,) * 3 for value, colour in colours.items()):
        return _of_greys(values, 1, path, coding)
    odd = [value for value in present if value in expected and colours[value] != expected[value]]
    if not odd and set(present) <= set(coding.ids):
        return _of_ids(values, path, coding)
    known = {_BLACK: IGNORED_LABEL, _BORDER: IGNORED_LABEL, **coding.colours}
    if all(colours[value] in known for value in present):
        table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
        for value in present:
            table[value] = known[colours[value]]  # type: ignore[index]
        return table[values]
    strangers = [value for value in odd if colours[value] not in known]
    if coding.lenient and len(strangers) == len(odd):
        _say_once(path.parent, coding.name)
        return _of_ids(values, path, coding)
    index = (odd or [value for value in present if colours[value] not in known])[0]
    wanted = "#{:02x}{:02x}{:02x}".format(*expected[index]) if index in expected else "a colour of a class"
    raise InputError(
        f"{path} has another palette than {coding.name}: index {index} is #{bytes(colours[index]).hex()} instead of "
        f"{wanted}; keep the palette of the classes, or save RGB colours."
    )


@functools.lru_cache(maxsize=256)
def _say_binary(folder: Path, name: str) -> None:
    _log.warning(
        "%s: the labels have the values 0 and 255 only, taken for the first class of %s and none; if they are masks of "
        "two classes, name these in classes.json, the one of 255 with the colour white",
        *(folder, name),
    )


@functools.lru_cache(maxsize=256)
def _say_once(folder: Path, name: str) -> None:
    _log.warning("%s: palettes are not that of %s; the ids are believed", folder, name)


def _transparent(image: Image.Image) -> set[int]:
    transparency = image.info.get("transparency")
    if isinstance(transparency, int):
        return {transparency}
    return {k for k, alpha in enumerate(transparency or b"") if alpha == 0}


def _keyed(image: Image.Image, stored: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Where a picture of one channel has the stored value that its file calls transparent; None where it calls none."""
    key = image.info.get("transparency")
    return stored == key if isinstance(key, int) else None


def _without(erased: NDArray[np.bool_] | None, values: NDArray[Any], decode: Callable[[NDArray[Any]], Label]) -> Label:
    """The label of stored values; where they are erased there is none, whatever is left there, and it is not read."""
    if erased is None or not erased.any():
        return decode(values)
    if erased.all():
        return np.full(values.shape, IGNORED_LABEL, dtype=np.uint8)
    label = decode(np.where(erased, values[~erased][0], values))
    label[erased] = IGNORED_LABEL
    return label


def _of_colours(pixels: Label, path: Path, coding: Coding) -> Label:
    """Ids of colours (H, W, 3 or 4)."""
    if not coding.colours:
        raise InputError(
            f"label {path} holds colours, but no label space says what they mean; save ids in one channel, or name the "
            "label space in the column label_space."
        )
    ids = _colour_table(tuple(coding.colours.items()))[packed(pixels)]
    if pixels.shape[-1] == 4:
        ids[pixels[..., 3] == 0] = IGNORED_LABEL
    if ids.min(initial=0) < 0:
        row, column = np.argwhere(ids < 0)[0]
        red, green, blue = (int(part) for part in pixels[row, column, :3])
        raise InputError(
            f"{path} has the colour ({red}, {green}, {blue}), #{red:02x}{green:02x}{blue:02x}, at x {column}, y {row} "
            f"({int((ids < 0).sum())} pixels of such colours), which is no class in {coding.name}; {_remedy(pixels)}."
        )
    return ids.astype(np.uint8)


def _remedy(pixels: Label) -> str:
    if (pixels[..., :1] == pixels[..., 1:3]).all():
        return "its three channels are alike: if they hold ids, save one channel of them"
    return "save labels without smoothing or JPEG, or name the right label space"


@functools.lru_cache(maxsize=2)
def _colour_table(colours: tuple[tuple[Colour, int], ...]) -> NDArray[np.int16]:
    """Id of every 24-bit colour, -1 where it is of no class: a look-up is an eighth of the time of a search."""
    table = np.full(1 << 24, -1, dtype=np.int16)
    table[packed(np.array([_BLACK, _BORDER], dtype=np.uint8))] = IGNORED_LABEL
    for colour, number in colours:
        table[packed(np.array(colour))] = number
    return table


def packed(colours: NDArray[np.integer]) -> NDArray[np.int32]:
    """Colours (..., 3 or more) as numbers of 24 bits."""
    wide = colours[..., :3].astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def read_label(path: Path | str, size: tuple[int, int] | None = None, space: LabelSpace | None = None) -> Label:
    """Read class ids (H, W) uint8, 255 = none, as the file has them: ids of ``space``, which is not mapped here.

    Args:
        path: see :func:`decode_label`.
        size: (H, W) it must have, that of its upright image.
        space: what the ids or colours mean; None takes one channel for ids.

    Raises:
        InputError: as of :func:`decode_label`, colours without a space, another size.
    """
    label = decode_label(path, _ANY if space is None else coding_of(space))
    if size is not None and label.shape != size:
        raise InputError(
            f"label {path} is {label.shape[1]}x{label.shape[0]}, but its image is {size[1]}x{size[0]}; "
            "give label and image of one size."
        )
    return label


_ANY = Coding(
    "no label space (column label_space)",
    MappingProxyType({k: k for k in range(256)}),
    MappingProxyType({}),
    MappingProxyType({}),
    256,
)


def check_aspect(label: tuple[int, int], image: tuple[int, int], path: Path | str, kind: str = "label") -> None:
    """InputError where a label of size (H, W) has another aspect than its upright image (H, W), or nearly no pixels."""
    (h, w), (height, width) = label, image
    if h * _COARSEST < height or w * _COARSEST < width:
        raise InputError(
            f"{kind} {path} is {w}x{h}, but its image is {width}x{height}; give a {kind} of at least 1/{_COARSEST} of "
            "the image's size."
        )
    if abs(height * w - h * width) > max(width, height, w, h):
        raise InputError(
            f"{kind} {path} is {w}x{h}, but its image is {width}x{height} as it is shown (EXIF orientation applied); "
            "give a label of the image's size, or of its aspect."
        )
