import dataclasses
import multiprocessing
import os
import pickle
import signal
import time

import numpy as np
import pytest
import torch

from tests.data.cached_frames import kept
from tests.data.small_world import manifest, picture, save
from vergence.data import frame_reader
from vergence.data.caching.cache import FrameCache, default_cache_folder
from vergence.data.caching.frame_shards import Form, read_table
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.errors import InputError

FORM = Form(12, 20)
SMALL = FrameOptions(height=12, width=20)


@pytest.fixture
def data(tmp_path):
    return manifest(tmp_path / "data")


@pytest.fixture
def cache(tmp_path):
    return FrameCache(tmp_path / "cache", 12, 20)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the images that were decoded."""
    names = []
    decode = frame_reader.open_image

    def counted(path):
        names.append(path.name)
        return decode(path)

    monkeypatch.setattr(frame_reader, "open_image", counted)
    return names


def shards(cache):
    return sorted(cache.folder.glob("*.shard"))


def read_all(data, cache, options=SMALL):
    dataset = FrameDataset(data, options, train=True, cache=cache)
    return [dataset[i] for i in range(len(dataset))]


def test_each_frame_is_decoded_once(data, cache, decoded):
    plain = read_all(data, None)
    assert len(decoded) == 13
    decoded.clear()
    first, second = read_all(data, cache), read_all(data, cache)
    assert sorted(decoded) == [f"00{i}.png" for i in range(5)]
    for samples in (first, second):
        for sample, expected in zip(samples, plain, strict=True):
            assert all(torch.equal(sample[key], expected[key]) for key in expected)
    assert kept(cache.folder, 12, 20) == 5
    assert len(shards(cache)) == 1


def test_a_changed_source_is_read_again(data, cache, decoded):
    read_all(data, cache)
    decoded.clear()
    save(data.path(2), picture(9))
    os.utime(data.path(2), ns=(1, 1))
    sample = read_all(data, cache)[2]
    assert decoded == ["002.png"]
    assert torch.equal(sample["frames"], read_all(data, None)[2]["frames"])


def test_other_resizing_is_another_entry(data, cache, tmp_path):
    read_all(data, cache)
    for number, fit in enumerate((("crop", "center"), ("crop", "bottom")), start=2):
        options = dataclasses.replace(SMALL, fit=fit[0], crop_anchor=fit[1])
        read_all(data, cache, options)
        assert kept(cache.folder, 12, 20) == 5 * number
    read_all(data, FrameCache(cache.folder, 12, 24), dataclasses.replace(SMALL, width=24))
    assert (kept(cache.folder, 12, 20), kept(cache.folder, 12, 24)) == (15, 5)


def test_a_damaged_frame_is_made_again(data, cache, decoded):
    plain = read_all(data, cache)
    (shard,) = shards(cache)
    table = read_table(shard, FORM)
    with shard.open("r+b") as file:
        file.seek(FORM.offset(len(table), 2) + 100)
        file.write(b"\xff\x00\xff")
    for expected in (1, 0):
        decoded.clear()
        again = read_all(data, FrameCache(cache.folder, 12, 20))
        assert len(decoded) == expected
        assert all(torch.equal(a["frames"], b["frames"]) for a, b in zip(plain, again, strict=True))
    assert kept(cache.folder, 12, 20) == 5


@pytest.mark.parametrize("content", [b"", b"VGS1", bytes(5000), b"VGS1" + b"\xff" * 5000])
def test_a_broken_file_counts_as_absent(data, cache, decoded, content):
    plain = read_all(data, cache)
    (shard,) = shards(cache)
    shard.write_bytes(content)
    for expected in (5, 0):
        decoded.clear()
        again = read_all(data, FrameCache(cache.folder, 12, 20))
        assert len(decoded) == expected
        assert torch.equal(plain[3]["frames"], again[3]["frames"])


def test_a_source_that_vanished_is_missed_although_it_is_cached(data, cache):
    read_all(data, cache)
    data.path(2).unlink()
    with pytest.raises(InputError, match=r"002\.png does not exist"):
        read_all(data, cache)


def test_a_wrong_size_is_noticed_from_the_cache_too(data, cache, tmp_path):
    save(data.path(1), picture(0, 20, 40))
    for _ in range(2):
        with pytest.raises(InputError, match="40x20, but the manifest says 40x24"):
            FrameDataset(data, SMALL, train=True, cache=cache)[1]


def fill(data, cache, results):
    total = sum(int(sample["frames"].sum()) for _ in range(3) for sample in read_all(data, cache))
    results.put(total)


def test_several_processes_share_one_folder(data, cache):
    store_one(cache, 77)  # the parent has a file open
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=fill, args=(data, cache, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    totals = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    results.close()
    results.join_thread()
    assert len(totals) == 1
    assert len(shards(cache)) <= 5
    cached = FrameCache(cache.folder, 12, 20)
    assert {len(read_table(path, FORM)) for path in shards(cache)} == {1024}
    assert cached.load(name(77), np.empty((3, 12, 20), np.uint8)) == (77, 99)
    names = {word for path in shards(cache) for word in read_table(path, FORM).tolist()} - {0}
    assert len(names) == 6


def name(number):
    return number.to_bytes(8, "little") * 2


def frame(number):
    return np.random.default_rng(number).integers(0, 256, (3, 12, 20), dtype=np.uint8)


def store_one(cache, number):
    cache.store(name(number), frame(number), (number, 99))


def write_on(folder):
    cache = FrameCache(folder, 12, 20)
    for number in range(1, 10**6):
        store_one(cache, number)


def test_a_writer_that_is_killed_loses_no_more_than_the_frame_it_was_at(tmp_path):
    cache, out = FrameCache(tmp_path, 12, 20), np.empty((3, 12, 20), np.uint8)
    process = multiprocessing.get_context("fork").Process(target=write_on, args=(tmp_path,))
    process.start()
    while kept(tmp_path, 12, 20) < 300:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    there = kept(tmp_path, 12, 20)
    cache = FrameCache(tmp_path, 12, 20)
    for number in range(1, there + 1):
        assert cache.load(name(number), out) == (number, 99)
        np.testing.assert_array_equal(out, frame(number))
    before = shards(cache)
    store_one(cache, 10**6)
    assert shards(cache) == before  # the next process goes on in its file
    assert cache.load(name(10**6), out) == (10**6, 99)


def test_a_process_of_its_own_begins_where_another_is(cache):
    store_one(cache, 1)
    sent = pickle.loads(pickle.dumps(cache))
    store_one(sent, 2)
    assert len(shards(cache)) == 2
    assert FrameCache(cache.folder, 12, 20).load(name(2), np.empty((3, 12, 20), np.uint8)) == (2, 99)


def test_what_another_process_has_added_is_found(cache, monkeypatch):
    other, out = FrameCache(cache.folder, 12, 20), np.empty((3, 12, 20), np.uint8)
    store_one(other, 5)
    later = time.monotonic() + 10
    monkeypatch.setattr("time.monotonic", lambda: later)
    assert cache.load(name(5), out) == (5, 99)


@pytest.fixture
def tight(tmp_path, monkeypatch):
    """A cache of at most 64 frames, a file each."""
    monkeypatch.setattr("vergence.data.caching.frame_shards._MOST_SLOTS", 1)
    size = FORM.offset(1, 1)
    monkeypatch.setenv("VERGENCE_CACHE_GB", f"{64 * size / 1e9:.12f}")
    return FrameCache(tmp_path / "tight", 12, 20)


def test_files_that_were_not_used_for_longest_go(tight, caplog):
    out = np.empty((3, 12, 20), np.uint8)
    for number in range(1, 65):
        store_one(tight, number)
    for path in shards(tight):
        os.utime(path, (time.time() - 5000, time.time() - 5000))
    tight._index._touched.clear()
    for number in range(1, 31):  # in use again
        assert tight.load(name(number), out)
    for number in range(100, 134):
        store_one(tight, number)
    assert len(shards(tight)) == 64
    fresh = FrameCache(tight.folder, 12, 20)
    found = {number for number in range(1, 200) if fresh.load(name(number), out)}
    assert found == {*range(1, 31), *range(100, 134)}
    assert not caplog.records
    store_one(tight, 134)
    assert len(shards(tight)) == 64
    assert "GB that it may take are in use), which are decoded each time they are needed; free some" in caplog.text
    assert tight.load(name(134), out) is None


def test_a_file_that_another_process_has_removed_is_written_no_more(cache):
    store_one(cache, 1)
    shards(cache)[0].unlink()
    store_one(cache, 2)
    assert kept(cache.folder, 12, 20) == 1
    assert FrameCache(cache.folder, 12, 20).load(name(2), np.empty((3, 12, 20), np.uint8))


def test_frames_of_an_earlier_version_are_swept_and_nothing_else(tmp_path, caplog):
    caplog.set_level("INFO")
    for folder, file in (("ab", "0" * 38 + ".frame"), ("cd", "1" * 38 + ".frame"), ("cd", "mine.txt"), ("x", "a")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_text("x")
    FrameCache(tmp_path, 12, 20)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "cd",
        "cd/mine.txt",
        "x",
        "x/a",
    ]
    assert "2 frames that an earlier version kept" in caplog.text
    caplog.clear()
    FrameCache(tmp_path, 12, 20)
    assert not caplog.records


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/cache cannot be made .*turn the cache off"):
        FrameCache(tmp_path / "file" / "cache", 12, 20)


@pytest.mark.parametrize(("number", "words"), [(28, "No space left on device"), (30, "Read-only file system")])
def test_a_full_or_read_only_folder_is_said_once_and_the_work_goes_on(data, cache, monkeypatch, caplog, number, words):
    def refuse(*args, **kwargs):
        raise OSError(number, words)

    plain = read_all(data, None)
    monkeypatch.setattr("vergence.data.caching.frame_shards.ShardWriter._put", refuse)
    again = [sample for _ in range(2) for sample in read_all(data, cache)]
    assert all(torch.equal(a["frames"], b["frames"]) for a, b in zip([*plain, *plain], again, strict=True))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"keeps no more frames ({words}), which are decoded each time" in caplog.text
    assert kept(cache.folder, 12, 20) == 0


def test_a_disk_that_is_full_takes_the_place_of_old_frames(tight, monkeypatch, caplog):
    for number in range(1, 10):
        store_one(tight, number)
    for path in shards(tight):
        os.utime(path, (time.time() - 5000, time.time() - 5000))
    with monkeypatch.context() as patched:
        patched.setattr(
            "vergence.data.caching.frame_shards.ShardWriter._put",
            lambda *args: (_ for _ in ()).throw(OSError(28, "No space")),
        )
        store_one(tight, 10)
    store_one(tight, 11)
    out = np.empty((3, 12, 20), np.uint8)
    assert tight.load(name(11), out)
    assert sum(tight.load(name(number), out) is not None for number in range(1, 10)) == 8
    assert not caplog.records


def test_a_full_cache_in_a_read_only_folder_is_used(data, cache, monkeypatch):
    plain = read_all(data, cache)
    monkeypatch.setattr(FrameCache, "store", lambda *args: pytest.fail("written"))
    again = read_all(data, cache)
    assert torch.equal(plain[0]["frames"], again[0]["frames"])


def test_what_does_not_fit_is_said_before_the_run(data, cache, monkeypatch, caplog):
    monkeypatch.setenv("VERGENCE_CACHE_GB", f"{4 * FORM.frame_bytes / 1e9:.12f}")
    FrameDataset(data, SMALL, train=True, cache=cache)
    assert "5 frames take up to 3.74e-06 GB; the others are decoded each time" in caplog.text
    caplog.clear()
    monkeypatch.setenv("VERGENCE_CACHE_GB", "1")
    FrameDataset(data, SMALL, train=True, cache=cache)
    assert not caplog.records
    monkeypatch.setenv("VERGENCE_CACHE_GB", "much")
    with pytest.raises(InputError, match="VERGENCE_CACHE_GB is 'much'; give gigabytes"):
        FrameDataset(data, SMALL, train=True, cache=cache)


def test_a_cache_of_another_size_is_refused(data, cache):
    with pytest.raises(ValueError, match="cache is for 12x20"):
        FrameDataset(data, dataclasses.replace(SMALL, width=24), train=True, cache=cache)


def test_what_is_stored_is_read(cache):
    out = np.zeros((3, 12, 20), np.uint8)
    assert cache.load(name(375), out) is None
    store_one(cache, 375)
    assert cache.load(name(375), out) == (375, 99)
    np.testing.assert_array_equal(out, frame(375))


def test_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("VERGENCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "vergence" / "frames"
