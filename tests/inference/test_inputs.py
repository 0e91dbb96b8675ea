"""What goes into a network."""

import pytest
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.inference.inputs import evenly_spaced, network_size, prefetched, to_network


def test_network_size_keeps_the_aspect_where_training_cropped():
    stretch, crop = FrameOptions(height=192, width=640), FrameOptions(height=192, width=640, fit="crop")
    assert network_size(stretch, 1242, 375) == (192, 640)
    assert network_size(stretch, 640, 360) == (192, 640)
    assert network_size(crop, 1242, 375) == (192, 640)
    assert network_size(crop, 640, 360) == (352, 640)
    assert network_size(crop, 4000, 400) == (192, 1920)
    assert to_network(Image.new("RGB", (640, 360)), crop).shape == (3, 352, 640)


def test_evenly_spaced_keeps_both_ends():
    assert evenly_spaced(range(10), 4) == [0, 3, 6, 9]
    assert evenly_spaced(range(3), 4) == [0, 1, 2]
    assert evenly_spaced(range(3), None) == [0, 1, 2]


def test_prefetching_keeps_the_order_and_passes_errors_on():
    assert list(prefetched(lambda x: x * x, range(20), ahead=3)) == [(x, x * x) for x in range(20)]
    seen = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(prefetched(lambda x: 6 / (x - 3), range(9), ahead=2))
    assert seen == [(0, -2), (1, -3), (2, -6)]
