"""A method in a package of its own, announced by an entry point, works in every command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vergence
from vergence.cli import main
from vergence.errors import InputError
from vergence.methods import METHODS, Method, method_named, method_names, register_method

PACKAGE = '''
from dataclasses import dataclass

from torch import nn

from vergence.losses import cross_entropy
from vergence.methods import Exhibit, Method, MethodConfig, Role, Shown
from vergence.methods.supervised import known_space


@dataclass
class ColourConfig(MethodConfig):
    """Settings."""

    hidden: int = 4

    @property
    def tasks(self):
        return ("segmentation",)

    @property
    def roles(self):
        return {"few": Role("labelled", labels=True)}

    @property
    def shown(self):
        return ("few",)


class ColourMethod(Method):
    """Classes by colour."""

    settings = ColourConfig

    def __init__(self, config, options, seed=0):
        super().__init__()
        self.config, self.label_space = config, known_space(options)
        self.network = nn.Sequential(nn.Conv2d(3, config.hidden, 1), nn.Conv2d(config.hidden, len(self.label_space), 1))

    def parameter_groups(self):
        return [{"name": "network", "params": list(self.network.parameters())}]

    def forward(self, batches, step):
        batch = batches["few"]
        return {"segmentation": cross_entropy(self.network(batch["jittered"][:, 0]), batch["label"])}

    def predict(self, images):
        return {"logits": self.network(images)}

    def frame_features(self, images):
        return self.network[0](images)

    def training_pictures(self, batches):
        return Exhibit([Shown("by colour", "photograph", batches["few"]["frames"][:, 0])], "By colour.")
'''
RECIPE = """
method: by_colour
by_colour: {hidden: 3}
frames: {batch_size: 2, workers: 0, labelled: {count: 3}, options: {height: 64, width: 96, offsets: []}}
optim: {name: lion, lr: 0.001, group_lr: {network: 0.01}}
train: {steps: 4, checkpoint_every: 2, keep: 3, evaluate_every: 4, device: cpu}
evaluate: {limit: 2}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with this one in it, and a world to learn from."""
    site = tmp_path / "site"
    described = site / "by_colour-1.0.dist-info"
    (site / "by_colour").mkdir(parents=True)
    described.mkdir()
    (site / "by_colour" / "__init__.py").write_text(PACKAGE)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: by-colour\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[vergence.methods]\nby_colour = by_colour:ColourMethod\nbroken = by_colour.lost:Method\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    known = dict(METHODS)
    yield site
    METHODS.clear()
    METHODS.update(known)
    sys.modules.pop("by_colour", None)


def test_every_command(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vergence.index("toytown", "town", "town.parquet", {"train": 1, "val": 1, "frames": 6})
    Path("mine.yaml").write_text(RECIPE)
    train = [sys.executable, "-m", "vergence", "train", "mine.yaml", "--out", "run", "--data", "town.parquet"]
    paths = os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    fresh = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([*train, "--by_colour.hidden", "5"], env=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert any(row["kind"] == "evaluate" and "miou" in row for row in rows)
    commands = (
        "resume run --train.steps 6",
        "evaluate run --json scores.json --device cpu",
        "predict run town.parquet --out predicted --labels true --limit 2 --device cpu",
        "report run --images 1",
        "select run --data town.parquet --count 2 --criterion ds --out chosen --device cpu",
    )
    for command in commands:
        assert main(command.split()) == 0, (command, capsys.readouterr().err)
    scores = json.loads(Path("scores.json").read_text())
    assert {row["name"] for row in scores["segmentation"]["rows"]} == {"trained", "input_free", "untrained"}
    assert len(list(Path("predicted").rglob("*.png"))) >= 2
    page = Path("run/report.html").read_text()
    assert "<figcaption>by colour" in page
    assert len(json.loads(Path("chosen/selection.json").read_text())["frames"]) == 2
    stored = json.loads(Path("run/checkpoints/step-00000006/config.json").read_text())
    assert stored["config"]["by_colour"] == {"hidden": 5}
    seen = vergence.load("run").predict(np.zeros((64, 96, 3), np.uint8))
    assert seen.classes is not None


def test_names(installed: Path) -> None:
    assert "by_colour" in method_names()
    method = method_named("by_colour")
    assert METHODS["by_colour"] is method
    register_method("by_colour", method)  # the same once more is no fault
    with pytest.raises(InputError, match=r"method broken of by_colour.lost:Method cannot be loaded"):
        method_named("broken")
    with pytest.raises(InputError, match=r"method 'by_color' is unknown \(did you mean 'by_colour'\?\)"):
        method_named("by_color")
    with pytest.raises(InputError, match=r"method depth is vergence.methods.depth.DepthMethod already"):
        register_method("depth", method)
    with pytest.raises(InputError, match="cannot be named 'train'"):
        register_method("train", method)
    with pytest.raises(InputError, match="give a class on top of"):
        register_method("other", int)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"name a dataclass on top of .* in Bare.settings"):
        register_method("other", type("Bare", (Method,), {}))
