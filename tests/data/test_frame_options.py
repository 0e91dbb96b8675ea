"""Options that cannot be are refused."""

import math

import pytest

from tests.data.small_frames import options
from tests.data.small_world import manifest
from vergence.data.dataset import FrameDataset
from vergence.errors import InputError


def test_a_height_that_is_still_open_is_no_working_size(tmp_path):
    with pytest.raises(ValueError, match="needs its working height"):
        FrameDataset(manifest(tmp_path), options(height=0), train=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": -1}, "20x-1"),
        ({"width": 0}, "0x12"),
        ({"offsets": (0, 1)}, "other than 0"),
        ({"offsets": (1, 1)}, "different"),
        ({"offsets": (-1, 10**21)}, "at most 1000000 frames"),
        ({"offsets": ("left",)}, "'s' for stereo"),
        ({"flip": 1.5}, "flip is a probability"),
        ({"jitter": -0.1}, "jitter is a probability"),
        ({"hue": 0.6}, "hue 0.6 is out of range"),
        ({"brightness": math.nan}, "brightness nan is out of range"),
        ({"field_of_view": 180.0}, "between 1 and 180"),
        ({"fit": "squeeze"}, "stretch, crop"),
        ({"crop_anchor": "left"}, "top, center, bottom"),
        ({"require": "some"}, "any, all"),
        ({"random_crop": (13, 20)}, "must fit into the working frame"),
    ],
)
def test_impossible_options(changes, words):
    with pytest.raises(InputError, match=words):
        options(**changes)
