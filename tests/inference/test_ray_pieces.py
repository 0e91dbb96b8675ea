"""Verbs whose pieces are done on a Ray cluster: the numbers and files of one process."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.small_runs import write_run
from tests.training.tiny_method import write_frames
from vergence import api
from vergence.errors import InputError
from vergence.inference import ray_pieces

ROOT = Path(__file__).parents[2]
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), count=12, depth=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run") / "run", "depth-video-tiny")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Pieces that are done in this process, and what each was told."""
    told = []

    def do(verb: str, given: dict[str, Any], pieces: int, cluster: Any) -> None:
        for number in range(pieces):
            row = ray_pieces._piece(verb, given, pieces, ray_pieces.vergence.__version__, {"data": np.array([number])})
            told.append({"verb": verb, "error": str(row["error"][0]), **given})

    monkeypatch.setattr(ray_pieces, "_do", do)
    return told


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inside = [_flat(one, f"{path}/{key}") for key, one in pairs if key != "seconds"]
    return (
        {key: one for part in inside for key, one in part.items()} if isinstance(value, dict | list) else {path: value}
    )


def _assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same but for rounding: networks have seen other batches."""
    ours, theirs = _flat(one), _flat(other)
    assert len(ours) > 10
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert theirs[name] == (pytest.approx(value, rel=1e-5, abs=1e-6) if isinstance(value, float) else value), name


def test_pieces_are_joined_to_the_numbers_of_one_process(
    here: list[dict[str, Any]], run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there are more pieces than images, and paths are relative."""
    monkeypatch.chdir(frames.parent)
    options: dict[str, Any] = {"baselines": False, "device": "cpu", "split": "all"}
    whole = api.evaluate(run, frames.name, **options, json=tmp_path / "whole.json")
    out = os.path.relpath(tmp_path / "ray.json")
    result = api.evaluate(run, frames.name, **options, json=out, engine="ray", pieces=16)
    assert [one["error"] for one in here] == [""] * 16
    assert here[0]["data"] == frames
    assert not ({"engine", "pieces", "progress"} & here[0].keys())
    _assert_same(whole, result)
    chosen = [
        api.select(run, frames, 3, tmp_path / name, criterion="ds", split="train", device="cpu", **more)
        for name, more in (("one", {}), ("ray", {"engine": "ray", "pieces": 3}))
    ]
    assert [frame["row"] for frame in chosen[0]["frames"]] == [frame["row"] for frame in chosen[1]["frames"]]
    scans = [
        api.scan(frames, json=tmp_path / f"{name}.json", **more).to_dict()
        for name, more in (("one", {}), ("ray", {"engine": "ray", "pieces": 2}))
    ]
    assert scans[0] == scans[1]


def test_words_stay_words_whatever_the_folder_has(
    here: list[dict[str, Any]], run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are those arguments that are paths, also where nothing is there yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("val", "all", "ds", "cpu", "labelled", "select-student", "25,50", "train"):
        (tmp_path / name).mkdir()
    api.evaluate(run, frames, split="val", device="cpu", baselines=False, json="scores/r.json", engine="ray", pieces=1)
    assert here[-1]["error"] == ""
    assert (here[-1]["split"], here[-1]["device"]) == ("val", "cpu")
    assert here[-1]["json"] == tmp_path / "scores" / "r.json"
    words: dict[str, Any] = {"criterion": "ds", "split": "train", "labelled": "labelled", "student": "select-student"}
    with pytest.raises(InputError):  # no frame of the run's data is labelled
        api.select(run, frames, 2, "chosen", **words, exclude="none.txt", device="cpu", engine="ray", pieces=1)
    assert words.items() <= here[-1].items()
    assert (here[-1]["exclude"], here[-1]["out"]) == (tmp_path / "none.txt", tmp_path / "chosen")
    api.scan([os.path.relpath(frames)], json="scan.json", engine="ray", pieces=1)
    assert [path.resolve() for path in here[-1]["inputs"]] == [frames]


def test_what_a_node_cannot_do_is_said(run: Path, frames: Path, tmp_path: Path) -> None:
    def said(given: dict[str, Any], version: str = ray_pieces.vergence.__version__) -> str:
        found = ray_pieces._piece("vergence.api:evaluate", given, 2, version, {"data": np.array([1])})
        assert found["piece"].tolist() == [1]
        return str(found["error"][0])

    given = {"run": run, "data": frames, "json": tmp_path / "x.json"}
    assert said(given, "9.9").endswith(" and this is 9.9; install one version on all nodes.")
    assert "nowhere does not exist" in said(given | {"run": tmp_path / "nowhere"})


def test_too_little_memory_is_said_and_bugs_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: Exception) -> Any:
        def verb(**given: Any) -> None:
            raise error

        return verb

    monkeypatch.setattr(api, "evaluate", raising(MemoryError()))
    version, batch = ray_pieces.vergence.__version__, {"data": np.array([0])}
    found = ray_pieces._piece("vergence.api:evaluate", {}, 2, version, batch)
    assert str(found["error"][0]).startswith("a node has too little memory for it (MemoryError)")
    monkeypatch.setattr(api, "evaluate", raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        ray_pieces._piece("vergence.api:evaluate", {}, 2, version, batch)


def test_impossible_engines(run: Path, frames: Path) -> None:
    for wrong, words in (
        ({"engine": "spark"}, "engine is 'spark'; give local or ray"),
        ({"address": "h:1"}, "address is of a Ray cluster; give --engine ray too"),
        ({"engine": "ray", "shard": "0/2"}, "--engine ray shares out by itself; leave --shard out"),
        ({"engine": "ray", "pieces": 0}, "give --pieces of 1 or more"),
    ):
        with pytest.raises(InputError, match=words):
            api.evaluate(run, frames, **wrong)  # type: ignore[arg-type]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes with a processor each."""
    ray = pytest.importorskip("ray", reason="needs the extra cluster")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        cluster.add_node(**{key: NODE[key] for key in ("num_cpus", "object_store_memory")})
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray, about itself
@pytest.mark.skipif(sys.platform != "linux", reason="a cluster on one machine")
def test_two_nodes_evaluate_as_one_process(run: Path, frames: Path, cluster: Any, tmp_path: Path) -> None:
    """A damaged picture is told by its piece, and all other pieces are kept for when it is whole again."""
    options: dict[str, Any] = {"baselines": False, "device": "cpu", "split": "all"}
    whole = api.evaluate(run, frames, **options, json=tmp_path / "whole.json")
    ray: dict[str, Any] = {"engine": "ray", "address": cluster.address, "pieces": 4, "json": tmp_path / "ray.json"}
    picture = frames.parent / "image" / "4.png"
    good = picture.read_bytes()
    picture.write_bytes(good[:100])
    with pytest.raises(InputError, match=r"1 of 4 pieces could not be done.*first, 1/4: .*4\.png"):
        api.evaluate(run, frames, **options, **ray)
    assert len(list((tmp_path / "ray.shards").glob("*.json"))) == 3
    picture.write_bytes(good)
    result = api.evaluate(run, frames, **options, **ray)
    _assert_same(whole, result)
