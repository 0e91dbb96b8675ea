"""The tables of public data sets."""

from vergence.data.labels import (
    CAMVID_11,
    CITYSCAPES_19,
    CITYSCAPES_IDS,
    COMMA10K,
    LABEL_SPACES,
    MAPILLARY,
    label_space,
)


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
