"""Classes and colours that an annotator is told of."""

import pytest

from tests.data.annotation.annotated import SPACE
from vergence.data.annotation.classes import (
    AnnotationClasses,
    distinct_colours,
    hexadecimal,
    parse_colour,
    same_classes,
    voc_colour,
)
from vergence.data.labels import LABEL_SPACES, LabelSpace
from vergence.errors import InputError


def test_colours_are_made_distinct() -> None:
    colours = distinct_colours([(1, 2, 3), (1, 2, 3), (0, 0, 0), (128, 0, 0)], [(0, 0, 0)])
    assert colours[0] == (1, 2, 3)
    assert colours[3] == (128, 0, 0)
    assert len({*colours, (0, 0, 0)}) == 5
    assert [voc_colour(index) for index in (0, 1, 2, 15)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128)]
    for space in LABEL_SPACES.values():
        classes = AnnotationClasses.of(space)
        assert len({colour for _, _, colour in classes.painted()} | {(0, 0, 0)}) == len(space) + 2
        assert classes.ignore not in space.classes


def test_colours_are_written_and_read_as_hexadecimal_numbers() -> None:
    assert hexadecimal((128, 64, 7)) == "#804007"
    assert parse_colour(" 804007 ") == parse_colour("#804007") == (128, 64, 7)
    assert parse_colour("#80400") is None
    assert parse_colour("blue") is None


def test_a_palette_has_a_colour_for_each_id_and_black_between() -> None:
    space = LabelSpace("two", ("ignore", "void"), ((10, 20, 30), (1, 2, 3)))
    classes = AnnotationClasses.of(space)
    assert classes.ignore == "ignored"  # the first of its names that is no class
    palette = classes.palette()
    assert palette[:6] == [10, 20, 30, 1, 2, 3]
    assert palette[6:765] == [0] * 759
    assert palette[765:] == [224, 224, 192]


CLASSES = AnnotationClasses.of(SPACE)


@pytest.mark.parametrize(
    "there",
    [
        ["grass", "path", "old shed"],
        ["old shed", "ignore", "grass", "path"],
        ["background", "grass", "path", "old shed", "ignore"],
    ],
)
def test_the_same_in_any_order(there: list[str]) -> None:
    same_classes("it", there, CLASSES)


def test_others() -> None:
    with pytest.raises(InputError, match=r"^it lacks 'path' and has 'Path' besides, so that its classes are not those"):
        same_classes("it", ["grass", "Path", "old shed"], CLASSES)
    many = [f"class {number}" for number in range(12)]
    with pytest.raises(InputError, match="'class 7' and 4 more besides"):
        same_classes("it", [*many, *SPACE.classes], CLASSES)
