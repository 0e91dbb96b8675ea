"""A label space: its text, its colours, what is learned from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_IDS,
    MAPILLARY,
    LabelSpace,
    label_mapping,
    label_space,
)


def test_what_networks_learn_from_labels_of_a_space():
    assert CITYSCAPES_IDS.trained() is CITYSCAPES_19
    assert label_space("camvid_segnet").trained() is CAMVID_11
    assert MAPILLARY.trained() is MAPILLARY
    own = LabelSpace("own", ("nothing", "road"), ((0, 0, 0), (9, 9, 9)), (0,))
    assert own.trained().classes == ("road",)
    assert label_mapping(own.text(), own.trained().text())[:2].tolist() == [IGNORED_LABEL, 0]


@given(
    st.lists(st.text("abcdefgh éß-_()", min_size=1).filter(lambda s: s == s.strip()), min_size=1, unique=True),
    st.lists(st.integers(0, 254), max_size=3, unique=True),
    st.randoms(),
)
def test_text_form_gives_the_same_space_again(classes, void, random):
    colours = tuple(tuple(random.randrange(256) for _ in range(3)) for _ in classes)
    space = LabelSpace("mine", tuple(classes), colours, tuple(void))
    assert label_space(space.text()) == space


def test_known_spaces_are_written_by_name():
    assert MAPILLARY.text() == "mapillary_v1.2"
    assert LabelSpace("cityscapes19", ("a",), ((0, 0, 0),)).text() == "cityscapes19:a#000000"


def test_a_space_needs_a_colour_for_each_class():
    with pytest.raises(ValueError, match="a colour for each"):
        LabelSpace("two", ("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match="distinct"):
        LabelSpace("two", ("a", "a"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="cannot be written"):
        LabelSpace("two", ("a,b",), ((0, 0, 0),))
    with pytest.raises(ValueError, match="between 0 and 255"):
        LabelSpace("two", ("a",), ((0, 0, 256),))
    with pytest.raises(ValueError, match="possible are 1 to 255"):
        LabelSpace("none", (), ())


def test_colours_of_ids_and_black_for_the_rest():
    colours = CITYSCAPES_19.colourize(np.array([[0, 10], [255, 40]]))
    np.testing.assert_array_equal(colours, [[[128, 64, 128], [70, 130, 180]], [[0, 0, 0], [0, 0, 0]]])
    assert colours.dtype == np.uint8
