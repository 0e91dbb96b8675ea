import itertools

import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import manifest, save
from vergence.data.batch import IGNORED_LABEL
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.labels import (
    CITYSCAPES_19,
    CITYSCAPES_IDS,
    COMMA10K,
    LABEL_SPACES,
    LabelSpace,
    label_mapping,
    label_space,
)
from vergence.data.masks.label_pictures import read_label
from vergence.errors import InputError

EVALUATED = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]


TWO = LabelSpace("two", ("a", "b c"), ((1, 2, 3), (250, 0, 10)), (7,))


def test_raw_ids_become_train_ids():
    table = label_mapping("cityscapes_ids", "cityscapes19")
    assert table[EVALUATED].tolist() == list(range(19))
    assert (np.delete(table, EVALUATED) == IGNORED_LABEL).all()


WORLDS = {"semantic_super": "body", "super": "body", "voc21": "things"}


ALIKE = [
    pair
    for pair in itertools.product(LABEL_SPACES, repeat=2)
    if len({WORLDS.get(name, "streets") for name in pair}) == 1
]
"""Pairs of spaces of one world: streets, the inside of a body, or things anywhere."""


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


def test_own_spaces_map_by_name_before_meaning():
    own = "own:tree#010101,vegetation#020202,Vehicle#030303"
    table = label_mapping("x:vegetation#000001,Tree#000002,car#000003,lamp#000004", own)
    assert table[:4].tolist() == [1, 0, 2, IGNORED_LABEL]


def test_spaces_that_share_no_class():
    with pytest.raises(InputError, match="'a' and 'b' share no class") as caught:
        label_mapping("a:cat#000001", "b:dog#000001")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["x:a#12", "x:a#123456,a#123456", "x:#123456", "x:a#zzzzzz", "x:a#123456;k"])
def test_malformed_text(text):
    with pytest.raises(InputError, match="malformed"):
        label_space(text)


def test_a_file_of_classes_may_be_written_in_capitals(tmp_path):
    (tmp_path / "MINE.JSON").write_text('{"classes": ["road", "sky"]}')
    assert label_space(str(tmp_path / "MINE.JSON")).classes == ("road", "sky")


def test_unknown_space_suggests_the_nearest():
    assert label_space("cityscapes19") is CITYSCAPES_19
    with pytest.raises(InputError, match="did you mean 'cityscapes19'"):
        label_space("cityscape19")


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
