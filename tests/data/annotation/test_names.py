"""Names of frames in annotators: readable, flat, and never the same for two frames."""

from hypothesis import given
from hypothesis import strategies as st

from vergence.data.annotation.classes import AnnotationClasses, distinct_colours, voc_colour
from vergence.data.annotation.names import FrameNames, frame_name
from vergence.data.frame_row import FrameRow
from vergence.data.labels import LABEL_SPACES

WORDS = st.text(st.sampled_from("ab_-. /é0"), max_size=5)
STEMS = st.text(st.sampled_from("ab_0123"), min_size=1, max_size=6)


def test_plain_names_are_kept() -> None:
    assert frame_name(FrameRow("x/000012.png", "street003", 12)) == "street003__000012"
    assert frame_name(FrameRow("x/000012.png", "street003", 12, camera="left")) == "street003__left__000012"
    name = frame_name(FrameRow("aachen_000000_000019_leftImg8bit.png", "aachen_000000", 19))
    assert name == "aachen_000000__aachen_000000_000019_leftImg8bit"
    assert frame_name(FrameRow("x/first.jpg", "tour", 4)) == "tour__first__p4"


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 30), STEMS), max_size=8, unique_by=lambda row: row[:3]))
def test_names_differ_and_lead_back(values: list[tuple[str, str, int, str]]) -> None:
    rows = [FrameRow(f"{stem}.png", sequence, position, camera=camera) for sequence, camera, position, stem in values]
    names = FrameNames(rows)
    assert len(names.exact) == len(rows)
    for index, row in enumerate(rows):
        name = frame_name(row)
        assert "/" not in name
        assert not name.startswith(".")
        assert names.find(name) == index


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
