"""Verbs that are given addresses: they see folders of this machine, and what they leave there is sent."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.bucket_server import BUCKET, Bucket, bucket_server
from vergence.data.atomic import write_text
from vergence.data.buckets import anywhere, remote_store
from vergence.data.buckets.anywhere import all_here, first_counts, for_use, of_run, results_anywhere, run_here, size_of
from vergence.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RUN = f"s3://{BUCKET}/run"


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_store, "PAUSES", (0.01,))
    anywhere._brought.clear()
    with bucket_server(monkeypatch) as server:
        yield server


@results_anywhere(out=lambda name: not name.startswith("frames/"))
def verb(run: str | Path | list[str | Path], out: str | Path | None = None, fails: bool = False) -> Path | None:
    """A verb that writes a file beside what it finds."""
    runs = [Path(one) for one in (run if isinstance(run, list) else [run])]
    if out is not None:
        text = " ".join(sorted(path.name for folder in (*runs, Path(out)) for path in folder.rglob("*.*")))
        write_text(Path(out) / "said.txt", text)
        assert size_of(Path(out) / "frames" / "0.png") == 3
        assert size_of(Path(out) / "frames" / "1.png") is None
    if fails:
        raise InputError("the verb has failed.")
    return None if out is None else Path(out)


def test_a_verb_sees_folders_and_leaves_what_it_writes_in_the_bucket(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("run/checkpoints/step-1/state.safetensors", b"large")
    bucket.write("run/checkpoints/step-1/model.safetensors", b"small")
    bucket.write("out/frames/0.png", b"png")
    out = verb([RUN, tmp_path / "none"], f"s3://{BUCKET}/out/")
    assert out is not None
    assert not (out / "frames" / "0.png").exists()
    assert bucket.read("out/said.txt") == b"model.safetensors"
    assert bucket.names("out") == {"said.txt", "frames/0.png"}
    assert size_of(out / "frames" / "0.png") is None  # of a command that has ended
    assert verb(tmp_path) is None
    assert verb(run=[tmp_path]) is None


def test_what_was_done_is_sent_where_a_verb_fails(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    """Its own sentence counts; that sending failed, too, is told."""
    bucket.write("out/frames/0.png", b"png")
    with pytest.raises(InputError, match="the verb has failed"):
        verb([], f"s3://{BUCKET}/out", fails=True)
    assert "said.txt" in bucket.names("out")
    bucket.write("run/new.txt", b"")
    bucket.refusing["said.txt"] = 99
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="the verb has failed"):
        verb([RUN], f"s3://{BUCKET}/out", fails=True)
    assert "out/said.txt could not be sent in 2 attempts" in caplog.text


def test_a_run_is_brought_once(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("run/recipe.yaml", b"a")
    place = Path(run_here(f"{RUN}/checkpoints/best"))
    assert (place.parent.parent / "recipe.yaml").read_bytes() == b"a"
    asked = len(bucket.asked)
    assert run_here(f"{RUN}/checkpoints/best") == place
    assert len(bucket.asked) == asked
    assert run_here(tmp_path) == tmp_path
    assert of_run(f"{RUN}/checkpoints/last")[1] == "checkpoints/last"
    assert not for_use("checkpoints/step-1/state.safetensors")
    assert for_use("checkpoints/step-1/state.json")


def test_paths_of_no_results_are_left_alone(tmp_path: Path) -> None:
    first_counts(write_text(tmp_path / "x", "text"))
    all_here(tmp_path)
    assert size_of(tmp_path / "x") == 4
    assert size_of(tmp_path / "y") is None
