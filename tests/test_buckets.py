"""Verbs whose frames lie in a bucket: what comes out is what comes out of the same files on this machine."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import vergence
from tests.command_line import sentence
from tests.data.annotation.annotated import LABEL, bare, world
from tests.data.bucket_server import BUCKET, KEY, Bucket, bucket_server
from tests.small_runs import write_run
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.cli import main
from vergence.data.annotation import export_labels
from vergence.data.buckets import anywhere, remote_store
from vergence.data.buckets.remote import given as resolved
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.depth_port import with_estimates
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
    ("fault", "words"),
    [("forbidden", "may not be read with the credentials at hand"), ("failing", "could not be fetched in 3 attempts")],
)
def test_a_store_that_fails_is_no_broken_picture(
    bucket: Bucket,
    frames: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    words: str,
) -> None:
    """A scan ends, and is repeated; a frame that the store does not have is as one that is missing here."""
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    address = bucket.put(frames.parent, "data")
    scan = ["scan", f"{address}/manifest.csv", "--json", str(tmp_path / "scan.json")]
    if fault == "forbidden":
        bucket.forbidden.add("image/3.png")
    else:
        bucket.failing["image/3.png"] = 99
    assert f"{address}/image/3.png {words}" in sentence(capsys, *scan)
    assert not (tmp_path / "scan.json").exists()
    bucket.forbidden.clear()
    bucket.failing.clear()
    bucket.store().rm_file(f"{BUCKET}/data/image/3.png")
    main(scan)
    (frames.parent / "image" / "3.png").unlink()
    api.scan(frames, json=tmp_path / "here.json")
    there = (tmp_path / "scan.json").read_text()
    assert there == (tmp_path / "here.json").read_text()
    assert "1 frame(s) cannot be read" in there


def test_shards_of_objects_that_change_before_the_join_are_told(
    bucket: Bucket, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    """Machines have copies of their own; what has changed is known without fetching it."""
    address, changed = bucket.put(frames.parent, "data"), next(frames.parent.glob("*.npy"))
    given: dict[str, Any] = {"data": f"{address}/{frames.name}", "split": "all", "baselines": False, "device": "cpu"}
    out = tmp_path / "r.json"

    def next_machine(name: str) -> None:
        monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / name))
        bucket.asked.clear()

    for number in range(2):
        next_machine(f"machine {number}")
        api.evaluate(run, **given, json=out, shard=f"{number}/2")
    good = bucket.read(f"data/{changed.name}")
    bucket.write(f"data/{changed.name}", good[:-4] + b"\0\0\0\0")
    next_machine("joins")
    with pytest.raises(InputError, match=r"files of ./2 of the shards in .* have changed since they were read"):
        api.evaluate(run, **given, json=out)
    bucket.write(f"data/{changed.name}", good)
    next_machine("joins again")
    assert api.evaluate(run, **given, json=out)["images"] > 1
    assert bucket.gets(".npy") == 0


def test_addresses_without_a_bucket_are_no_folders_of_this_machine(
    frames: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    for words in (
        ["predict", run, frames, "--out", "s3:///predicted"],
        ["predict", run, "s3:///x/y.jpg", "--out", tmp_path / "out"],
        ["evaluate", run, "--data", "s3:///x.csv"],
        ["scan", frames, "--json", "gs:///b/s.json"],
        ["train", "depth-toytown-tiny", "--data", "s3:///x.csv", "--out", tmp_path / "trained"],
    ):
        assert "names no bucket or server" in sentence(capsys, *words)
    assert "give the plain path" in sentence(capsys, "scan", frames, "--out", f"file://{tmp_path}/m.csv")
    assert set(tmp_path.iterdir()) == before


def _another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / name))
    anywhere._brought.clear()


def test_a_run_in_a_bucket_is_resumed_on_another_machine(
    bucket: Bucket, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the same weights as a run that was not stopped and lies here; scored, shown and used from there."""
    address, recipe = f"s3://{BUCKET}/runs/x", write_recipe(tmp_path)
    words = {"train.checkpoint_every": 1, "train.keep": 1, "optim.schedule": "constant"}
    whole = api.train(recipe, tmp_path / "whole", frames, words | {"train.steps": 3})
    settings = [f"--{name}={value}" for name, value in words.items()]
    assert main(["train", str(recipe), "--out", address, "--data", str(frames), "--train.steps=2", *settings]) == 0
    assert capsys.readouterr().out.strip() == address
    there = {"recipe.yaml", "metrics.jsonl", "checkpoints/LATEST", "checkpoints/step-00000002/state.safetensors"}
    assert there <= bucket.names("runs/x")
    assert not any("step-00000001" in name or ".lock" in name for name in bucket.names("runs/x"))
    said = sentence(capsys, "train", recipe, "--out", address, "--data", frames, "--train.steps", "2")
    assert f"{address} exists and is not empty; go on with --resume {address}" in said
    _another_machine(tmp_path, monkeypatch, "second")
    resumed = api.resume(address, {"train.steps": 3})
    weights = [load_file(RunFolder(run).latest().weights) for run in (whole, resumed)]  # type: ignore[union-attr]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert "step-00000003" in bucket.read("runs/x/checkpoints/LATEST").decode()
    _another_machine(tmp_path, monkeypatch, "third")
    assert vergence.load(f"{address}/checkpoints/last").predict(frames.parent / "image" / "0.png").depth.max() > 0
    assert bucket.gets("state.safetensors") == 1
    api.evaluate(address, frames, baselines=False)
    assert any(name.startswith("evaluation/") for name in bucket.names("runs/x"))
    assert main(["report", address, "--data", str(frames), "--images", "1"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"{address}/report.html")
    assert b"<html" in bucket.read("runs/x/report.html")


def test_predictions_in_a_bucket_are_those_of_a_folder(
    bucket: Bucket, frames: Path, tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards of machines that share nothing but the bucket; the join asks for no picture of the others."""
    api.predict(run, frames, tmp_path / "here")
    wanted = _files(tmp_path / "here", ".png", ".jpg")
    address = f"s3://{BUCKET}/out"
    for number in range(2):
        _another_machine(tmp_path, monkeypatch, f"machine{number}")
        api.predict(run, frames, address, shard=f"{number}/2")
    _another_machine(tmp_path, monkeypatch, "machine2")
    before = len(bucket.asked)
    record = api.predict(run, frames, address)
    assert record["frames"] == len(wanted) // 2
    assert not any(method == "GET" and path.endswith((".png", ".jpg")) for method, path in bucket.asked[before:])
    there = bucket.names("out")
    assert {name for name in there if name.endswith((".png", ".jpg"))} == set(wanted)
    assert all(bucket.read(f"out/{name}") == content for name, content in wanted.items())
    assert not any(name.startswith("shards/") for name in there)
    assert json.loads(bucket.read("out/predictions.json"))["frames"] == record["frames"]
    puts = [path for method, path in bucket.asked if method == "PUT" and path.endswith(".png")]
    assert len(puts) == len(set(puts))


def test_other_results_go_to_a_bucket(
    bucket: Bucket, frames: Path, tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"s3://{BUCKET}/all"
    chosen = api.select(run, frames, 3, f"{address}/chosen", criterion="ds", split="train")
    there = bucket.names("all/chosen")
    assert {"selection.json", "selection.parquet", "frames.parquet", "selection.html", "features.npy"} <= there
    assert b"vergence-results" not in bucket.read("all/chosen/selection.json")
    assert len(Manifest.read(resolved(f"{address}/chosen/selection.parquet"))) == chosen["count"]
    image = Manifest.read(resolved(f"{address}/chosen/selection.parquet")).path(0)
    assert image.is_relative_to(frames.parent)
    api.index("folder", frames.parent / "image", f"{address}/m.parquet")
    assert Manifest.read(resolved(f"{address}/m.parquet")).path(0).is_file()
    result = api.evaluate(run, frames, baselines=False, json=f"{address}/scores.json", per_image=True)
    assert json.loads(bucket.read("all/scores.json"))["images"] == result["images"]
    assert "scores.csv" in bucket.names("all")
    api.scan(frames, json=f"{address}/scan.json")
    assert "scan.json" in bucket.names("all")
    export = api.export(run, "torch", f"{address}/model.pt2")
    assert export
    assert {"model.pt2", "model.pt2.json"} <= bucket.names("all")
    with pytest.raises(
        InputError, match=r"s3://frames/all/chosen/features.npy is one file.* --out a folder all machines see"
    ):
        api.select(run, frames, 3, f"{address}/chosen", criterion="ds", split="train", shard="0/2")


def test_labels_of_a_selection_come_back_into_the_whole_from_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    whole = world(tmp_path / "video", [LABEL, LABEL, LABEL])
    chosen = Manifest([whole[1]], whole.root)
    bare(whole).write(tmp_path / "video" / "frames.parquet")
    bare(chosen).write(tmp_path / "video" / "selection.parquet")
    export_labels(chosen, "cvat", tmp_path / "masks")
    data, masks = bucket.put(tmp_path / "video", "chosen"), bucket.put(tmp_path / "masks", "masks")
    api.labels_import(masks, f"{data}/selection.parquet", tmp_path / "back.csv")
    assert [bool(row.label) for row in Manifest.read(tmp_path / "back.csv")] == [row == whole[1] for row in whole]


def test_a_depth_run_in_a_bucket_is_a_depth_port(bucket: Bucket, frames: Path, run: Path) -> None:
    manifest = Manifest.read(frames)
    there = with_estimates(manifest, bucket.put(run, "runs/d"), (64, 128))
    assert [row.estimate for row in there] == [row.estimate for row in with_estimates(manifest, str(run), (64, 128))]


def test_a_whole_bucket_is_no_place_for_results(
    bucket: Bucket, frames: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = sentence(capsys, "predict", run, frames, "--out", f"s3://{BUCKET}")
    assert f"s3://{BUCKET} is a whole bucket; give a place in it, such as s3://{BUCKET}/results." in said
    assert bucket.names("") == set()


def test_what_is_read_in_a_bucket_is_not_written_there(
    bucket: Bucket, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"{bucket.put(frames.parent, 'data')}/manifest.csv"
    said = sentence(capsys, "scan", address, "--out", address)
    assert f"{address} is read and would be overwritten" in said
    assert bucket.read("data/manifest.csv") == frames.read_bytes()


def test_each_fault_of_writing_is_one_sentence(
    bucket: Bucket,
    frames: Path,
    tmp_path: Path,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is done where nothing may be written; what was done goes there when the command is repeated."""
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    words = ["predict", run, frames, "--out", f"s3://{BUCKET}/out"]
    bucket.read_only.add(".tmp")
    said = sentence(capsys, *words)
    assert f"s3://{BUCKET}/out may not be written with the credentials at hand" in said
    assert not any(tmp_path.rglob("predictions.json"))
    bucket.read_only.clear()
    bucket.refusing["1.png"] = 99
    said = sentence(capsys, *words)
    assert f"s3://{BUCKET}/out/depth/" in said
    assert "1.png could not be sent in 3 attempts (status 503)" in said
    assert "predictions.json" not in bucket.names("out")
    bucket.refusing.clear()
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("vergence-results/**/*.png")}
    assert main([str(word) for word in words]) == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "predictions.json" in bucket.names("out")
    assert any(name.endswith("1.png") for name in bucket.names("out"))


def test_what_is_being_written_goes_there_meanwhile(
    bucket: Bucket, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training that is killed has its checkpoints in the bucket; one whose store is away for a while goes on."""
    monkeypatch.setattr(anywhere, "SECONDS", 0.05)
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    seen = []

    def look(step: int, path: Path) -> None:
        if step == 1:
            bucket.refusing["metrics.jsonl"] = 6
        end = time.monotonic() + 20
        while f"checkpoints/{path.name}/state.json" not in bucket.names("run") and time.monotonic() < end:
            time.sleep(0.05)
        seen.append(f"checkpoints/{path.name}/state.json" in bucket.names("run"))

    words = {"train.steps": 2, "train.checkpoint_every": 1}
    api.train(write_recipe(tmp_path), f"s3://{BUCKET}/run", frames, words, {"checkpoint": look})
    assert seen == [True, True]
