"""Label spaces of one's own, from a .json or .yaml file of classes and colours."""

import re
from pathlib import Path
from typing import Any

from vergence.data.label_space import LABEL_SPACES, Colour, LabelSpace, made_up_colour
from vergence.data.structured import read_csv, read_structured
from vergence.errors import InputError, nearest

FILE_NAMES = ("classes.json", "classes.yaml", "classes.yml")
_KEYS = ("classes", "name", "ignore_index", "label_space", "ignore")
"""Keys of our files; the last two are what `labels export` writes."""
_REMARKS = ("num_classes", "note", "notes", "comment", "description", "info", "source", "version", "license", "date")
"""Keys for people, in files and classes: nothing is read from them."""
_CLASS_KEYS = ("name", "id", "color", "colour", "ignore")
_FOREIGN = {
    "readable",
    "evaluate",
    "instances",
    "supercategory",
    "isthing",
    "trainId",
    "train_id",
    "cityscapes_train_id",
}
"""Any of these marks a class of another's file (Mapillary, COCO, Cityscapes), whose other keys are theirs."""


def read_label_space(path: Path) -> LabelSpace:
    """The label space of a file; a known one where names and colours are the same.

    ``{"classes": [...]}`` in order of id. Each class is a name, or an object with ``name`` and, each optional, ``id``,
    ``color`` ([r, g, b] or "#rrggbb") and ``ignore`` (true: no class). ``{"classes": {name: colour, ...}}`` works
    too, and the ``config.json`` of Mapillary (``labels`` with ``readable``, ``color``, ``evaluate``). Optional keys:
    ``name``; ``ignore_index``, an id that means "no class". Ids without a class in between are void. Colours that are
    not given are made up. Files of COCO's and Cityscapes' kind, known by their keys, may have more keys than these.

    Raises:
        InputError: no such file, no JSON or YAML, no classes, unknown keys, doubled names or ids, impossible colours.
    """
    values = read_structured(path, "correct it, or name a known label space")
    try:
        return _known(_build(values, path.parent.name if path.stem == "classes" else path.stem))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no list of classes ({error}); write "
            '{"classes": [{"name": "road", "color": [128, 64, 128]}, ...]} in order of id.'
        ) from error


def read_classes_csv(path: Path) -> LabelSpace:
    """The label space of Roboflow's ``_classes.csv`` (a line ``id, name`` for each class); InputError as above."""
    entries = [(number, cells) for number, cells in read_csv(path)[1:] if any(cell.strip() for cell in cells)]
    try:
        listed = [{"id": _digits(cells[0]), "name": ",".join(cells[1:]).strip()} for _, cells in entries]
        return _known(_build({"classes": listed}, "roboflow"))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no list of classes ({error}); write a line such as '1, road' for each.") from error


def _digits(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,3}", text.strip()) is None:
        raise ValueError(f"{text.strip()!r} is no id")
    return int(text)


def _build(values: Any, default_name: str) -> LabelSpace:
    if not isinstance(values, dict):
        values = {"classes": values}
    entries = values.get("classes", values.get("labels"))
    if isinstance(entries, dict):
        entries = [{"name": name, "color": colour} for name, colour in entries.items()]
    if "classes" in values or "labels" not in values:
        _check_keys(values, _KEYS)
    if not isinstance(entries, list) or not entries:
        raise ValueError("it has no key 'classes'")
    numbered: dict[int, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        one = {"name": entry} if isinstance(entry, str) else dict(entry)
        if not _FOREIGN & one.keys():
            _check_keys(one, _CLASS_KEYS)
        number = _whole(one.get("id", index), "id")
        if number in numbered:
            raise ValueError(f"id {number} is there twice")
        numbered[number] = one
    ignored = values.get("ignore_index", [])
    void = {_whole(number, "ignore_index") for number in (ignored if isinstance(ignored, list) else [ignored])}
    void |= {n for n, one in numbered.items() if _flag(one, "ignore", False) or not _flag(one, "evaluate", True)}
    void |= set(range(max(set(numbered) - void, default=0))) - set(numbered)
    last = max(set(numbered) - void, default=-1)
    classes, colours = [], []
    for number in range(last + 1):
        one = numbered.get(number, {"name": f"id {number}", "color": (0, 0, 0)})
        classes.append(_text(one, "readable" if "readable" in one else "name").strip())
        colours.append(_colour(one.get("color", one.get("colour")), number))
    for key in values.keys() & {"name", "label_space"}:
        _text(values, key)
    name = values.get("name", default_name).replace(":", " ").strip() or "labels"
    return LabelSpace(name, tuple(classes), tuple(colours), tuple(sorted(void - {255})))


def _check_keys(values: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in values:
        if key not in known and key not in _REMARKS and not str(key).startswith("_"):
            raise ValueError(
                f"the key {key!r} is unknown{nearest(str(key), known)}: there are {', '.join(known)}, and for remarks "
                f"{', '.join(_REMARKS)} or a name that starts with _"
            )
    if {"color", "colour"} <= values.keys():
        raise ValueError("a class has 'color' and 'colour'")


def _whole(value: Any, key: str) -> int:
    if type(value) is not int or not 0 <= value <= 255:
        raise ValueError(f"{key} {value!r} is no whole number from 0 to 255")
    return value


def _flag(one: dict[str, Any], key: str, default: bool) -> bool:
    value = one.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {value!r}, expected true or false")
    return value


def _text(one: dict[str, Any], key: str) -> str:
    if not isinstance(one.get(key), str):
        raise ValueError(f"{key} is {one.get(key)!r}, expected text")
    return str(one[key])


def _colour(value: Any, number: int) -> Colour:
    """The colour [r, g, b], perhaps with alpha, which is not used, or "#rrggbb"; made up where there is none."""
    if value is None:
        return made_up_colour(number)
    if isinstance(value, str):
        if re.fullmatch(r"#?[0-9a-fA-F]{6}", value) is None:
            raise ValueError(f"colour {value!r} is not of the form #rrggbb")
        text = value.removeprefix("#")
        return (int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16))
    if not isinstance(value, list | tuple) or len(value) not in (3, 4):
        raise ValueError(f"colour {value!r} does not have three parts")
    red, green, blue, *_ = [_whole(part, "a part of a colour") for part in value]
    return (red, green, blue)


def _known(space: LabelSpace) -> LabelSpace:
    for known in LABEL_SPACES.values():
        if (known.classes, known.colours, known.void) == (space.classes, space.colours, space.void):
            return known
    return space
