import dataclasses
import multiprocessing
import os

import numpy as np
import pytest
import torch

from tests.data.small_world import manifest, picture, save
from vergence.data import frame_reader
from vergence.data.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.errors import InputError

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


def read_all(data, cache, options=SMALL):
    dataset = FrameDataset(data, options, train=True, cache=cache)
    return [dataset[i] for i in range(len(dataset))]


def entries(cache):
    return sorted(cache.folder.glob("*/*"))


def test_each_frame_is_decoded_once(data, cache, decoded):
    plain = read_all(data, None)
    assert len(decoded) == 13
    decoded.clear()
    first, second = read_all(data, cache), read_all(data, cache)
    assert sorted(decoded) == [f"00{i}.png" for i in range(5)]
    for samples in (first, second):
        for sample, expected in zip(samples, plain, strict=True):
            assert all(torch.equal(sample[key], expected[key]) for key in expected)
    assert [path.stat().st_size for path in entries(cache)] == [cache.frame_bytes] * 5


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
        assert len(entries(cache)) == 5 * number
    read_all(data, FrameCache(cache.folder, 12, 24), dataclasses.replace(SMALL, width=24))
    assert len(entries(cache)) == 20


DAMAGES = [
    lambda old: b"",
    lambda old: old[:-1],
    lambda old: old + b"x",
    lambda old: bytes(len(old)),
    lambda old: old[:-1] + b"\x07",
    lambda old: old[:4] + b"\x09" + old[5:],
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_entry_is_made_again(data, cache, decoded, damage):
    plain = read_all(data, cache)
    path = entries(cache)[0]
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    decoded.clear()
    again = read_all(data, cache)
    assert len(decoded) == 1
    assert path.read_bytes() == whole
    assert all(torch.equal(a["frames"], b["frames"]) for a, b in zip(plain, again, strict=True))


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
    assert len(entries(cache)) == 5
    assert all(path.suffix == ".frame" for path in entries(cache))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/cache cannot be made .*turn the cache off"):
        FrameCache(tmp_path / "file" / "cache", 12, 20)


@pytest.mark.parametrize(("number", "words"), [(28, "No space left"), (30, "Read-only file system")])
def test_a_full_or_read_only_folder(data, cache, monkeypatch, number, words):
    def refuse(*args, **kwargs):
        raise OSError(number, words)

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(InputError, match=f"{words}.*turn the cache off") as caught:
        read_all(data, cache)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert entries(cache) == []  # nothing half-written


def test_a_full_cache_in_a_read_only_folder_is_used(data, cache, monkeypatch):
    plain = read_all(data, cache)
    monkeypatch.setattr("os.replace", lambda *args: pytest.fail("written"))
    again = read_all(data, cache)
    assert torch.equal(plain[0]["frames"], again[0]["frames"])


def test_too_little_space_is_said_before_the_run(data, cache, monkeypatch):
    usage = type("Usage", (), {"free": 3 * cache.frame_bytes})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"needs .* GB and .* GB are free"):
        FrameDataset(data, SMALL, train=True, cache=cache)
    usage.free = 10 * cache.frame_bytes
    read_all(data, cache)
    usage.free = cache.frame_bytes
    read_all(data, cache)  # all there already


def test_a_cache_of_another_size_is_refused(data, cache):
    with pytest.raises(ValueError, match="cache is for 12x20"):
        FrameDataset(data, dataclasses.replace(SMALL, width=24), train=True, cache=cache)


def test_load_wants_the_whole_frame(cache, data):
    entry = cache.key(data.path(0), "stretch")
    frame = np.arange(3 * 12 * 20, dtype=np.uint8).reshape(3, 12, 20)
    out = np.zeros_like(frame)
    assert cache.load(entry, out) is None
    cache.store(entry, frame, (375, 1242))
    assert cache.load(entry, out) == (375, 1242)
    np.testing.assert_array_equal(out, frame)


def test_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("VERGENCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "vergence" / "frames"
