"""A PNG is whole to its last byte, or it is not."""

import pytest

from tests.data.small_world import picture, save
from vergence.data.whole_png import is_whole_png


def test_every_byte_of_a_png_counts(tmp_path):
    path = save(tmp_path / "a.png", picture(1, 6, 8))
    whole = path.read_bytes()
    assert is_whole_png(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        assert not is_whole_png(path), place


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:40], lambda data: data + b"x"])
def test_cut_off_or_longer(tmp_path, change):
    path = save(tmp_path / "a.png", picture(1))
    path.write_bytes(change(path.read_bytes()))
    assert not is_whole_png(path)


def test_what_is_no_png(tmp_path):
    assert not is_whole_png(tmp_path / "nowhere.png")
    assert not is_whole_png(save(tmp_path / "a.jpg", picture(1)))
