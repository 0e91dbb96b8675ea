"""Verbs whose frames lie in a bucket: what comes out is what comes out of the same files on this machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.command_line import sentence
from tests.data.bucket_server import BUCKET, KEY, Bucket, bucket_server
from tests.small_runs import write_run
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.data.manifest import Manifest
from vergence.runs.folder import RunFolder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket_server(monkeypatch) as server:
        yield server


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """The manifest of some frames with depth, on this machine."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_frames(folder, depth=True)
    return folder / "manifest.csv"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", "depth-video-tiny")


def _files(folder: Path, *suffixes: str) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.suffix in suffixes]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _said(folder: Path) -> str:
    """Everything that a folder of results says in words."""
    return "\n".join(
        path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".json", ".yaml", ".jsonl")
    )


def test_training_from_a_bucket_is_training_from_here(bucket: Bucket, frames: Path, tmp_path: Path) -> None:
    """Two processes load; the run says the address and nothing of the copies or the key."""
    address = bucket.put(frames.parent, "data")
    recipe = write_recipe(tmp_path)
    weights = []
    for name, data in (("here", str(frames)), ("there", f"{address}/{frames.name}")):
        words = {"train.steps": 2, "train.checkpoint_every": 2, "frames.workers": 2, "train.evaluate_every": 2}
        run = api.train(recipe, tmp_path / name, data, words)
        weights.append(load_file(RunFolder(run).latest().weights))  # type: ignore[union-attr]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    said = _said(tmp_path / "there")
    assert f"{address}/{frames.name}" in said
    assert "vergence-remote" not in said
    assert KEY not in said
    assert bucket.gets("image/0.png") == 1


def test_predict_and_evaluate_read_folders_and_manifests(
    bucket: Bucket, frames: Path, tmp_path: Path, run: Path
) -> None:
    address = bucket.put(frames.parent, "data")
    here = tmp_path / "here"
    api.predict(run, frames.parent / "image", here)
    api.predict(run, f"{address}/image/", tmp_path / "there")
    wanted, got = (_files(folder, ".png", ".jpg") for folder in (here, tmp_path / "there"))
    assert wanted
    assert wanted == got
    assert "vergence-remote" not in _said(tmp_path / "there")
    local = api.evaluate(run, frames, baselines=False, json=tmp_path / "a.json")
    remote = api.evaluate(run, f"{address}/manifest.csv", baselines=False, json=tmp_path / "b.json")
    same = [{key: value for key, value in one.items() if key != "seconds"} for one in (local, remote)]
    assert same[0] == same[1]


def test_a_manifest_here_names_objects_of_a_bucket(bucket: Bucket, frames: Path, tmp_path: Path, run: Path) -> None:
    """Selected frames are named by their addresses, and what is left over of the bucket is not asked for."""
    address = bucket.put(frames.parent, "data")
    manifest = tmp_path / "m.csv"
    text = frames.read_text().replace("image/", f"{address}/image/")
    manifest.write_text(re.sub(r"(?<=,)(\d+\.npy)", rf"{address}/\1", text))
    known = Manifest.read(manifest)
    assert known.digest() == Manifest.read(frames).digest()
    here = api.select(run, frames, 3, tmp_path / "here", criterion="ds", split="train")
    there = api.select(run, manifest, 3, tmp_path / "there", criterion="ds", split="train")
    names = [[Path(frame["image"]).name for frame in one["frames"]] for one in (here, there)]
    assert names[0] == names[1]
    chosen = Manifest.read(tmp_path / "there" / "selection.parquet")
    assert "vergence-remote" not in _said(tmp_path / "there")
    assert "vergence-remote" not in (tmp_path / "there" / "selection.parquet").read_bytes().decode(errors="ignore")
    assert chosen.path(0).read_bytes() == (frames.parent / "image" / names[0][0]).read_bytes()
    assert bucket.gets(".npy") == 0


def test_each_fault_is_one_sentence(
    bucket: Bucket,
    frames: Path,
    tmp_path: Path,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = bucket.put(frames.parent, "data")
    words = ["predict", run, f"{address}/manifest.csv", "--out", tmp_path / "out"]
    bucket.forbidden.add("image/3.png")
    said = sentence(capsys, *words)
    assert f"{address}/image/3.png may not be read with the credentials at hand" in said
    bucket.forbidden.clear()
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "other"))
    bucket.store().rm_file(f"{BUCKET}/data/image/4.png")
    said = sentence(capsys, *words)
    assert f"{address}/image/4.png does not exist" in said
    said = sentence(capsys, "predict", run, "s3://nowhere/x/", "--out", tmp_path / "out")
    assert "s3://nowhere/x does not exist" in said
    said = sentence(capsys, "scan", f"{address}/none/")
    assert f"{address}/none does not exist" in said


@pytest.mark.parametrize(
    "words",
    [
        "predict run data --out s3://b/out",
        "train depth-video-tiny --data data --out s3://b/run",
        "resume s3://b/run",
        "evaluate s3://b/run --data data",
        "select run --data data --count 2 --out s3://b/out",
        "index folder data --out s3://b/m.csv",
        "scan data --json s3://b/x.json",
        "evaluate run --data data --json s3://b/x.json",
        "export run --to onnx --out s3://b/m.onnx",
        "report run --out s3://b/page.html",
        "labels propagate data --out s3://b/m.csv",
        "demo --out s3://b/demo",
    ],
)
def test_results_are_written_here(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = sentence(capsys, *words.split())
    assert "s3://b/" in said
    assert "copy" in said
    assert list(tmp_path.iterdir()) == []
