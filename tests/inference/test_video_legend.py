"""Legends of videos: colours and names stand where they should, all that occurs is there, narrow ones do not break."""

from pathlib import Path

import numpy as np
import pytest

from vergence.data.label_space import LABEL_SPACES, LabelSpace
from vergence.data.measured.depth_files import ColourRange, colourize
from vergence.inference.class_files import write_label_png
from vergence.inference.video_legend import ClassLegend, depth_legend

SPACE = LabelSpace("toy", ("sky", "road", "car"), ((70, 130, 180), (128, 64, 128), (0, 0, 142)))


def depth_record(unit: str = "metres") -> dict:
    return {"unit": unit, "colour": {"low": 0.02, "high": 0.5}}


@pytest.mark.parametrize("width", [96, 192, 641, 1242])
def test_the_bar_has_all_colours_from_far_to_near(width: int) -> None:
    strip = depth_legend(depth_record(), "magma")(width, "")
    assert strip.shape[1] == width
    assert strip.shape[0] % 2 == 0
    assert strip.dtype == np.uint8
    limits = ColourRange(0.02, 0.5)
    ends = colourize(np.array([[0.02, 0.5]]), limits, "magma")[0]
    for colour in ends:
        assert (strip == colour).all(2).any()
    near = np.argwhere((strip == ends[1]).all(2))[:, 1]
    assert near.max() > 0.9 * width


def test_unit_and_range_change_the_words() -> None:
    metres = depth_legend(depth_record(), "magma")(640, "")
    assert (metres != depth_legend(depth_record("unscaled"), "magma")(640, "")).any()
    farther = {"unit": "metres", "colour": {"low": 0.01, "high": 0.5}}
    assert (metres != depth_legend(farther, "magma")(640, "")).any()


def whole(space: LabelSpace, width: int) -> np.ndarray:
    return ClassLegend(space, None)(width, "")


def test_letters_are_large_enough_to_read_at_640() -> None:
    inked = np.argwhere((whole(SPACE, 640)[:, 40:80] > 120).all(2))[:, 0]
    assert np.ptp(inked) >= 9  # from the top of the k to the foot of the y


def test_each_class_has_its_colour() -> None:
    for colour in SPACE.colours:
        assert (whole(SPACE, 320) == colour).all(2).sum() > 30


def test_many_classes_are_counted_in_four_rows() -> None:
    names, colours = [f"a class of the name {k}" for k in range(150)], [(k, 99, 200) for k in range(150)]
    strip = whole(LabelSpace("many", tuple(names), tuple(colours)), 640)
    shown = [k for k in range(150) if (strip == colours[k]).all(2).any()]
    assert shown == list(range(len(shown)))
    assert 4 <= len(shown) < 20
    assert strip.shape[0] < 160
    cityscapes = LABEL_SPACES["cityscapes19"]
    assert all((whole(cityscapes, 640) == colour).all(2).any() for colour in cityscapes.colours)


def test_a_name_wider_than_the_video_is_cut() -> None:
    assert whole(LabelSpace("long", ("x" * 400,), ((1, 2, 3),)), 200).shape[1] == 200


def test_classes_are_named_from_the_frame_on_in_which_they_are_seen(tmp_path: Path) -> None:
    ids = np.full((100, 100), 2, np.uint8)
    ids[:, 50:] = 255
    ids[0, 0] = 1  # a single pixel is no class to explain
    write_label_png(tmp_path / "0.png", ids, SPACE)
    write_label_png(tmp_path / "1.png", np.zeros((100, 100), np.uint8), SPACE)
    legend = ClassLegend(SPACE, lambda name: tmp_path / f"{name}.png")
    seen = []
    for name in ("0", "1"):
        strip = legend(320, name)
        assert strip.shape == whole(SPACE, 320).shape
        seen.append([k for k, colour in enumerate(SPACE.colours) if (strip == colour).all(2).sum() > 30])
    assert seen == [[2], [0, 2]]
