"""Label spaces from files of classes."""

import json

import pytest

from vergence.data.labels import (
    MAPILLARY,
    label_mapping,
    label_space,
)
from vergence.data.masks.label_files import read_label_space
from vergence.errors import InputError


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
