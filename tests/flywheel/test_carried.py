"""Labels of a round carried through its video: made where they are missing or older than the round's labels."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vergence.data.frame_row import FrameRow
from vergence.data.manifest import Manifest
from vergence.flywheel import carried
from vergence.flywheel.carried import AGREEMENT, carried_labels, carried_with
from vergence.flywheel.folder import Round
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, lens_text
from vergence.propagation.propagate import RECORD, Propagation


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Calls of the propagation, which writes a manifest and its record and carries nothing."""
    found: list[tuple[Any, Any]] = []

    def propagate(data: Manifest, out: Path, how: Any, run: Any) -> None:
        found.append((how, run))
        data.write(out)
        out.with_suffix("").mkdir(exist_ok=True)
        (out.with_suffix("") / RECORD).write_text(json.dumps({"seconds": how.seconds, "keep": how.keep, "data": "x"}))

    monkeypatch.setattr(carried, "propagate", propagate)
    run = SimpleNamespace(method=SimpleNamespace(pose="network"))
    monkeypatch.setattr(carried, "load_run", lambda path, device: run)
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
    monkeypatch.setattr(carried, "load_run", lambda path, device: SimpleNamespace(method=SimpleNamespace(pose=None)))
    carried_labels(one, AGREEMENT, tmp_path / "b.parquet", one.depth, "cpu")
    assert calls[-1][1] is None, "without motion flow alone carries"
    lens = lens_text(Lens("fisheye", (-0.03, 0.004)), Camera(110.0, 112.0, 80.0, 61.0, 160, 120))
    straight = {"fx": 0.7, "fy": 0.9, "cx": 0.5, "cy": 0.5}
    Manifest([FrameRow("a.png", "a", 0, lens=lens, **straight)], tmp_path).write(one.data)
    monkeypatch.setattr(carried, "load_run", lambda path, device: pytest.fail("frames of a lens that bends"))
    carried_labels(one, AGREEMENT, tmp_path / "c.parquet", one.depth, "cpu")
    assert calls[-1][1] is None
