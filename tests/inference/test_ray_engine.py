"""Predictions on a Ray cluster of two nodes: the files of one process, whatever is poisoned or killed meanwhile."""

import dataclasses
import json
import os
import sys
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.inference.stored import stored_run
from vergence.api import predict
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.frame_streams import ManifestStream, open_stream
from vergence.inference.journal import picture_digest
from vergence.inference.predict import Written
from vergence.inference.predictor import load
from vergence.inference.ray_engine import FrameWriter, Job

COUNT = 24
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
"""Small: two of them and what Ray needs beside fit into 2 GiB."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    for number in range(COUNT):
        small = Image.fromarray(rng.integers(0, 255, (4, 6, 3), np.uint8))
        small.resize((96, 64), Image.Resampling.BICUBIC).save(tmp_path / "frames" / f"{number:03d}.png")
    return tmp_path / "frames"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a processor each, the second one added."""
    ray = pytest.importorskip("ray", reason="needs the extra cluster")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        cluster.second = cluster.add_node(**{key: NODE[key] for key in ("num_cpus", "object_store_memory")})
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def results(out: Path) -> dict[str, bytes]:
    journal = {line["name"]: line for line in map(json.loads, (out / "results.jsonl").read_text().splitlines())}
    assert len(journal) == len((out / "results.jsonl").read_text().splitlines())  # nothing twice
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*") if path.is_file()}
    return files | {"results.jsonl": json.dumps(journal, sort_keys=True).encode()}


def same(one: Path, other: Path) -> None:
    """The same files; networks have seen other batches, so the last bit of a map may differ."""
    ours, theirs = results(one), results(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        if name.endswith(".png"):
            pictures = [np.asarray(Image.open(place / name)).astype(int) for place in (one, other)]
            assert np.abs(pictures[0] - pictures[1]).max() <= (0 if name.startswith("labels") else 1), name


def job(run: Path, frames: Path, out: Path) -> Job:
    """All frames, whose scale is known."""
    predictor = load(run)
    files = Written().kinds(predictor, False, 60.0)
    stream = open_stream(frames)
    assert isinstance(stream, ManifestStream)
    record = {
        "factor": 1.0,
        "png_factor": 100.0,
        "unit": "unscaled",
        "camera": "",
        "colour": {"low": 0.01, "high": 1.0},
    }
    return Job(partial(load, run), stream, out, files, record, {}, 2)


def said(writer: FrameWriter, *numbers: int) -> list[tuple[str, bool, str]]:
    rows = writer({"data": np.array(numbers)})
    return [(name, bool(picture), error) for name, picture, error in zip(*rows.values(), strict=True)]


@pytest.fixture
def one_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray that hands objects over in this process."""
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(get=lambda job: job))


@pytest.mark.usefixtures("one_actor")
def test_an_actor_writes_its_frames_and_tells_those_that_fail(run: Path, frames: Path, tmp_path: Path) -> None:
    given = job(run, frames, tmp_path / "out")
    (frames / "002.png").write_bytes((frames / "002.png").read_bytes()[:200])
    (frames / "004.png").unlink()
    told = said(FrameWriter(given), 0, 2, 4, 7)
    assert told[0] == ("000", True, "")
    assert told[3] == ("007", True, "")
    assert told[1][:2] == ("002", True)
    assert "002.png" in told[1][2]
    assert told[2][:2] == ("004", False)
    assert "004.png does not exist" in told[2][2]
    assert sorted(os.listdir(tmp_path / "out" / "depth")) == ["000.png", "007.png"]


@pytest.mark.usefixtures("one_actor")
def test_an_actor_without_memory_does_frames_one_by_one_and_tells_those_it_cannot(
    run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = FrameWriter(job(run, frames, tmp_path / "out"))
    written = writer.frames.written

    def small(given: Any) -> Any:
        found = list(given)
        if len(found) > 1:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        if found[0].name == "004":
            raise MemoryError
        return written(found)

    monkeypatch.setattr(writer.frames, "written", small)
    assert said(writer, 2, 4, 7) == [
        ("002", True, ""), ("004", True, "a node has too little memory for it (MemoryError)."), ("007", True, "")
    ]  # fmt: skip
    assert sorted(os.listdir(tmp_path / "out" / "depth")) == ["002.png", "007.png"]
    monkeypatch.setattr(writer.frames, "written", lambda given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        said(writer, 2)


@pytest.mark.usefixtures("one_actor")
def test_an_actor_keeps_what_is_done_unless_the_picture_has_changed(run: Path, frames: Path, tmp_path: Path) -> None:
    given = job(run, frames, tmp_path / "out")
    kept = {name: picture_digest(frames / f"{name}.png") for name in ("000", "001")}
    Image.new("RGB", (96, 64)).save(frames / "001.png")
    told = said(FrameWriter(dataclasses.replace(given, kept=kept)), 0, 1)
    assert told == [("000", False, ""), ("001", True, "")]
    assert os.listdir(tmp_path / "out" / "depth") == ["001.png"]


@pytest.mark.usefixtures("one_actor")
def test_a_node_of_another_version_or_without_the_run(run: Path, frames: Path, tmp_path: Path) -> None:
    given = job(run, frames, tmp_path / "out")
    other = FrameWriter(dataclasses.replace(given, version="9.9"))
    assert said(other, 0, 1)[1][2].startswith("!a node of the Ray cluster has Vergence ")
    assert said(other, 0, 1)[1][2].endswith(" and this is 9.9; install one version on all nodes.")
    without = FrameWriter(dataclasses.replace(given, open=partial(load, tmp_path / "nowhere")))
    assert said(without, 3)[0][2].startswith("!")
    assert "nowhere" in said(without, 3)[0][2]
    assert not (tmp_path / "out").exists()


def test_what_the_engine_does_not_do(run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="engine is 'spark'; give local or ray"):
        predict(run, frames, out, engine="spark")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="address is of a Ray cluster; give --engine ray too"):
        predict(run, frames, out, address="auto")
    for settings in (
        {"steady": "scale"},
        {"input": write_video(tmp_path / "v.mp4", [np.zeros((64, 96, 3), np.uint8)], 5)},
    ):
        with pytest.raises(InputError, match="it takes no video that is one file, and no --steady"):
            predict(**{"run": run, "input": frames, "out": out, "engine": "ray", "device": "cpu", **settings})
    assert not out.exists()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--engine ray needs Ray; install it with pip install 'vergence\[cluster\]'"):
        predict(run, frames, out, engine="ray", device="cpu")
    assert not list(out.rglob("*.json*")), "nothing is begun"
    predict(run, frames, out, device="cpu")
    before = {path: path.read_bytes() for path in out.glob("*.json*")}
    with pytest.raises(InputError, match="--engine ray needs Ray"):
        predict(run, frames, out, engine="ray", device="cpu", flip=True)
    assert {path: path.read_bytes() for path in out.glob("*.json*")} == before, "what is finished stays so"


def test_no_cluster_answers(run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("Ray is trying to start at 192.0.2.1:1, but is already\nrunning")

    fake = types.SimpleNamespace(is_initialized=lambda: False, init=refuse, data=types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.data", fake.data)
    with pytest.raises(InputError, match=r"no Ray cluster answers at 192\.0\.2\.1:1 \(Ray is .*\); start it or give"):
        predict(run, frames, tmp_path / "out", engine="ray", address="192.0.2.1:1", device="cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray, about itself
@pytest.mark.skipif(sys.platform != "linux", reason="a cluster on one machine")
def test_two_nodes_a_poisoned_frame_and_a_killed_node(
    run: Path, frames: Path, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("depth_files", "earlier_results", "shared_prediction"):
        monkeypatch.setattr(f"vergence.inference.{module}.SAMPLED", 4)  # the poisoned one is not among them
    whole, out = predict(run, frames, tmp_path / "whole", device="cpu"), tmp_path / "out"
    good = (frames / "005.png").read_bytes()
    (frames / "005.png").write_bytes(good[: len(good) // 2])  # read as a whole only when it is predicted
    killed = []

    def kill(done: int, total: int) -> None:
        if done >= 4 and not killed:
            killed.append(done)
            cluster.remove_node(cluster.second, allow_graceful=False)

    on_ray = partial(predict, run, frames, out, device="cpu", engine="ray", address=cluster.address, batch_size=2)
    with pytest.raises(
        InputError, match=r"1 of 24 frames could not be predicted, all others are done.*005\.png is damaged"
    ):
        on_ray(progress=kill)
    assert killed
    record = json.loads((out / "predictions.json").read_text())
    assert (record["frames"], list(record["failed"])) == (COUNT - 1, ["005"])
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (frames / "005.png").write_bytes(good)
    record = on_ray()
    assert record == whole
    again = [path.stem for path, before in written.items() if path.stat().st_mtime_ns != before]
    assert again == []
    same(out, tmp_path / "whole")
