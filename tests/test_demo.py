"""The demo on a very small town: every stage leaves its files, the page shows both runs, a second call goes on."""

import re
from pathlib import Path
from typing import Any

import pytest

from vergence import api, demo
from vergence.data.manifest import Manifest
from vergence.data.rows.subsets import read_list
from vergence.data.toytown import TownOptions, write_toytown
from vergence.errors import InputError

SMALL = {
    "train.steps": 1,
    "frames.batch_size": 2,
    "frames.workers": 0,
    "network.weights": "none",
    "pose.weights": "none",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of one step each."""
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "town", small_town)
        assert call(out) == out / "report.html"
    return out


def small_town(root: Path, progress: Any = None) -> Path:
    return write_toytown(root, TownOptions(halts={0: 0.3}), {"train": 2, "val": 1}, 4, progress, workers=1)


def call(out: Path, labels: int = 2, **settings: Any) -> Path:
    return api.demo(out, overrides=SMALL | settings, labels=labels, label_steps=1, limit=2)


def test_the_page_leads_with_what_labels_are_worth(made: Path) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    for text in ("2 labels, chosen by reach and carried through the video", "at random, labels alone",
                 "never looks at the picture", "abs_rel of the trained model"):  # fmt: skip
        assert text in page
    assert page.index("% mIoU") < page.index("abs_rel of the trained model")
    assert page.count('class="legend"') == 1
    assert "depth (colour is linear" in page
    assert page.count("depth (colour is linear") == 1  # one range for all samples
    chosen = read_list(made / "selection" / "selection.json")
    assert len(chosen) == 2
    captions = re.findall(r"<figcaption>\d+\. (street\d+ · \d+)<", page)
    stems = [Path(name).stem.split("_") for name in chosen]
    assert captions[:2] == [f"{street} · {int(number)}" for street, number in stems]
    assert len(captions) == 4
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # one file, nothing fetched


def test_only_the_chosen_labels_and_what_they_give_teach(made: Path) -> None:
    chosen = {Path(name).name for name in read_list(made / "selection" / "selection.json")}
    carried = Manifest.read(made / "carried.parquet")
    for row in carried:
        assert row.split == "train"
        assert bool(row.label) == (Path(row.image).name in chosen or row.label_origin == "carried")
    assert any(row.label_origin == "carried" for row in carried)


def test_both_heads_are_trained_alike(made: Path) -> None:
    from vergence.runs.config import load_config

    chosen, random = (load_config(made / run / "recipe.yaml") for run in ("chosen_carried", "random_alone"))
    assert chosen.section == random.section
    assert chosen.train == random.train
    assert chosen.frames.options == random.frames.options
    assert chosen.frames.labelled.count is None
    assert random.frames.labelled.count == 2


def test_a_second_call_trains_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.safetensors")}
    assert len(before) >= 3
    monkeypatch.setattr(demo, "town", small_town)
    call(made)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*.safetensors")} == before


def test_other_settings_than_those_of_the_runs_that_are_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "town", small_town)
    with pytest.raises(InputError, match=r"run was trained with train.seed 0, not 5; give another --out"):
        call(made, **{"train.seed": 5})
    with pytest.raises(InputError, match=r"random_alone was trained with frames.labelled.count 2, not 1"):
        call(made, labels=1)


def test_depth_alone(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "town", small_town)
    assert call(made, labels=0) == made / "run" / "report.html"
