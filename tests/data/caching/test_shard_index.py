"""Where frames lie: as the tables say, also what others add and remove."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.caching.test_frame_shards import FORM, filled, frame, name
from vergence.data.caching.shard_index import Found, ShardIndex


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock to be set."""
    time = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: time[0])
    return time


def test_frames_of_all_shards_are_found(tmp_path: Path, now: list[float]) -> None:
    index = ShardIndex(tmp_path, FORM)
    assert not index.look()
    filled(tmp_path / "6x4-a.shard", 3).close()
    other = tmp_path / "6x4-b.shard"
    writer = filled(other, 0, slots=2)
    writer.write(name(77), frame(77), (1, 1))
    filled(tmp_path / "7x4-c.shard", 5).close()  # said to be of another size
    (tmp_path / "6x4-d.shard").write_bytes(b"nothing")
    assert not index.look()  # a moment ago it did
    assert index.find(name(2)) is None
    now[0] += 60
    assert index.look()
    assert index.find(name(2)) == Found(tmp_path / "6x4-a.shard", 5, 1)
    assert index.find(name(77)) == Found(other, 2, 0)
    assert index.find(name(5)) is None
    assert index.find(name(10**9)) is None
    assert sorted(index.with_room()) == [tmp_path / "6x4-a.shard", other]
    now[0] += 60
    assert not index.look()
    writer.write(name(78), frame(78), (1, 1))
    os.utime(other, (9e8, 9e8))
    now[0] += 60
    assert index.look()
    assert index.find(name(78)) == Found(other, 2, 1)
    assert index.with_room() == [tmp_path / "6x4-a.shard"]
    other.unlink()
    now[0] += 60
    assert index.look()
    assert index.find(name(77)) is None
    writer.close()


def test_what_this_process_wrote_is_known_at_once(tmp_path: Path) -> None:
    index, found = ShardIndex(tmp_path, FORM), Found(tmp_path / "6x4-a.shard", 5, 3)
    index.add(name(4), found)
    assert index.find(name(4)) == found
    index.drop(name(4))
    assert index.find(name(4)) is None


def test_use_is_noted_now_and_then_and_is_no_news(tmp_path: Path, now: list[float]) -> None:
    path = tmp_path / "6x4-a.shard"
    filled(path, 3).close()
    index = ShardIndex(tmp_path, FORM)
    assert index.look()
    for expected in (True, False, True):
        os.utime(path, (9e8, 9e8))
        index.used(path)
        assert (path.stat().st_mtime > 1e9) == expected
        now[0] += 0 if expected else 61
    now[0] += 61
    assert not index.look()


def test_it_needs_24_bytes_a_frame(tmp_path: Path) -> None:
    filled(tmp_path / "6x4-a.shard", 5).close()
    index = ShardIndex(tmp_path, FORM)
    index.look()
    tables = sum(table.nbytes for _, table in index._tables.values())
    assert np.sum([index._words.nbytes, index._places.nbytes, tables]) == 24 * 5
