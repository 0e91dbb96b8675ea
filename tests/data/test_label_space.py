"""A label space: its text, its colours, what is learned from it."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vergence.data.batch import IGNORED_LABEL
from vergence.data.label_space import CLASSES
from vergence.data.labels import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_IDS,
    COMMA10K,
    LABEL_SPACES,
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


def test_cityscapes_has_its_nineteen_classes_in_train_id_order():
    assert len(CITYSCAPES_19) == 19
    assert CITYSCAPES_19.classes[0] == "road"
    assert CITYSCAPES_19.classes[10] == "sky"
    assert CITYSCAPES_19.classes[13] == "car"
    assert CITYSCAPES_19.classes[18] == "bicycle"
    assert len(set(CITYSCAPES_19.colours)) == 19


def test_sizes_of_the_known_spaces():
    assert {name: len(space) for name, space in LABEL_SPACES.items()} == {
        "cityscapes19": 19,
        "cityscapes_ids": 34,
        "gta5": 35,
        "synthia": 23,
        "viper": 32,
        "camvid11": 11,
        "camvid_segnet": 11,
        "camvid32": 32,
        "voc21": 21,
        "comma10k": 5,
        "mapillary_v1.2": 65,
        "semantic_super": 3,
        "super": 2,
    }
    for space in (CAMVID_11, COMMA10K, MAPILLARY):
        assert len(set(space.colours)) == len(space)
    assert label_space("toytown") is CITYSCAPES_19
    assert label_space("kitti") is CITYSCAPES_IDS


def test_sky_has_the_colour_of_the_data_set_not_of_the_official_palette():
    for name in ("cityscapes19", "cityscapes_ids", "mapillary_v1.2"):
        space = label_space(name)
        assert space.colours[[one.lower() for one in space.classes].index("sky")] == (70, 130, 180)


def test_every_known_space_is_a_file_read_once_and_when_it_is_asked_for():
    assert {path.name for path in CLASSES.iterdir()} == {f"{name}.yaml" for name in LABEL_SPACES}
    assert LABEL_SPACES["voc21"] is LABEL_SPACES["voc21"]
    assert "voc12" not in LABEL_SPACES
    assert LABEL_SPACES.get("../classes/voc21") is None
    program = (
        "import sys; from vergence.data import label_space; assert 'torch' not in sys.modules; "
        "assert not label_space._read.cache_info().currsize; label_space.VOC_21; "
        "assert label_space._read.cache_info().currsize == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
