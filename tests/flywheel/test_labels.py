"""Labels in a flywheel: whose they are, whether they suffice, which are known in a round."""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.flywheel import labels as module
from vergence.flywheel.folder import Round
from vergence.flywheel.labels import (
    AGREEMENT,
    carried_labels,
    carried_with,
    check_budget,
    known_before,
    label_source,
    not_to_choose,
    open_labels,
)
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, lens_text
from vergence.propagation.propagate import RECORD, Propagation

SPACE = "two:road#804080,sky#4682b4"


def frames(folder: Path, *labelled: int, count: int = 4) -> Manifest:
    """Frames of the training split, and a last one of val, always labelled."""
    rows = [
        FrameRow(
            f"{k}.png", "a", k, split="train", **({"label": f"l{k}.png", "label_space": SPACE} if k in labelled else {})
        )
        for k in range(count)
    ]
    return Manifest([*rows, FrameRow("v.png", "a", count, split="val", label="lv.png", label_space=SPACE)], folder)


def test_labels_are_revealed_where_there_are_any(tmp_path: Path) -> None:
    assert label_source(frames(tmp_path, 1), "train") == "manifest"
    assert label_source(frames(tmp_path), "train") == "annotator", "those of val teach nobody"


def test_the_budget_must_be_there(tmp_path: Path) -> None:
    data = frames(tmp_path, 0, 1)
    check_budget(data, "train", "manifest", 2)
    check_budget(data, "train", "annotator", 2)
    check_budget(data, "train", "annotator", 0)  # there are labels from the start
    with pytest.raises(InputError, match=r"reveal 3 labels and .* has 2 training frames with a label"):
        check_budget(data, "train", "manifest", 3)
    with pytest.raises(InputError, match="has 2 training frames without a label"):
        check_budget(data, "train", "annotator", 3)
    with pytest.raises(InputError, match="there is no label to learn from"):
        check_budget(data, "train", "manifest", 0)


def test_what_is_known_before_and_what_cannot_be_chosen(tmp_path: Path) -> None:
    data, rounds = frames(tmp_path, 0, 2), [Round(tmp_path, 0), Round(tmp_path, 1)]
    assert known_before(data, rounds, 0, "train", "manifest") == []
    assert known_before(data, rounds, 0, "train", "annotator") == ["0.png", "2.png"]
    rounds[0].folder.mkdir()
    rounds[0].chosen_file.write_text('["2.png"]')
    assert known_before(data, rounds, 1, "train", "manifest") == ["2.png"]
    closed = not_to_choose(tmp_path, data, "train", "manifest")
    assert closed is not None
    assert json.loads(closed.read_text()) == ["1.png", "3.png"]
    assert not_to_choose(tmp_path, data, "train", "annotator") is None


def test_only_chosen_labels_are_open_and_those_of_other_splits_stay(tmp_path: Path) -> None:
    data, rounds = frames(tmp_path, 0, 1, 2), [Round(tmp_path, 0)]
    found = open_labels(data, rounds, 0, ["1.png"], "train")
    assert [row.label for row in found] == ["", "l1.png", "", "", "lv.png"]


def test_labels_that_came_back_are_taken_and_missing_ones_are_asked_for(tmp_path: Path) -> None:
    data, rounds = frames(tmp_path), [Round(tmp_path / "wheel", 0)]
    with pytest.raises(InputError, match=r"round 0 waits for labels of 2 frames \(0\.png, 3\.png\)"):
        open_labels(data, rounds, 0, ["0.png", "3.png"], "train")
    back = [FrameRow(f"{k}.png", "a", k, label=f"new{k}.png", label_space=SPACE) for k in (0, 3)]
    rounds[0].selection.mkdir(parents=True)
    Manifest(back, tmp_path).write(rounds[0].selection / "labelled.csv")
    found = open_labels(data, rounds, 0, ["0.png", "3.png"], "train")
    assert [Path(row.label).name for row in found] == ["new0.png", "", "", "new3.png", "lv.png"]
    assert found[0].label_space == SPACE


def test_labels_that_were_carried_before_are_nobodys(tmp_path: Path) -> None:
    """They neither teach beside the chosen ones nor stand in the way of what comes back."""
    data = frames(tmp_path, 0, 1).changed(
        lambda row: replace(row, label_origin="carried" if row.split == "train" and row.label else "")
    )
    rounds = [Round(tmp_path / "wheel", 0)]
    assert label_source(data, "train") == "annotator"
    rounds[0].selection.mkdir(parents=True)
    Manifest([FrameRow("0.png", "a", 0, label="new.png", label_space=SPACE)], tmp_path).write(
        rounds[0].selection / "labelled.csv"
    )
    found = open_labels(data, rounds, 0, ["0.png"], "train")
    assert [(Path(row.label).name, row.label_origin, row.label_confidence) for row in found] == [
        ("new.png", "", ""), ("", "", ""), ("", "", ""), ("", "", ""), ("lv.png", "", ""),
    ]  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Calls of the propagation, which writes a manifest and its record and carries nothing."""
    found: list[tuple[Any, Any]] = []

    def propagate(data: Manifest, out: Path, how: Any, run: Any) -> None:
        found.append((how, run))
        data.write(out)
        out.with_suffix("").mkdir(exist_ok=True)
        (out.with_suffix("") / RECORD).write_text(json.dumps({"seconds": how.seconds, "keep": how.keep, "data": "x"}))

    monkeypatch.setattr(module, "propagate", propagate)
    run = SimpleNamespace(method=SimpleNamespace(pose="network"))
    monkeypatch.setattr(module, "load_run", lambda path, device: run)
    return found


@pytest.fixture
def one(tmp_path: Path) -> Round:
    found = Round(tmp_path, 0)
    found.folder.mkdir()
    Manifest([FrameRow("a.png", "a", 0)], tmp_path).write(found.data)
    return found


def test_what_is_there_is_taken_until_the_labels_change(
    calls: list[tuple[Any, Any]], one: Round, tmp_path: Path
) -> None:
    out = tmp_path / "carried.parquet"
    assert carried_with(out) is None
    for _ in range(2):
        assert carried_labels(one, AGREEMENT, out, one.depth, "cpu") == out
    assert [how for how, _ in calls] == [Propagation("auto", AGREEMENT.seconds, AGREEMENT.keep)]
    assert carried_with(out) == {"seconds": AGREEMENT.seconds, "keep": AGREEMENT.keep}
    later = (out.with_suffix("") / RECORD).stat().st_mtime_ns + 10**9
    os.utime(one.data, ns=(later, later))
    carried_labels(one, AGREEMENT, out, one.depth, "cpu")
    assert len(calls) == 2


def test_geometry_helps_where_the_run_knows_motion_and_frames_are_straight(
    calls: list[tuple[Any, Any]], one: Round, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_labels(one, AGREEMENT, tmp_path / "a.parquet", one.depth, "cpu")
    assert calls[-1][1].method.pose == "network"
    monkeypatch.setattr(module, "load_run", lambda path, device: SimpleNamespace(method=SimpleNamespace(pose=None)))
    carried_labels(one, AGREEMENT, tmp_path / "b.parquet", one.depth, "cpu")
    assert calls[-1][1] is None, "without motion flow alone carries"
    lens = lens_text(Lens("fisheye", (-0.03, 0.004)), Camera(110.0, 112.0, 80.0, 61.0, 160, 120))
    straight = {"fx": 0.7, "fy": 0.9, "cx": 0.5, "cy": 0.5}
    Manifest([FrameRow("a.png", "a", 0, lens=lens, **straight)], tmp_path).write(one.data)
    monkeypatch.setattr(module, "load_run", lambda path, device: pytest.fail("frames of a lens that bends"))
    carried_labels(one, AGREEMENT, tmp_path / "c.parquet", one.depth, "cpu")
    assert calls[-1][1] is None
