"""The page of a flywheel: numbers, curves and pictures of every round, what is missing said, links that lead on."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.flywheel.settings import BudgetConfig, FlywheelConfig, FlywheelRecipe, GateConfig, PartConfig
from vergence.methods.base import Method
from vergence.report import flywheel_page, flywheel_pictures
from vergence.report.flywheel_page import verdicts, write_flywheel_page
from vergence.runs.config_sections import EvaluateConfig

SPACE = "small:road#804080,sky#4682b4,car#00008e"


class Flat(Method):
    """Everything is as far away, and a road."""

    tasks = ("depth", "segmentation")
    label_space: LabelSpace = label_space(SPACE)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        flat = torch.ones_like(images[:, :1])
        return {"disparity": flat, "inverse_depth": flat, "logits": torch.cat((flat, 0 * flat, 0 * flat), dim=1)}


def row(number: int, run: str, task: str, labels: int, **metrics: float) -> dict[str, Any]:
    stamp = f"protocol of {task} · data abc"
    return {
        "round": number,
        "run": run,
        "task": task,
        "recipe": f"{run}-recipe",
        "labels": labels,
        "stamp": stamp,
    } | metrics


ROWS = [
    {"depth": [row(0, "depth", "depth", 0, abs_rel=0.2, rmse=3.0, a1=0.7, rmse_log=0.3, a2=0.8, a3=0.9)],
     "segmentation": [row(0, "segmentation", "segmentation", 1, miou=0.3, pixel_accuracy=0.6, mean_accuracy=0.4)]},
    {"depth": [row(1, "depth", "depth", 1, abs_rel=0.15, rmse=2.5, a1=0.8, rmse_log=0.2, a2=0.9, a3=0.95),
               row(1, "depth", "segmentation", 1, miou=0.35)],
     "segmentation": [row(1, "segmentation", "segmentation", 2, miou=0.25, pixel_accuracy=0.5, mean_accuracy=0.4)]},
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two of three rounds, with a network that sees nothing."""
    home = tmp_path / "wheel"
    frames = []
    for place in range(4):
        for kind, value in (
            ("image", np.full((40, 80, 3), 60 * place, np.uint8)),
            ("label", np.full((40, 80), 0, np.uint8)),
        ):
            (home / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(value).save(home / kind / f"{place}.png")
        np.save(home / f"{place}.npy", np.full((40, 80), 5.0 + place, np.float32))
        split = "val" if place > 1 else "train"
        frames.append(
            FrameRow(f"image/{place}.png", "drive <1>", place, split=split, label=f"label/{place}.png",
                     label_space=SPACE, depth=f"{place}.npy", width=80, height=40)
        )  # fmt: skip
    Manifest(frames, home).write(home / "data.parquet")
    config = FlywheelConfig(
        data=str(home), rounds=3, labels=BudgetConfig(per_round=1, by="manifest"), gate=GateConfig("none"),
        depth=PartConfig("depth-toytown-tiny"), hinted_depth=PartConfig("depth-toytown-tiny"),
        segmentation=PartConfig("three_ways-toytown-tiny"),
    )  # fmt: skip
    FlywheelRecipe("flywheel-test", config).write(home)
    for number, scored in enumerate(ROWS):
        folder = home / f"round-{number}"
        for stage in ("depth", "segmentation", "selection"):
            (folder / stage).mkdir(parents=True)
            (folder / stage / ("selection.html" if stage == "selection" else "report.html")).write_text("a page")
        scores = {run: {"asked": {}, "rows": rows} for run, rows in scored.items()}
        (folder / "scores.json").write_text(json.dumps(scores))
        images = [f"image/{place}.png" for place in range(number + 1)]
        (folder / "labelled.json").write_text(json.dumps(images))
        (folder / "selection" / "selection.json").write_text(json.dumps(images[number:]))
    options = FrameOptions(height=32, width=64)
    run = SimpleNamespace(
        path=Path("segmentation"),
        device=torch.device("cpu"),
        method=Flat(),
        config=SimpleNamespace(frames=SimpleNamespace(options=options), evaluate=EvaluateConfig()),
    )
    monkeypatch.setattr(flywheel_pictures, "load_run", lambda path: run)
    return home


def test_the_page_shows_rounds_side_by_side(home: Path) -> None:
    page = write_flywheel_page(home).read_text(encoding="utf-8")
    expected = (
        "unfinished: 2 of 3 rounds", "hints from the round before", "abs_rel is 0.150 in round 1, 25 % below",
        "mIoU is 25.0 % in round 1 with 2 labels, 5.0 points BELOW", "protocol of depth", "1 a round, revealed",
        "2 of 2 held-back frames", "abs_rel 0.000", "100.0% of labelled pixels right", "Round 1: 1 frames",
    )  # fmt: skip
    for text in expected:
        assert text in page, text
    assert "drive &lt;1&gt; · 2" in page
    assert page.count("<svg") == 3
    assert page.count(">Round 0</p>") == page.count(">Round 1</p>") == 2
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 6
    assert all((home / link).is_file() for link in links)
    assert not re.search(r'src="(?!data:)', page)
    assert "35.0" in page  # classes of the depth run


def test_it_says_what_is_kept_and_why(home: Path) -> None:
    measure = {"name": "abs_rel", "on": "measured depth", "before": 0.2, "now": 0.15, "higher": False, "frames": 10,
               "difference": -0.05, "error": 0.01}  # fmt: skip
    worse = measure | {"name": "miou", "before": 0.3, "now": None, "higher": True, "difference": None, "error": None}
    verdict = {
        "depth": {"kept": True, "against": 0, "because": "abs_rel 0.15", "measures": [measure]},
        "segmentation": {"kept": False, "against": 0, "because": "miou nan", "measures": [worse]},
    }
    (home / "round-1" / "gate.json").write_text(json.dumps(verdict))
    page = write_flywheel_page(home, images=0).read_text(encoding="utf-8")
    cells = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for text in (
        "Segmentation of round 1 is NOT kept: miou nan; that of round 0 goes on.",
        "depth of round 1 yes round 0 abs_rel ↓ 0.2 0.15 -0.05 ± 0.01 10 measured depth",
        "segmentation of round 1 NO round 0 miou ↑ 0.3 – – 10 measured depth",
        "depth of round 1, segmentation of round 0", "1 depth 2 depth-recipe",
    ):  # fmt: skip
        assert text in cells, text
    assert "Depth of round 1 is NOT kept" not in cells
    old = {"kept": False, "against": 0, "because": "abs_rel 0.3", "measures": [
        {key: value for key, value in one.items() if key not in ("difference", "error", "frames")} | {"task": task}
        for task, one in (("depth", measure), ("segmentation", worse))
    ]}  # fmt: skip
    (home / "round-1" / "gate.json").write_text(json.dumps(old))
    cells = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", write_flywheel_page(home, images=0).read_text("utf-8")))
    assert cells.count("NOT kept") == cells.count("Round 1 is NOT kept: abs_rel 0.3; round 0 goes on.") == 1
    assert "depth of round 1 NO round 0 abs_rel ↓ 0.2 0.15 – – measured depth" in cells
    assert "1 NONE 2 depth-recipe" in cells


def test_without_truth_it_says_so(home: Path) -> None:
    data = Manifest.read(home / "data.parquet")
    bare = [FrameRow(one.image, one.sequence, one.position, split=one.split, width=80, height=40) for one in data]
    Manifest(bare, home).write(home / "data.parquet")
    for number in range(2):
        scores = {run: {"asked": {}, "rows": []} for run in ("depth", "segmentation")}
        (home / f"round-{number}" / "scores.json").write_text(json.dumps(scores))
    page = write_flywheel_page(home, home / "other.html", images=1).read_text(encoding="utf-8")
    assert "Nothing is scored" in page
    assert "no measured depth" in page
    assert "no label" in page
    assert "<svg" not in page


def test_a_round_that_has_only_begun(home: Path) -> None:
    for number in range(2):
        (home / f"round-{number}" / "scores.json").unlink()
    page = write_flywheel_page(home, images=2).read_text(encoding="utf-8")
    assert "0 of 3 rounds" in page
    assert "Nothing is scored" in page


def test_a_folder_without_a_round(tmp_path: Path) -> None:
    FlywheelRecipe("x", FlywheelConfig(data="d", rounds=1, depth=PartConfig("depth-toytown"),
                                       segmentation=PartConfig("three_ways-toytown"))).write(tmp_path)  # fmt: skip
    with pytest.raises(InputError, match=r"has no round yet; go on with vergence train --resume"):
        write_flywheel_page(tmp_path)


def test_verdicts_tell_the_sign_of_a_change() -> None:
    rows = [row for scored in ROWS for part in scored.values() for row in part]
    worse = [one | {"abs_rel": 0.4} if one["round"] and one["task"] == "depth" else one for one in rows]
    assert "100 % ABOVE the 0.200 of round 0" in verdicts(worse)[0]
    same = [one | {"miou": 0.3} if one["task"] == "segmentation" else one for one in rows]
    assert "as good as the 30.0 % of round 0 with 1." in verdicts(same)[1]
    assert verdicts(rows[:2]) == []


def test_pages_by_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[str, Path]] = []
    for name in ("write_report", "write_selection_page", "write_flywheel_page"):
        monkeypatch.setattr(flywheel_page, name, lambda folder, name=name: seen.append((name, folder)))
    for kind in ("run", "selection", "flywheel"):
        flywheel_page.write_page(kind, tmp_path)
    assert [name for name, _ in seen] == ["write_report", "write_selection_page", "write_flywheel_page"]
