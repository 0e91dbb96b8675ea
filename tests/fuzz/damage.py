"""Ways to damage things: bytes of a file, values within JSON, files that are no files."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Damage = Callable[[bytes, Rng], bytes]
BYTES: dict[str, Damage] = {
    "empty": lambda data, rng: b"",
    "one_byte": lambda data, rng: data[:1],
    "head": lambda data, rng: data[:16],
    "half": lambda data, rng: data[: len(data) // 2],
    "zeros": lambda data, rng: bytes(len(data)),
    "ff": lambda data, rng: b"\xff" * len(data),
    "random": lambda data, rng: rng.bytes(len(data)),
    "text": lambda data, rng: b"This is no such file.\n",
    "page": lambda data, rng: b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "pickle": lambda data, rng: b"cos\nsystem\n(S'id > canary'\ntR.",
    "postscript": lambda data, rng: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 32\n(x) print\nshowpage\n%%EOF\n",
}
"""Content of a file -> content that is no such file any more."""


def flipped(data: bytes, rng: Rng, count: int = 8, start: int = 0) -> bytes:
    """Some bytes are others."""
    changed = bytearray(data)
    for place in rng.integers(start, len(changed), count):
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed)


def moved(data: bytes, rng: Rng) -> bytes:
    """A piece is missing, another is there twice."""
    a, b, c = sorted(int(place) for place in rng.integers(0, len(data), 3))
    return data[:a] + data[b:c] + data[b:]


def write(path: Path, content: bytes | str) -> None:
    """The file is replaced, not written into."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def not_a_file(path: Path, what: str) -> None:
    """In the place of a file stands something else."""
    path.unlink(missing_ok=True)
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "dangling":
        path.symlink_to("nowhere")
    elif what == "endless":
        path.symlink_to("/dev/zero")
    elif what == "terminal":
        path.symlink_to("/dev/tty")
    else:
        raise ValueError(what)


NOT_FILES = ("folder", "pipe", "loop", "dangling", "endless")

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, float("nan"), float("inf"), "", "x", "../../x", "\x1b[31m", [], {}, [[]],
    [1, "a", None], {"a": 1}, [[[[[[[[1]]]]]]]], "x" * 5000, -(2**63), "999999999999999999999",
)  # fmt: skip
"""What stands in the place of a value."""


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values within a value of JSON."""
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def spoiled(tree: Any, rng: Rng, count: int = 1) -> Any:
    """A copy in which some values are others, or are missing."""
    tree = copy.deepcopy(tree)
    for _ in range(count):
        known = places(tree)
        if not known:
            return tree
        path = known[int(rng.integers(len(known)))]
        holder = tree
        for key in path[:-1]:
            holder = holder[key]
        if rng.random() < 0.2:
            del holder[path[-1]]
        else:
            holder[path[-1]] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    return tree


def spoil_json(path: Path, rng: Rng, count: int = 1) -> None:
    write(path, json.dumps(spoiled(json.loads(path.read_text()), rng, count)))


JSON_TEXTS = {
    "deep": "[" * 200_000 + "]" * 200_000,
    "deep_objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "cut": '{"a": [1, 2',
    "nan": "NaN",
    "number": "1" * 100_000,
    "null": "null",
    "list": "[]",
    "object": "{}",
    "string": '"x"',
    "comment": "{} // {}",
    "double_key": '{"a": 1, "a": 2}',
    "bad_utf8": b'{"a": "\xff\xfe"}',
    "utf16_no_mark": '{"a": 1}'.encode("utf-16-le"),
    "zero_byte": b'{"a": 1}\0',
    "lone_surrogate": '{"\\ud800": "\\udfff"}',
}
"""Contents of a JSON file that are no JSON, or none that anybody expects."""
