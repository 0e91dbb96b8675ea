"""What the script for a GPU does beside measuring: time that is up, runs side by side, steps that fit, a packed set."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.claims import state
from benchmarks.claims.claim import Claim, Comparison
from benchmarks.claims.lab import Lab
from benchmarks.claims.real_depth import manifests
from benchmarks.claims.recipes import RecipeRun, alone
from benchmarks.claims.side_by_side import complete
from benchmarks.gpu import trainings
from benchmarks.gpu.pack import MIB, pack
from benchmarks.gpu.run import Table
from benchmarks.gpu.trainings import Training, learn_depth, real_depth, run_claim, scores
from benchmarks.studies.common import read_rows
from vergence.data.manifest import Manifest
from vergence.evaluation.evaluate import Scoring
from vergence.runs.config import read_config


def pretended(lab: Lab, variant: str, seed: int) -> dict[str, float | str]:
    """A run of a claim: what all share is made once, runs of a seed do not overlap; one fails, and some never end."""
    lab.out.mkdir(exist_ok=True)
    busy = lab.out / f"seed-{seed}"
    busy.touch(exist_ok=False)
    with alone(lab.out / "shared"):
        if not (lab.out / "shared").is_file():
            time.sleep(0.2)
            (lab.out / "shared").write_text(str(os.getpid()))
            with (lab.out / "made").open("a") as file:
                file.write("once\n")
    time.sleep(0.2)
    busy.unlink()
    if (variant, seed) == ("old", 1):
        raise ValueError("this one fails")
    if variant == "endless":
        time.sleep(600)
    return {"miou": 0.5 + 0.1 * (variant == "new"), "process": str(os.getpid())}


def claim_of(*variants: str, seeds: int = 2) -> Claim:
    comparison = Comparison(variants[-1], variants[0])
    return Claim("made_up", "New is better.", "Invented.", variants, (comparison,), seeds, pretended, seconds=1)


def test_runs_of_a_claim_side_by_side(tmp_path: Path) -> None:
    lab, results, claim = Lab(tmp_path / "lab"), tmp_path / "results", claim_of("old", "new")
    ended = list(complete(claim, lab, results, 2, time.monotonic() + 120))
    assert {(one.variant, one.seed): one.failed for one in ended} == {
        ("old", 0): "", ("new", 0): "", ("old", 1): "this one fails", ("new", 1): "",
    }  # fmt: skip
    rows = state.rows_of(claim, results)
    assert {(row["variant"], row["seed"], row["miou"]) for row in rows} == {
        ("old", "0", "0.5"), ("new", "0", "0.6"), ("new", "1", "0.6"),
    }  # fmt: skip
    assert os.getpid() not in {int(row["process"]) for row in rows}
    assert (lab.out / "made").read_text() == "once\n"
    # what has ended is not run again, and what does not end in time is stopped and said
    longer = claim_of("old", "new", "endless", seeds=1)
    for processes in (2, 1):
        begun = time.monotonic()
        (row,) = run_claim(longer, Lab(tmp_path / f"lab{processes}"), results, processes, begun + 1)
        assert (row["value"], row["variant"]) == (3, "undecided")
        assert row["note"].endswith("; not run: 1, 0.0 minutes left")
        assert time.monotonic() - begun < 60
        assert len(state.rows_of(claim, results)) == 3


def test_a_claim_without_head_room_is_not_gone_on_with(tmp_path: Path) -> None:
    def never(*_: object) -> dict[str, float | str]:
        raise AssertionError

    rows = [(variant, seed) for seed in range(3) for variant in ("old", "all")]
    claim = Claim("poor", "?", "?", ("old", "new"), (), 8, never, seconds=1, few="old", full="all")
    for variant, seed in rows:
        state.add(claim, variant, seed, {"miou": 0.5}, 1.0, tmp_path)
    assert list(complete(claim, Lab(tmp_path), tmp_path, 2)) == []
    assert list(complete(claim, Lab(tmp_path), tmp_path)) == []


def test_what_no_time_is_left_for_is_said(tmp_path: Path) -> None:
    table, called = Table(tmp_path / "gpu.csv", "cpu", minutes=0.5), []
    table.take("depth", "long", lambda: called.append(1) or [], least=60)
    table.take("claim", "short", lambda: [{"part": "claim", "name": "short", "value": 3, "note": "FAILED: one"}])
    Table(tmp_path / "gpu.csv", "cpu", minutes=-1).take("depth", "late", lambda: called.append(1) or [])
    assert not called
    assert table.failed == 1
    found = [(row["name"], row["value"], row["note"]) for row in read_rows(tmp_path / "gpu.csv")]
    assert found == [
        ("long", "", "not run: 0.5 minutes left"), ("short", "3", "FAILED: one"),
        ("late", "", "not run: 0.0 minutes left"),
    ]  # fmt: skip


def test_steps_are_as_many_as_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def finished(folder: Path, run: RecipeRun, seed: int) -> Path:
        trained.append(read_config(run.recipe, run.words).train.steps)
        return folder

    def evaluate(*_: object, **__: object) -> dict[str, object]:
        rows = [{"name": name, "abs_rel": error, "rmse": 5.0, "a1": 0.8} for name, error in FOUND.items()]
        return {"images": 48, "rows": rows}

    trained: list[int] = []
    monkeypatch.setattr(trainings, "pace", lambda *_: (100.0, 0.1))
    monkeypatch.setattr(trainings, "finished", finished)
    monkeypatch.setattr(trainings, "evaluate", evaluate)
    monkeypatch.setattr(trainings.api, "predict", lambda *_, **__: {})
    run = RecipeRun("depth-video", [], tmp_path / "video.parquet")
    training = Training(run, 5_000, tmp_path / "judge.parquet", Scoring("eigen"), "test")

    def learned(seconds: float) -> list[dict[str, object]]:
        return list(learn_depth("real", training, tmp_path, "cpu", time.monotonic() + seconds))

    pace, *rows = learned(300)
    assert trained == [pytest.approx(1_600, abs=2)]  # 0.8 of the 200 seconds after the start
    assert pace["value"] == "10.00"
    assert [(row["variant"], row["value"], row["ratio"]) for row in rows] == [
        ("trained", "0.1500", "0.500"), ("input_free", "0.3000", "1.000"),
    ]  # fmt: skip
    learned(100_000)
    assert trained[1:] == [5_000]  # more is of no use
    assert [row.get("note", "")[:8] for row in learned(105)][1:] == ["not run:"]
    assert len(trained) == 2
    (tmp_path / "real.json").touch()
    assert [row["note"] for row in learned(300)] == ["there already: real.json"]


FOUND = {"trained": 0.15, "input_free": 0.3}


def test_scores_without_an_input_free_map_have_no_ratio() -> None:
    (row,) = scores({"part": "depth"}, [{"name": "trained", "abs_rel": 0.1, "rmse": 1, "a1": 1}], "10 steps")
    assert (row["ratio"], row["value"]) == ("", "0.1000")


def write_data(root: Path) -> Path:
    """Clips of a camera, the larger one of noise, and three pictures with lidar of which two may judge."""
    rng = np.random.default_rng(0)
    camera = {"width": 64, "height": 32, "fx": 50.0, "fy": 50.0, "cx": 32.0, "cy": 16.0, "baseline_m": 0.5}

    def save(name: str, array: np.ndarray) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / name)

    for clip, spread in (("noisy", 255), ("part", 1), ("even", 1), ("never", 1)):
        for frame in range(6):
            save(f"driving_video/{clip}/images/{frame:06d}.jpg", rng.integers(0, spread, (32, 64, 3), np.uint8))
        (root / "driving_video" / clip / "intrinsics.json").write_text(json.dumps(camera))
    for name in ("000002", "000003", "000004"):
        save(f"depth_gt/kitti2015/image_left/{name}.png", rng.integers(0, 255, (32, 64, 3), np.uint8))
        save(f"depth_gt/kitti2015/lidar_depth/{name}.png", np.full((32, 64), 2560, np.uint16))
        save(f"depth_gt/kitti2015/image_right/{name}.png", rng.integers(0, 255, (32, 64, 3), np.uint8))
    (root / "depth_gt" / "kitti2015" / "calib.json").write_text(json.dumps(camera))
    protocol = {
        "depth_train_clips": {"noisy": "all", "part": [0, 3], "even": "all"},
        "depth_test_pictures": ["000003", "000004"],
    }
    (root / "protocol.json").write_text(json.dumps(protocol))
    return root


def test_packed_data_teach_and_judge_as_the_whole(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    assert pack(tmp_path / "all", MIB, data) == (["part", "even", "noisy"], [])
    few = tmp_path / "few"
    most = sum(file.stat().st_size for file in (tmp_path / "all").rglob("*") if file.is_file()) - 1
    assert pack(few, most, data) == (["part", "even"], ["noisy"])
    with pytest.raises(SystemExit, match=r"pictures that judge are .* larger --mib"):
        pack(tmp_path / "none", 10, data)
    with pytest.raises(SystemExit, match="is there already"):
        pack(few, MIB, data)
    training = real_depth(Lab(tmp_path / "lab", few), small=None)
    video, judges = Manifest.read(training.run.data), Manifest.read(training.judge)
    assert sorted({Path(row.sequence).name for row in video}) == ["even", "part"]
    assert len(video) == 6 + 4
    assert [Path(row.image).stem for row in judges] == ["000003", "000004"]
    assert video.path(0).read_bytes() == (data / video.path(0).resolve().relative_to(few.resolve())).read_bytes()
    (tmp_path / "whole").mkdir()
    whole = Manifest.read(manifests(Lab(tmp_path / "whole", data))[1])
    assert [Path(row.image).stem for row in whole] == ["000003", "000004"]
    settings = read_config(training.run.recipe, training.run.words)
    assert (settings.frames.options.height, settings.frames.options.width) == (192, 640)


def test_missing_clips_are_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--data has no protocol\.json"):
        real_depth(Lab(tmp_path / "lab", tmp_path), small=None)
