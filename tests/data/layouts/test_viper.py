"""VIPER: sequences of days with coloured or numbered classes."""

import pytest

from vergence.data.layouts import recognise
from vergence.data.layouts.viper import viper
from vergence.errors import InputError


def test_viper(tmp_path, put):
    for part, numbers in (("train", (1, 2, 4)), ("val", (10, 20))):
        names = [f"001_{number:05d}" for number in numbers]
        put(tmp_path / part / "img" / "001", [f"{name}.jpg" for name in names], size=(32, 18))
        put(tmp_path / part / "cls" / "001", [f"{name}.png" for name in names[:1]], size=(32, 18), mode="L")
    assert recognise(tmp_path) == "viper"
    manifest = viper(tmp_path)
    assert [(row.sequence, row.position, row.split) for row in manifest][2:4] == [
        ("train/001", 4, "train"), ("val/001", 10, "val")
    ]  # fmt: skip
    assert manifest.neighbour(0, 1) == 1
    assert manifest.neighbour(1, 1) is None
    assert manifest[0].label == "train/cls/001/001_00001.png"
    assert (manifest[1].label, manifest[0].label_space) == ("", "viper")
    assert manifest[0].fx == pytest.approx(1.206285)
    assert manifest[0].fy == pytest.approx(2.144507)
    tenth = viper(tmp_path, parts=("val",), step=10)
    assert tenth.neighbour(0, 1) == 1
    with pytest.raises(InputError, match="part 'all' is impossible"):
        viper(tmp_path, parts=("all",))
    put(tmp_path / "train" / "img" / "001", ["odd.jpg"], size=(32, 18))
    with pytest.raises(InputError, match=r"odd\.jpg is not named like 001_00001\.jpg"):
        viper(tmp_path)
