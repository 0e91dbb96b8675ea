"""Label spaces of one's own, from a .json or .yaml file of classes and colours."""

from pathlib import Path
from typing import Any

from vergence.data.label_space import LABEL_SPACES, LabelSpace, made_up_colour
from vergence.data.label_tables import Colour
from vergence.data.structured import read_csv, read_structured
from vergence.errors import InputError

FILE_NAMES = ("classes.json", "classes.yaml", "classes.yml")


def read_label_space(path: Path) -> LabelSpace:
    """The label space of a file; a known one where names and colours are the same.

    ``{"classes": [...]}`` in order of id. Each class is a name, or an object with ``name`` and, each optional, ``id``,
    ``color`` ([r, g, b] or "#rrggbb") and ``ignore`` (true: no class). ``{"classes": {name: colour, ...}}`` works
    too, and the ``config.json`` of Mapillary (``labels`` with ``readable``, ``color``, ``evaluate``). Optional keys:
    ``name``; ``ignore_index``, an id that means "no class". Ids without a class in between are void. Colours that are
    not given are made up.

    Raises:
        InputError: no such file, no JSON or YAML, no classes, doubled names or ids, impossible colours.
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
        listed = [{"id": int(cells[0]), "name": ",".join(cells[1:]).strip()} for _, cells in entries]
        return _known(_build({"classes": listed}, "roboflow"))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no list of classes ({error}); write a line such as '1, road' for each.") from error


def _build(values: Any, default_name: str) -> LabelSpace:
    if not isinstance(values, dict):
        values = {"classes": values}
    entries = values.get("classes", values.get("labels"))
    if isinstance(entries, dict):
        entries = [{"name": name, "color": colour} for name, colour in entries.items()]
    if not isinstance(entries, list) or not entries:
        raise ValueError("it has no key 'classes'")
    numbered: dict[int, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        one = {"name": entry} if isinstance(entry, str) else dict(entry)
        number = int(one.get("id", place))
        if number in numbered or not 0 <= number <= 255:
            raise ValueError(f"id {number} is there twice or not between 0 and 255")
        numbered[number] = one
    ignored = values.get("ignore_index", [])
    void = {int(number) for number in (ignored if isinstance(ignored, list) else [ignored])}
    void |= {n for n, one in numbered.items() if one.get("ignore") is True or one.get("evaluate") is False}
    void |= set(range(max(set(numbered) - void, default=0))) - set(numbered)
    last = max(set(numbered) - void, default=-1)
    classes, colours = [], []
    for number in range(last + 1):
        one = numbered.get(number, {"name": f"id {number}", "color": (0, 0, 0)})
        classes.append(str(one.get("readable", one.get("name", ""))).strip())
        colours.append(_colour(one.get("color", one.get("colour")), number))
    if not isinstance(values.get("name", ""), str):
        raise ValueError(f"its name is {values['name']!r}, expected text")
    name = values.get("name", default_name).replace(":", " ").strip() or "labels"
    return LabelSpace(name, tuple(classes), tuple(colours), tuple(sorted(void - {255})))


def _colour(value: Any, number: int) -> Colour:
    if value is None:
        return made_up_colour(number)
    if isinstance(value, str):
        text = value.removeprefix("#")
        if len(text) != 6:
            raise ValueError(f"colour {value!r} is not of the form #rrggbb")
        return (int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16))
    parts = [int(part) for part in value]
    if len(parts) not in (3, 4):
        raise ValueError(f"colour {value!r} does not have three parts")
    return (parts[0], parts[1], parts[2])


def _known(space: LabelSpace) -> LabelSpace:
    for known in LABEL_SPACES.values():
        if (known.classes, known.colours, known.void) == (space.classes, space.colours, space.void):
            return known
    return space
