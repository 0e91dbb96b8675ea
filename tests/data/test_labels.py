import numpy as np
import pytest

from vergence.data.labels import CITYSCAPES_19, LabelSpace, label_space
from vergence.errors import InputError


def test_cityscapes_has_its_nineteen_classes_in_train_id_order():
    assert len(CITYSCAPES_19) == 19
    assert CITYSCAPES_19.classes[0] == "road"
    assert CITYSCAPES_19.classes[10] == "sky"
    assert CITYSCAPES_19.classes[13] == "car"
    assert CITYSCAPES_19.classes[18] == "bicycle"
    assert len(set(CITYSCAPES_19.colours)) == 19


def test_colours_of_ids_and_black_for_the_rest():
    colours = CITYSCAPES_19.colourize(np.array([[0, 10], [255, 40]]))
    np.testing.assert_array_equal(colours, [[[128, 64, 128], [70, 130, 180]], [[0, 0, 0], [0, 0, 0]]])
    assert colours.dtype == np.uint8


def test_unknown_space_suggests_the_nearest():
    assert label_space("cityscapes19") is CITYSCAPES_19
    with pytest.raises(InputError, match="did you mean 'cityscapes19'"):
        label_space("cityscape19")


def test_a_space_needs_a_colour_for_each_class():
    with pytest.raises(ValueError, match="a colour for each"):
        LabelSpace("two", ("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match="distinct"):
        LabelSpace("two", ("a", "a"), ((0, 0, 0), (1, 1, 1)))
