"""The layouts by name."""

import pytest

from tests.data.layouts.trees import FRAMES
from vergence.data.layouts import LAYOUTS, find_layout, index_layout
from vergence.errors import InputError


def test_unknown_layout_and_option_suggest_the_nearest(tmp_path, put):
    with pytest.raises(InputError, match="did you mean 'kitti_raw'"):
        find_layout("kiti_raw")
    put(tmp_path / "frames", FRAMES)
    with pytest.raises(InputError, match="did you mean 'split'"):
        index_layout("folder", tmp_path / "frames", tmp_path / "m.csv", splitt=False)
    assert not (tmp_path / "m.csv").exists()


def test_every_layout_is_a_function_of_a_root():
    for name, layout in LAYOUTS.items():
        assert next(iter(layout.__annotations__)) == "root", name
        assert layout.__doc__, name
