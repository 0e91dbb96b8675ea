"""Files of frames: what is written is read, by one writer at a time; what is damaged is taken out."""

from pathlib import Path

import numpy as np
import pytest

from vergence.data.caching.frame_shards import Form, ShardWriter, read_frame, read_table, word

FORM = Form(4, 6)


def name(number: int) -> bytes:
    return number.to_bytes(8, "little") * 2


def frame(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (3, 4, 6), dtype=np.uint8)


def filled(path: Path, count: int, slots: int = 5) -> ShardWriter:
    writer = ShardWriter(path, FORM, slots)
    for number in range(1, count + 1):
        assert writer.write(name(number), frame(number), (40, 60 + number)) == number - 1
    return writer


def test_frames_come_back(tmp_path: Path) -> None:
    path, out = tmp_path / "a", np.empty((3, 4, 6), np.uint8)
    writer = filled(path, 3)
    table = read_table(path, FORM)
    assert table is not None
    assert table.tolist() == [1, 2, 3, 0, 0]
    for slot in range(3):
        assert read_frame(path, FORM, 5, slot, name(slot + 1), out) == (40, 61 + slot)
        np.testing.assert_array_equal(out, frame(slot + 1))
    assert path.stat().st_size == FORM.offset(5, 5)
    assert writer.usable


def test_one_process_writes_and_the_next_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a"
    writer = filled(path, 2)
    with pytest.raises(BlockingIOError):
        ShardWriter(path, FORM)
    with pytest.raises(FileExistsError):
        ShardWriter(path, FORM, 5)
    writer.close()
    after = ShardWriter(path, FORM)
    assert [after.write(name(number), frame(number), (1, 1)) for number in (7, 8, 9)] == [2, 3, 4]
    assert not after.usable
    after.close()


@pytest.mark.parametrize("offset", [0, 17, 20, 24, 28, 99])
def test_each_damaged_byte_is_seen(tmp_path: Path, offset: int) -> None:
    path, out = tmp_path / "a", np.empty((3, 4, 6), np.uint8)
    filled(path, 3).close()
    data = bytearray(path.read_bytes())
    data[FORM.offset(5, 1) + offset] ^= 1
    path.write_bytes(data)
    assert read_frame(path, FORM, 5, 1, name(2), out) is None
    assert read_frame(path, FORM, 5, 2, name(3), out) == (40, 63)
    table = read_table(path, FORM)
    assert table is not None
    assert table.tolist() == [1, 0, 3, 0, 0]


def test_a_slot_that_has_another_frame_by_now_keeps_it(tmp_path: Path) -> None:
    path, out = tmp_path / "a", np.empty((3, 4, 6), np.uint8)
    filled(path, 3).close()
    assert read_frame(path, FORM, 5, 1, name(9), out) is None
    assert read_frame(path, FORM, 5, 1, name(2), out) == (40, 62)


def test_other_files_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    filled(path, 1).close()
    assert read_table(path, Form(6, 4)) is None
    assert read_table(tmp_path / "b", FORM) is None
    whole = path.read_bytes()
    for content in (b"", whole[:10], whole[:-1], b"x" + whole[1:], whole[:4] + bytes(4) + whole[8:]):
        path.write_bytes(content)
        assert read_table(path, FORM) is None


def test_slots_follow_the_limit() -> None:
    large = Form(192, 640)
    assert large.slots(10**12) * large.frame_bytes <= 256 * 2**20 < (large.slots(10**12) + 1) * large.frame_bytes
    assert large.slots(10**9) == 10**9 // 64 // large.frame_bytes
    assert large.slots(1) == 1
    assert FORM.slots(10**12) == 1024
    assert word(bytes(16)) == 1
