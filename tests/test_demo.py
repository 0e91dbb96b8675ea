"""The demo on a very small town: every stage leaves its files, the page shows both runs, a second call goes on."""

import re
from pathlib import Path
from typing import Any

import pytest

from vergence import api, demo
from vergence.data.subsets import read_list
from vergence.data.toytown import write_toytown
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
        patch.setattr(demo, "write_toytown", small_town)
        assert call(out) == out / "report.html"
    return out


def small_town(root: Path, progress: Any = None) -> Path:
    return write_toytown(root, streets={"train": 2, "val": 1}, frames=4, workers=1, progress=progress)


def call(out: Path, labels: int = 2, **settings: Any) -> Path:
    return api.demo(out, overrides=SMALL | settings, labels=labels, label_steps=1, limit=2)


def test_the_page_shows_depth_choice_and_both_segmentations(made: Path) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    for text in ("abs_rel of the trained model", "chosen frames, with depth", "random frames, labels alone",
                 "mIoU with 2 labelled frames", "never looks at the picture", "What training mixed"):  # fmt: skip
        assert text in page
    chosen = read_list(made / "selection" / "selection.json")
    assert len(chosen) == 2
    captions = re.findall(r"<figcaption>\d+\. (street\d+ · \d+)<", page)
    stems = [Path(name).stem.split("_") for name in chosen]
    assert captions[:2] == [f"{street} · {int(number)}" for street, number in stems]
    assert len(captions) == 4
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # one file, nothing fetched


def test_segmentation_has_the_network_of_the_depth_run(made: Path) -> None:
    from vergence.runs.config import load_config

    depth, chosen, random = (load_config(made / run / "recipe.yaml") for run in ("run", "three_ways", "labels_only"))
    assert chosen.section.network.weights == random.section.network.weights == "none"
    assert chosen.section.network.decoder_widths == depth.section.network.decoder_widths
    assert chosen.section.initialize_from == chosen.section.depth == str(made / "run")
    assert chosen.section.consistency.mix == "depthmix"
    assert random.section.initialize_from is None


def test_a_second_call_trains_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.safetensors")}
    assert len(before) >= 3
    monkeypatch.setattr(demo, "write_toytown", small_town)
    call(made)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*.safetensors")} == before


def test_other_settings_than_those_of_the_runs_that_are_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "write_toytown", small_town)
    with pytest.raises(InputError, match=r"run was trained with train.seed 0, not 5; give another --out"):
        call(made, **{"train.seed": 5})
    with pytest.raises(InputError, match=r"three_ways was trained with frames.labelled.count 2, not 1"):
        call(made, labels=1)


def test_depth_alone(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "write_toytown", small_town)
    assert call(made, labels=0) == made / "run" / "report.html"
