"""Results that lie in a store: sent whole, said last, nothing lost where the store fails, conflicts told."""

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.bucket_server import BUCKET, Bucket, bucket_server
from vergence.data.atomic import write_text
from vergence.data.buckets import remote_store
from vergence.data.buckets.addresses import named
from vergence.data.buckets.remote_results import Results
from vergence.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ADDRESS = f"s3://{BUCKET}/runs/v1.2"


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_store, "PAUSES", (0.01, 0.01))
    with bucket_server(monkeypatch) as server:
        yield server


def _another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str = "other") -> Results:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / name))
    return Results(ADDRESS)


def _puts(bucket: Bucket) -> list[str]:
    return [path.rpartition("/")[2] for method, path in bucket.asked if method == "PUT"]


def test_files_come_there_and_to_another_machine(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What says that others are there comes last; what is being written does not come; nothing is sent twice."""
    results = Results(ADDRESS)
    results.bring()
    for name in ("LATEST", "a.json", "deep/b.bin", ".lock", ".x.12.tmp.bin", ".partial-step-1/c.bin", "z.bin"):
        write_text(results.place / name, name)
    assert results.send(last=True) == 4
    assert bucket.names("runs/v1.2") == {"LATEST", "a.json", "deep/b.bin", "z.bin"}
    assert set(_puts(bucket)[:2]) == {"b.bin", "z.bin"}
    assert set(_puts(bucket)[2:]) == {"LATEST", "a.json"}
    assert results.send(last=True) == 0
    assert named(results.place) == ADDRESS
    other = _another_machine(monkeypatch, tmp_path)
    other.bring(lambda name: name != "z.bin")
    assert (other.place / "deep" / "b.bin").read_text() == "deep/b.bin"
    assert not (other.place / "z.bin").exists()
    assert other.there["v1.2/z.bin"].size == 5
    assert other.send(last=True) == 0
    assert "z.bin" in bucket.names("runs/v1.2")


def test_what_is_removed_here_is_removed_there(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only by the command that had it: a cache that was emptied takes nothing away. What went there goes here."""
    results = Results(ADDRESS)
    for name in ("old", "new"):
        write_text(results.place / name, name)
    results.send(last=True)
    other = _another_machine(monkeypatch, tmp_path)
    other.bring()
    (results.place / "old").unlink()
    results.send()
    assert bucket.names("runs/v1.2") == {"new"}
    other.bring()
    assert not (other.place / "old").exists()
    (other.place / "new").unlink()
    other.bring()
    other.send(last=True)
    assert bucket.names("runs/v1.2") == {"new"}
    assert (other.place / "new").read_text() == "new"


def test_a_file_and_what_has_its_name(bucket: Bucket) -> None:
    bucket.write("out/max.csv", b"other")
    results = Results(f"s3://{BUCKET}/out/m.csv")
    results.bring()
    for name in ("m.csv", "m/labels/0.png", "m.shards/0-of-2.json", "max.json"):
        write_text(results.place.parent / name, name)
    assert results.send(last=True) == 3
    assert bucket.names("out") == {"max.csv", "m.csv", "m/labels/0.png", "m.shards/0-of-2.json"}


def test_a_store_that_is_busy_is_asked_again(bucket: Bucket) -> None:
    results = Results(ADDRESS)
    write_text(results.place / "a.bin", "whole")
    bucket.refusing["a.bin"] = 2
    results.send(last=True)
    assert bucket.read("runs/v1.2/a.bin") == b"whole"
    assert _puts(bucket).count("a.bin") == 3


def test_what_came_there_cut_off_is_sent_again(bucket: Bucket) -> None:
    results = Results(ADDRESS)
    write_text(results.place / "a.bin", "whole")
    bucket.halving["a.bin"] = 1
    results.send(last=True)
    assert bucket.read("runs/v1.2/a.bin") == b"whole"
    bucket.halving["a.bin"] = 99
    write_text(results.place / "a.bin", "another")
    with pytest.raises(InputError, match=r"v1.2/a.bin is not in its store as it was sent: what was written stays in"):
        results.send(last=True)


def test_a_store_that_does_not_answer_loses_nothing(bucket: Bucket) -> None:
    """One sentence; the next command sends what is left before it looks at what is there."""
    results = Results(ADDRESS)
    for name in ("a.bin", "b.bin", "a.json"):
        write_text(results.place / name, "new")
    bucket.write("runs/v1.2/b.bin", b"earlier")
    bucket.refusing["b.bin"] = 99
    with pytest.raises(
        InputError, match=r"b.bin could not be sent in 3 attempts \(status 503\).*stays in .*vergence-results"
    ):
        results.send(last=True)
    assert "a.json" not in bucket.names("runs/v1.2")
    bucket.refusing.clear()
    again = Results(ADDRESS)
    again.bring()
    assert (again.place / "b.bin").read_text() == "new"
    assert again.send(last=True) >= 2
    assert bucket.read("runs/v1.2/b.bin") == b"new"
    assert "a.json" in bucket.names("runs/v1.2")


def test_a_bucket_without_rights_is_told_before_work(bucket: Bucket) -> None:
    bucket.read_only.add(".tmp")
    with pytest.raises(InputError, match=r"v1.2 may not be written with the credentials at hand; .* nothing was done"):
        Results(ADDRESS).check()
    bucket.read_only.clear()
    with pytest.raises(InputError, match="s3://nowhere/x cannot be written, as its bucket does not exist"):
        Results("s3://nowhere/x").check()
    with pytest.raises(InputError, match="is on a web server, which takes no files"):
        Results("https://example.org/x")
    with pytest.raises(InputError, match="comes with a signature or a password"):
        Results("s3://key:secret@frames/x")
    assert bucket.names("runs") == set()


def test_what_may_not_be_removed_stays(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    results = Results(ADDRESS)
    write_text(results.place / "a.bin", "x")
    results.send()
    bucket.read_only.add("a.bin")
    (results.place / "a.bin").unlink()
    results.send(last=True)
    assert "v1.2/a.bin may not be written" in caplog.text
    assert bucket.names("runs/v1.2") == {"a.bin"}


def test_a_slow_store_is_waited_for(bucket: Bucket) -> None:
    results = Results(ADDRESS)
    write_text(results.place / "a.bin", "whole")
    bucket.seconds = 0.3
    start = time.perf_counter()
    results.send()
    assert time.perf_counter() - start > 0.25
    bucket.seconds = 0.0
    assert bucket.read("runs/v1.2/a.bin") == b"whole"


def test_what_was_changed_here_and_there_is_told(bucket: Bucket) -> None:
    results = Results(ADDRESS)
    write_text(results.place / "log", "first")
    results.send(last=True)
    bucket.write("runs/v1.2/log", b"of another machine")
    write_text(results.place / "log", "of this machine")
    with pytest.raises(InputError, match=r"v1.2/log was changed there, and what was written here before was not sent"):
        Results(ADDRESS).bring()
    assert bucket.read("runs/v1.2/log") == b"of another machine"


def test_of_two_machines_the_first_counts(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = Results(ADDRESS), _another_machine(monkeypatch, tmp_path)
    for results, text in ((first, "mine"), (other, "theirs")):
        write_text(results.place / "survey.json", text)
        results.settle(results.place / "survey.json")
    assert (other.place / "survey.json").read_text() == "mine"
    other.send(last=True)
    assert bucket.read("runs/v1.2/survey.json") == b"mine"


def test_a_full_cache_is_one_sentence(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bucket.write("runs/v1.2/a.bin", b"x")
    monkeypatch.setattr(remote_store, "fetch", full)
    results = Results(ADDRESS)
    with pytest.raises(InputError, match=r"cannot take s3://.*v1.2/a.bin \(No space left on device\); free some space"):
        results.bring()
    assert list(results.place.iterdir()) == []


@pytest.mark.parametrize("full", ["os.replace", "vergence.data.buckets.remote_results.appending"])
def test_no_room_for_the_list_is_the_same_sentence(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, full: str) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # names no file

    results = Results(ADDRESS)
    results.place.mkdir(parents=True)
    (results.place / "a.bin").write_bytes(b"x")
    monkeypatch.setattr(full, no_room)
    with pytest.raises(InputError, match=r"cannot take s3://.*v1\.2 \(No space left on device\); free some space"):
        results.send(last=True)
