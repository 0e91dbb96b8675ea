"""comma10k: coloured masks, its camera, its split."""

import math

import numpy as np
import pytest

from tests.data.layouts.labelled_trees import columns, ids_of, paint
from tests.data.made_rows import with_neighbours
from vergence.data.labels import COMMA10K
from vergence.data.layouts import recognise
from vergence.data.layouts.comma10k import comma10k
from vergence.errors import InputError

STILLS = [f"{number:04d}_a{number}.png" for number in range(10)]


def test_comma10k(tmp_path, put):
    put(tmp_path / "imgs", STILLS)
    paint(tmp_path / "masks", STILLS, COMMA10K.colourize(columns(5)))
    assert recognise(tmp_path) == "comma10k"
    manifest = comma10k(tmp_path)
    assert manifest.splits() == {"train": 9, "val": 1}
    assert manifest.select("val")[0].image == "imgs/0009_a9.png"
    np.testing.assert_array_equal(ids_of(manifest), columns(5))
    assert not with_neighbours(manifest, (1,)), "single frames"
    assert math.isnan(manifest[0].fx)


def test_camera_of_comma10k(tmp_path, put):
    put(tmp_path / "imgs", STILLS[:2], (1164, 874))
    row = comma10k(tmp_path)[0]
    assert row.fx * 1164 == pytest.approx(910)
    assert row.label == ""
    assert math.isnan(comma10k(tmp_path, intrinsics="unknown")[0].fx)
    with pytest.raises(InputError, match="use auto or unknown"):
        comma10k(tmp_path, intrinsics="all")


def test_broken_comma10k(tmp_path, put):
    with pytest.raises(InputError, match="holds no comma10k"):
        comma10k(tmp_path)
    put(tmp_path / "imgs", STILLS)
    put(tmp_path / "masks", ["0001_b.png"])
    with pytest.raises(InputError, match=r"1 label\(s\) without an image, the first is 0001_b\.png"):
        comma10k(tmp_path)
