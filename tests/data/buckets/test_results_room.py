"""Results of this machine that were sent go where they are too many: the oldest first, and none that is needed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.bucket_server import BUCKET, Bucket, bucket_server
from vergence.data.buckets import remote_store
from vergence.data.buckets.anywhere import results_anywhere
from vergence.data.buckets.remote import LIMIT
from vergence.data.buckets.remote_results import Results
from vergence.data.buckets.results_room import make_room

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_store, "PAUSES", (0.01,))
    with bucket_server(monkeypatch) as server:
        yield server


@results_anywhere()
def write(out: str | Path) -> Path:
    (Path(out)).mkdir(parents=True, exist_ok=True)
    (Path(out) / "large.bin").write_bytes(bytes(1000))
    return Path(out)


def _old(name: str, hours: int) -> Results:
    """Results that were written so many hours ago."""
    write(f"s3://{BUCKET}/{name}")
    results = Results(f"s3://{BUCKET}/{name}")
    used = time.time() - 3600 * hours
    os.utime(results._list, (used, used))
    return results


def test_oldest_go_first_and_come_back(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (_old(name, hours) for name, hours in (("a/one", 2), ("two", 3), ("three", 1)))
    assert make_room() == 3000
    monkeypatch.setenv(LIMIT, "0.000002")
    assert make_room() == 2000
    assert [(results.place / "large.bin").exists() for results in (one, two, three)] == [True, False, True]
    assert bucket.names("two") == {"large.bin"}  # of the store nothing goes
    two.bring()
    assert (two.place / "large.bin").stat().st_size == 1000
    two.send(last=True)
    assert bucket.names("two") == {"large.bin"}


def test_a_command_makes_room_for_what_it_has_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    old = _old("old", 1)
    monkeypatch.setenv(LIMIT, "0.0000015")
    new = write(f"s3://{BUCKET}/new")
    assert (new / "large.bin").exists()  # just used
    assert not (old.place / "large.bin").exists()


def test_what_was_not_sent_or_is_in_use_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    changed, open_ = _old("changed", 2), _old("open", 1)
    (changed.place / "more.bin").write_bytes(bytes(10))
    (changed.place / "large.bin").write_bytes(bytes(1001))
    monkeypatch.setenv(LIMIT, "0.0000001")
    with open_.in_use():
        assert make_room() == 1000
    assert {path.name for path in changed.place.iterdir()} == {"large.bin", "more.bin"}
    assert (open_.place / "large.bin").exists()
    assert make_room() == 0
    assert not (open_.place / "large.bin").exists()
