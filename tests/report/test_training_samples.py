"""What a method shows is drawn by its kind, whatever the method is; the report has no key of any."""

import ast
import base64
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import vergence.report
from vergence.data.labels import label_space
from vergence.methods import method_named, method_names
from vergence.methods.panels import Legend, Shown, notes
from vergence.report.pictures import Picture
from vergence.report.training_samples import drawn
from vergence.runs.config import RunConfig
from vergence.runs.schema import key_types

SPACE = label_space("toy:road#804080,sky#4682b4,car#00008e")
ROOM = Path(vergence.report.__file__).parent


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.uri.split(",")[1]))).convert("RGB"))


def exhibit() -> list[Shown]:
    label = torch.zeros(2, 8, 12)
    label[1, :4] = 2
    label[1, 0] = 255
    hints = torch.full((2, 1, 8, 12), 0.5)
    hints[..., :6] = torch.nan
    kept = torch.ones(2, 1, 8, 12)
    kept[1, :, :2] = 0
    frames = torch.rand(2, 3, 8, 12)
    return [
        Shown("frame", "photograph", frames),
        Shown("labels", "classes", label, notes("{:.0%} sky", torch.tensor([0.0, 0.25])), space=SPACE),
        Shown("sure", "share", label / 255, colours="magma", legend=Legend("sureness", ("no", "", "yes"))),
        Shown("inverse depth", "inverse_depth", torch.linspace(0.1, 1, 12).expand(2, 1, 8, 12)),
        Shown("hints", "inverse_depth", hints),
        Shown("left out", "left_out", kept, under=frames),
    ]


def test_pictures_notes_bars_and_legend() -> None:
    seen: set[int] = set()
    panel = drawn(exhibit(), 1, seen, "sample 2")
    assert panel.name == "sample 2"
    assert [picture.title for picture in panel.pictures] == [
        "frame", "labels", "sure", "inverse depth", "hints", "left out"
    ]  # fmt: skip
    assert seen == {0, 2}
    assert panel.pictures[1].note == "25% sky"
    assert panel.pictures[5].note == "25% left out of the loss"
    assert [(bar.label, bar.ticks) for bar in panel.bars if bar.label == "sureness"] == [
        ("sureness", ("no", "", "yes"))
    ]
    assert len(panel.bars) == 2
    hint = pixels(panel.pictures[4])
    assert (hint[:, :6] == hint[0, 0]).all()  # nothing known: one colour
    assert (hint[:, 6:] != hint[0, 0]).any()
    depth = pixels(panel.pictures[3]).astype(int)
    middle = np.abs(depth[0] - hint[0, 8].astype(int)).sum(1).argmin()  # the same colours: 0.5 is in the middle
    assert middle in (4, 5)


def strings(tree: ast.AST) -> Iterator[str]:
    """String constants of a module that are no docstrings."""
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def keys(kind: type) -> Iterator[str]:
    for name, hint in key_types(kind).items():
        yield name
        if dataclasses.is_dataclass(hint):
            yield from keys(hint)  # type: ignore[arg-type]


_OTHER_WORDS = (
    *("depth", "segmentation", "network", "weights", "decoder", "loss", "target"),
    *("labels", "classes", "share", "weight", "difficulty", "confidence", "log"),
)
"""Tasks, what every network has, words of other pages, a kind of axis."""


def test_the_report_knows_no_key_of_any_method() -> None:
    kinds = {
        name: method.settings
        for name, method in ((name, method_named(name)) for name in method_names())
        if method.__module__.startswith("vergence.")
    }
    theirs = {*kinds, *(key for kind in kinds.values() for key in keys(kind))}
    theirs |= {name for kind in kinds.values() for name in kind().roles}
    shared = {*keys(RunConfig), *_OTHER_WORDS}
    foreign = theirs - shared
    assert {"three_ways", "consistency", "initialize_from", "multi_task"} <= foreign
    for path in sorted(ROOM.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not foreign & set(strings(tree)), path.name
        named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        rooms = {module for module in named if module.startswith("vergence.methods.")}
        assert rooms <= {"vergence.methods.config", "vergence.methods.panels"}, path.name  # what all methods have
