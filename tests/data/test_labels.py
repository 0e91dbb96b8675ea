import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.small_world import manifest, save
from vergence.data.batch import IGNORED_LABEL
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.label_files import read_label_space
from vergence.data.label_pictures import read_label
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
from vergence.errors import InputError

EVALUATED = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
TWO = LabelSpace("two", ("a", "b c"), ((1, 2, 3), (250, 0, 10)), (7,))


def by_name(source: str, target: str) -> dict[str, str]:
    given, wanted = label_space(source), label_space(target)
    table = label_mapping(source, target)
    return {name: wanted.classes[table[i]] for i, name in enumerate(given.classes) if table[i] != IGNORED_LABEL}


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


def test_raw_ids_become_train_ids():
    table = label_mapping("cityscapes_ids", "cityscapes19")
    assert table[EVALUATED].tolist() == list(range(19))
    assert (np.delete(table, EVALUATED) == IGNORED_LABEL).all()


def test_void_of_camvid_and_mapillary_is_no_class():
    assert label_mapping("camvid_segnet", "camvid11")[:13].tolist() == [*range(11), 255, 255]
    assert label_mapping("mapillary_v1.2", "mapillary_v1.2")[[64, 65, 255]].tolist() == [64, 255, 255]


WORLDS = {"semantic_super": "body", "super": "body", "voc21": "things"}
ALIKE = [
    pair
    for pair in itertools.product(LABEL_SPACES, repeat=2)
    if len({WORLDS.get(name, "streets") for name in pair}) == 1
]
"""Pairs of spaces of one world: streets, the inside of a body, or things anywhere."""


def test_things_of_voc_are_those_of_streets():
    same = {name: name for name in ("person", "bicycle", "car", "bus", "train")}
    assert by_name("voc21", "cityscapes19") == same | {"motorbike": "motorcycle"}


@pytest.mark.parametrize(("source", "target"), ALIKE)
def test_all_known_spaces_of_a_world_map_to_each_other(source, target):
    table = label_mapping(source, target)
    assert table[IGNORED_LABEL] == IGNORED_LABEL
    assert set(table.tolist()) <= {*range(len(label_space(target))), IGNORED_LABEL}
    if source == target:
        places = np.setdiff1d(np.arange(len(label_space(source))), label_space(source).void)
        np.testing.assert_array_equal(table[places], places)
    assert not table.flags.writeable


def test_spaces_of_different_worlds_share_nothing():
    with pytest.raises(InputError, match="share no class"):
        label_mapping("cityscapes19", "semantic_super")


def test_mapping_by_meaning():
    camvid = by_name("cityscapes19", "camvid11")
    assert camvid["sidewalk"] == "pavement"
    assert camvid["truck"] == "car"
    assert camvid["terrain"] == "tree"
    city = by_name("mapillary_v1.2", "cityscapes19")
    assert city["Motorcyclist"] == "rider"
    assert city["Lane Marking - General"] == "road"
    assert "Bridge" not in city, "void in Cityscapes"
    comma = by_name("cityscapes_ids", "comma10k")
    assert comma["ego vehicle"] == "my car"
    assert comma["sky"] == "undrivable"
    assert by_name("comma10k", "cityscapes19") == {"road": "road", "lane markings": "road"}


def test_own_spaces_map_by_name_before_meaning():
    own = "own:tree#010101,vegetation#020202,Vehicle#030303"
    table = label_mapping("x:vegetation#000001,Tree#000002,car#000003,lamp#000004", own)
    assert table[:4].tolist() == [1, 0, 2, IGNORED_LABEL]


def test_spaces_that_share_no_class():
    with pytest.raises(InputError, match="'a' and 'b' share no class") as caught:
        label_mapping("a:cat#000001", "b:dog#000001")
    assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize("text", ["x:a#12", "x:a#123456,a#123456", "x:#123456", "x:a#zzzzzz", "x:a#123456;k"])
def test_malformed_text(text):
    with pytest.raises(InputError, match="malformed"):
        label_space(text)


def test_unknown_space_suggests_the_nearest():
    assert label_space("cityscapes19") is CITYSCAPES_19
    with pytest.raises(InputError, match="did you mean 'cityscapes19'"):
        label_space("cityscape19")


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


@pytest.mark.parametrize("name", ["cityscapes19", "camvid11", "comma10k", "mapillary_v1.2"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_files_are_decoded_to_the_ids_they_were_painted_from(tmp_path, name, mode):
    space = label_space(name)
    ids = np.random.default_rng(0).integers(0, len(space) + 1, (20, 30)).astype(np.uint8)
    ids[ids == len(space)] = IGNORED_LABEL
    Image.fromarray(space.colourize(ids)).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", (20, 30), space), ids)


def test_of_two_classes_of_one_colour_the_first_is_taken(tmp_path):
    path = save(tmp_path / "a.png", CITYSCAPES_IDS.colourize(np.array([[0, 3, 18]])))
    assert read_label(path, space=CITYSCAPES_IDS).tolist() == [[0, 0, 17]]


def test_a_colour_of_no_class_is_named(tmp_path):
    colours = COMMA10K.colourize(np.zeros((3, 4), np.uint8))
    colours[1, 2] = (64, 32, 33)
    path = save(tmp_path / "a.png", colours)
    with pytest.raises(InputError, match=r"a\.png has the colour \(64, 32, 33\), #402021, at x 2, y 1.*'comma10k'"):
        read_label(path, space=COMMA10K)


def test_ids_outside_the_space_are_named_with_file_and_remedy(tmp_path):
    path = save(tmp_path / "a.png", np.uint8([[0, 1, 7, 255], [2, 9, 9, 2]]))
    with pytest.raises(
        InputError, match=r"a\.png has the id 2, 9, .*'two' has ids 0 to 1 .*; name the right"
    ) as caught:
        read_label(path, space=TWO)
    assert "\n" not in str(caught.value)
    read_label(save(tmp_path / "b.png", np.uint8([[0, 1, 7, 255]])), space=TWO)


def test_samples_have_the_ids_of_the_wanted_space(tmp_path):
    ids = np.zeros((24, 40), np.uint8)
    ids[:, :20], ids[:, 20:30], ids[:, 30:] = 7, 26, 5
    save(tmp_path / "label.png", ids)
    frames = manifest(tmp_path, 2, label="label.png", label_space="cityscapes_ids")
    sizes = {"height": 24, "width": 40, "offsets": (), "load_label": True}
    wanted = FrameDataset(frames, FrameOptions(label_space="camvid11", **sizes), train=False)[0]
    assert wanted["label"][0, [0, 20, 30]].tolist() == [3, 8, 255]
    assert FrameDataset(frames, FrameOptions(**sizes), train=False)[0]["label"][0, [0, 20, 30]].tolist() == [7, 26, 5]
    other = FrameDataset(frames, FrameOptions(label_space="cats:cat#000001", **sizes), train=False)
    with pytest.raises(InputError, match="share no class"):
        other[0]


def test_labels_without_a_space_are_checked_against_the_wanted_one(tmp_path):
    save(tmp_path / "label.png", np.full((24, 40), 30, np.uint8))
    options = FrameOptions(24, 40, (), label_space="cityscapes19", load_label=True)
    with pytest.raises(InputError, match=r"label\.png has the id 30"):
        FrameDataset(manifest(tmp_path, 2, label="label.png"), options, train=False)[0]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_files_of_classes(tmp_path):
    full = {"name": "farm", "ignore_index": 9, "classes": [{"name": "cow", "color": "#0a0b0c"}, {"name": "hay"}]}
    space = label_space(str(write(tmp_path / "a.json", full)))
    assert (space.name, space.classes, space.colours[0], space.void) == ("farm", ("cow", "hay"), (10, 11, 12), (9,))
    (tmp_path / "barn").mkdir()
    space = label_space(
        str(write(tmp_path / "barn" / "classes.yaml", "classes:\n  cow: [1, 2, 3]\n  hay: '#040506'\n"))
    )
    assert (space.name, space.colours) == ("barn", ((1, 2, 3), (4, 5, 6)))
    space = read_label_space(write(tmp_path / "list.json", ["cow", "hay", "sky"]))
    assert len(set(space.colours)) == 3
    assert label_space(space.text()) == space


def test_ids_left_out_in_a_file_of_classes_are_void(tmp_path):
    classes = [{"id": 3, "name": "cow"}, {"id": 1, "name": "hay"}, {"id": 0, "name": "background", "ignore": True}]
    space = read_label_space(write(tmp_path / "a.json", {"classes": classes}))
    assert space.void == (0, 2)
    assert space.trained().classes == ("hay", "cow")
    assert label_mapping(space.text(), space.trained().text())[:5].tolist() == [255, 0, 255, 1, 255]


def test_configuration_of_mapillary_is_the_known_space(tmp_path):
    labels = [
        {"name": f"group--{name.lower()}", "readable": name, "color": list(colour), "evaluate": True}
        for name, colour in zip(MAPILLARY.classes, MAPILLARY.colours, strict=True)
    ]
    labels.append({"name": "void--unlabeled", "readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False})
    assert read_label_space(write(tmp_path / "config.json", {"labels": labels})) is MAPILLARY


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"classes": []}',
        '{"classes": ["a", "a"]}',
        '{"classes": [3]}',
        '{"classes": [{"name": "a", "id": 0}, {"name": "b", "id": 0}]}',
        '{"classes": [{"name": "a", "color": [1, 2]}]}',
        '{"classes": [{"name": "a", "color": "red"}]}',
        '{"classes": [{"name": "a", "color": [1, 2, 300]}]}',
        '{"classes": [{"color": [1, 2, 3]}]}',
        '{"classes": [{"name": "a", "id": 400}]}',
        "null",
    ],
)
def test_broken_files_of_classes(tmp_path, content):
    with pytest.raises(InputError, match=r"a\.json") as caught:
        label_space(str(write(tmp_path / "a.json", content)))
    assert "\n" not in str(caught.value)


def test_absent_and_broken_yaml(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        label_space(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match="is no YAML"):
        label_space(str(write(tmp_path / "a.yaml", "classes: [a\nb: {")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"classes": ["a"], "ignore_id": 255}, "the key 'ignore_id' is unknown .did you mean 'ignore_index'"),
        ({"classes": [{"name": "a", "colr": [1, 2, 3]}]}, "the key 'colr' is unknown .did you mean 'color'"),
        ({"classes": [{"name": "a", "id": 0.5}]}, "id 0.5 is no whole number"),
        ({"classes": [{"name": "a", "id": True}]}, "id True is no whole number"),
        ({"classes": [{"name": 5}]}, "name is 5, expected text"),
        ({"classes": [{"name": "a", "ignore": "yes"}]}, "ignore is 'yes', expected true or false"),
        ({"classes": [{"name": "a", "color": "#+1+1+1"}]}, "not of the form #rrggbb"),
        ({"classes": [{"name": "a", "color": [1, 2, 3, 999]}]}, "a part of a colour 999 is no whole number"),
        ({"classes": ["a"], "label_space": 5}, "label_space is 5, expected text"),
        ({"classes": ["a"], "ignore_index": "255"}, "ignore_index '255' is no whole number"),
    ],
)
def test_values_of_classes_that_are_none(tmp_path, content, said):
    (tmp_path / "classes.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        read_label_space(tmp_path / "classes.json")


def test_classes_of_other_programs_may_have_keys_of_their_own(tmp_path):
    panoptic = [{"id": 0, "name": "a", "supercategory": "x", "isthing": 1, "color": [1, 2, 3]}]
    for content in (panoptic, {"classes": ["a"], "note": "mine", "_tool": 5}, {"labels": panoptic, "version": "1.2"}):
        (tmp_path / "classes.json").write_text(json.dumps(content))
        assert read_label_space(tmp_path / "classes.json").classes == ("a",)
