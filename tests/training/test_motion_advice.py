"""Training says when frames move too little to learn depth from, and with which offsets it would learn more."""

import json
import logging
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.data.scan.films import film, travelling
from vergence import api
from vergence.data.frame_options import FrameOptions
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.scan import glance, scan
from vergence.data.toytown import TownOptions, write_toytown
from vergence.training.motion_advice import advise_offsets

SMALL = {
    "frames.options.height": 64, "frames.options.width": 96, "frames.batch_size": 2, "frames.workers": 0,
    "train.steps": 1, "train.evaluate_every": 0,
    "network.encoder": "test_resnet", "network.weights": "none",
    "pose.encoder": "posecnn", "pose.weights": "none", "train.device": "cpu",
}  # fmt: skip
SAID = r"frames move too little between neighbours .*--frames\.options\.offsets '(\[.*\])'"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def town(folder: Path, fps: float) -> Path:
    return write_toytown(folder, TownOptions(fps=fps), {"train": 1, "val": 1}, frames=12)


def advised(text: str) -> list[int | str] | None:
    found = re.search(SAID, text)
    return None if found is None else json.loads(found[1])


def test_training_on_slow_frames_says_which_offsets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slow = town(tmp_path / "slow", 60)
    run = api.train("depth-toytown-tiny", tmp_path / "run", slow, SMALL)
    offsets = advised(caplog.text)
    assert offsets is not None
    assert offsets[0] == -int(offsets[1])
    caplog.clear()
    api.resume(run, {"train.steps": 2})
    assert advised(caplog.text) is None  # it has been said
    api.train("depth-toytown-tiny", tmp_path / "wide", slow, {**SMALL, "frames.options.offsets": offsets})
    assert advised(caplog.text) is None  # the advice is followed


def test_toy_town_is_fast_enough_and_soon_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = Manifest.read(town(tmp_path / "town", 10))
    start = time.process_time()
    advise_offsets({"unlabelled": (manifest, FrameOptions())})
    assert time.process_time() - start < 1
    assert advised(caplog.text) is None


def test_only_roles_with_neighbours_in_time_are_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slow = resolve_input(film(tmp_path / "slow", travelling(30, speed=0.5)))
    for offsets in ((), ("s",)):
        advise_offsets({"unlabelled": (slow, FrameOptions(offsets=offsets))})
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    advise_offsets(
        {"labelled": (slow, FrameOptions(offsets=())), "unlabelled": (slow, FrameOptions(offsets=(-1, 1, "s")))}
    )
    found = advised(caplog.text)
    assert found is not None
    assert found[2] == "s"
    step = scan(slow).sequences[0].step
    assert abs(int(found[1]) - step) <= 1
    text = " ".join(finding.text for finding in scan(slow).sequences[0].findings)
    assert f"use --frames.options.offsets '[-{step}, {step}]'" in text


def test_two_slow_videos_among_many_are_no_reason_for_other_offsets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first three that are looked at are the first, the middle and the last one."""
    folder = tmp_path / "clips"
    for name in "0123456":
        film(folder / name, travelling(12, speed=0.5 if name in "03" else 2.0))
    clips = resolve_input(folder)
    assert [one.has("slow") for one in glance(clips)] == [True, True, False]
    advise_offsets({"unlabelled": (clips, FrameOptions())})
    assert advised(caplog.text) is None
    few = clips.select(predicate=lambda row: row.sequence.rpartition("/")[2] in "034")
    advise_offsets({"unlabelled": (few, FrameOptions())})
    assert advised(caplog.text) is not None


def test_a_glance_is_short_and_sees_neighbours_that_are_no_samples(tmp_path: Path) -> None:
    clip = resolve_input(film(tmp_path / "slow", travelling(40, speed=0.5)), split=False)
    rows = [
        replace(row, sequence=name, split="train" if row.position % 5 == 0 and name != "9" else "")
        for name in ("1", "2", "3", "4", "5", "9")
        for row in clip.rows
    ]
    reports = glance(Manifest(rows, clip.root).select("train"))
    assert [one.name for one in reports] == ["1", "3", "5"]
    assert all(one.pairs <= 10 and one.has("slow") for one in reports)
