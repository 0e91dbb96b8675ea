"""Numbers of each image, found in one process or in shards: joined, they are the same to the last digit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.stored import SPACE, stored_run
from vergence import api, cli
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring
from vergence.evaluation.image_scores import ImageScores, evaluating
from vergence.runs.checkpoint import load_run

COUNT = 19


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames with measured depth, or labels, or both, or neither."""
    folder, rng, rows = tmp_path_factory.mktemp("data"), np.random.default_rng(0), []
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 255, (64, 96, 3), np.uint8)).save(folder / f"{number}.png")
        columns: dict[str, Any] = {}
        if number % 2 or number == 4:
            np.save(folder / f"{number}.npy", rng.uniform(1, 60, (64, 96)).astype(np.float32))
            columns["depth"] = f"{number}.npy"
        if number % 3:
            label = rng.integers(0, 3, (8, 12), np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(label).save(folder / f"{number}_label.png")
            columns |= {"label": f"{number}_label.png", "label_space": SPACE}
        rows.append(FrameRow(f"{number}.png", "s", number, width=96, height=64, **columns))
    return Manifest(rows, folder).write(folder / "m.parquet")


def evaluated(run: Path, data: Path, out: Path, **settings: Any) -> dict[str, Any]:
    return api.evaluate(run, data, json=out, per_image=True, device="cpu", **settings)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_joined_shards_are_the_numbers_of_one_process(run: Path, data: Path, tmp_path: Path) -> None:
    total = 3
    whole = evaluated(run, data, tmp_path / "whole" / "r.json")
    assert [row["name"] for row in whole["rows"]] == ["trained", "input_free", "untrained"]
    assert "class_abs_rel" in whole["rows"][0]
    images = 0
    for number in reversed(range(total)):
        found = evaluated(run, data, tmp_path / "shared" / "r.json", shard=f"{number}/{total}")
        assert found["shard"] == f"{number}/{total}"
        images += found["images"]
    assert images == sum(bool(row.depth or row.label) for row in Manifest.read(data))
    assert list(files(tmp_path / "shared")) == []
    joined = evaluated(run, data, tmp_path / "shared" / "r.json")
    assert json.dumps(joined) == json.dumps(whole)
    assert files(tmp_path / "shared") == files(tmp_path / "whole")
    assert not (tmp_path / "shared" / "r.shards").exists()
    assert evaluated(run, data, tmp_path / "shared" / "r.json", shard=f"0/{total}") == {
        "shard": f"0/{total}", "images": 0,
    }  # fmt: skip
    assert not (tmp_path / "shared" / "r.shards").exists()


def test_joining_looks_at_no_image(run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        evaluated(run, data, tmp_path / "r.json", shard=f"{number}/2", baselines=False)
    monkeypatch.setattr(ImageScores, "score", lambda *_: pytest.fail("looked at"))
    assert evaluated(run, data, tmp_path / "r.json", baselines=False)["images"] > 0


@pytest.mark.parametrize("name", ["14.png", "13_label.png", "13.npy"])
def test_files_that_change_before_the_join_are_told(run: Path, data: Path, tmp_path: Path, name: str) -> None:
    """A picture, a label or measured depth; the shard is done again, then the numbers are those of one process."""
    shutil.copytree(data.parent, tmp_path / "data")
    manifest, out = tmp_path / "data" / data.name, tmp_path / "r.json"
    for number in range(2):
        evaluated(run, manifest, out, shard=f"{number}/2", baselines=False)
    path = tmp_path / "data" / name
    if path.suffix == ".npy":
        np.save(path, np.load(path) + 1)
    else:
        picture = np.asarray(Image.open(path))
        Image.fromarray(picture[::-1] if "label" in name else 255 - picture).save(path)
    with pytest.raises(InputError, match=r"files of 1/2 of the shards in .*r\.shards have changed .* --shard 1/2"):
        evaluated(run, manifest, out, baselines=False)
    assert not out.exists()
    evaluated(run, manifest, out, shard="1/2", baselines=False)
    joined = evaluated(run, manifest, out, baselines=False)
    assert json.dumps(joined) == json.dumps(evaluated(run, manifest, tmp_path / "whole.json", baselines=False))


def test_states_survive_json(run: Path, data: Path) -> None:
    loaded, manifest = load_run(run, "cpu"), Manifest.read(data)
    with evaluating(loaded.method), torch.no_grad():
        scores = ImageScores(loaded, manifest, Scoring(baselines=False))
        state = scores.score(scores.rows)
        scores.merge([json.loads(json.dumps(state))])
        again = ImageScores(loaded, manifest, Scoring(baselines=False))
        again.merge([state])
    assert [part.result() for part in scores.parts] == [part.result() for part in again.parts]
    assert loaded.method.training is False


def test_the_mode_comes_back_after_an_error(run: Path) -> None:
    method, modes = load_run(run, "cpu").method.train(), []

    def fail() -> None:
        modes.append(method.training)
        raise KeyError

    with pytest.raises(KeyError), evaluating(method):
        fail()
    assert (modes, method.training) == ([False], True)


def test_shards_that_do_not_belong_together(run: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    evaluated(run, data, out, shard="0/2", baselines=False)
    for settings, said in (
        ({"shard": "1/3"}, "has shard 0/2, which overlaps 1/3"),
        ({"shard": "1/2", "flip": True}, r"is of other settings \(flip false, here true\)"),
        ({"shard": "1/2", "protocol": "eigen"}, r"is of other settings \(protocol "),
        ({"limit": 3}, r"is of other settings \(limit null, here 3\)"),
        ({}, "1/2 is missing or not done; run the same command with --shard 1/2"),
    ):
        with pytest.raises(InputError, match=said):
            evaluated(run, data, out, baselines=False, **settings)
    assert not out.exists()
    rows = list(Manifest.read(data))
    bare = Manifest([FrameRow(row.image, "s", row.position) for row in rows], data.parent).write(tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"has no labels .* and no measured depth"):
        evaluated(run, bare, tmp_path / "other.json", shard="0/2")
    empty = Manifest([], data.parent).write(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="has no frames to evaluate"):
        evaluated(run, empty, tmp_path / "other.json", shard="0/2")
    assert not (tmp_path / "other.shards").exists()


def test_command_line_and_torchrun(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(run), "--data", str(data), "--device", "cpu", "--baselines", "false"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"]
    command = [*torchrun, "--standalone", "-m", "vergence", *words, "--json", str(tmp_path / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.splitlines()) == ["shard 0/2: 8 images", "shard 1/2: 7 images"]
    assert cli.main([*words, "--json", str(tmp_path / "r.json")]) == 0
    assert cli.main([*words, "--json", str(tmp_path / "whole.json")]) == 0
    assert (tmp_path / "r.json").read_text() == (tmp_path / "whole.json").read_text()
    assert cli.main([*words, "--json", str(tmp_path / "r.json"), "--shard", "2/2"]) == 2
    assert capsys.readouterr().err.endswith("vergence: shard 2/2 is impossible; number shards from 0/2 to 1/2.\n")
