"""What rounds are judged by: differences frame by frame, their standard error, and what counts as worse."""

import math

import pytest
import torch

from vergence.flywheel.measures import Measure, mean_iou, paired


def compared(before: list[float], now: list[float], higher: bool = False) -> Measure:
    frames = (torch.tensor(values, dtype=torch.float64) for values in (before, now))
    return paired("error", "frames", *frames, higher)


@pytest.mark.parametrize(
    ("before", "now", "higher", "error", "margin", "doubt", "worse"),
    [
        (0.5, 0.5, True, 0.0, 0.0, 1.0, False),
        (0.5, 0.499, True, 0.0, 0.0, 1.0, True),
        (0.5, 0.499, True, 0.0, 0.01, 1.0, False),
        (0.5, 0.375, True, 0.125, 0.0, 1.0, False),  # as much as its standard error
        (0.5, 0.374, True, 0.125, 0.0, 1.0, True),
        (0.5, 0.375, True, 0.125, 0.0, 0.0, True),  # any loss
        (0.5, 0.25, True, 0.125, 0.25, 1.0, False),  # the margin and one standard error
        (0.2, 0.21, False, 0.0, 0.0, 1.0, True),
        (0.2, 0.19, False, 0.0, 0.0, 1.0, False),
        (0.5, 0.5625, True, 0.125, 0.0, -0.5, False),  # better by half its standard error
        (0.5, 0.5625, True, 0.125, 0.0, -1.0, True),
        (0.5, 0.5, True, 0.0, 0.0, -1.0, False),
        (0.2, 0.21, False, math.nan, 0.0, 1.0, True),  # one frame: the plain difference
        (0.2, math.nan, False, math.nan, 0.9, 1.0, True),
    ],
)
def test_worse_is_what_lost_more_than_margin_and_doubt(
    before: float, now: float, higher: bool, error: float, margin: float, doubt: float, worse: bool
) -> None:
    assert Measure("m", "labels", before, now, higher, 4, error).worse(margin, doubt) is worse


def test_of_a_mean_the_error_is_the_standard_error_of_paired_differences() -> None:
    """Differences 1, 3, 2, 6 with mean 3 and variance 14/3: their mean's standard error is the root of 14/12."""
    found = compared([1.0, 20.0, 5.0, 9.0], [2.0, 23.0, 7.0, 15.0])
    assert found.frames == 4
    assert found.difference == pytest.approx(3.0)
    assert found.error == pytest.approx(math.sqrt(14 / 12))
    assert found.worse(0.0, 1.0)
    assert not found.worse(0.0, 3.0)


def test_frames_that_differ_much_from_one_another_do_not_hide_what_all_of_them_say() -> None:
    """Each frame is compared with itself: the same small loss on all is sure, a larger one here and there is not."""
    alike = compared([0.05, 0.5, 0.2], [0.0505, 0.5005, 0.2005])
    assert alike.error == pytest.approx(0.0, abs=1e-12)
    assert alike.worse(0.0, 1.0)
    scattered = compared([0.05, 0.5, 0.2], [0.08, 0.49, 0.19])
    assert scattered.difference == pytest.approx(0.01 / 3)
    assert not scattered.worse(0.0, 1.0)


def test_how_often_a_run_that_is_as_good_is_refused() -> None:
    """By theory (Student's t with 9 degrees of freedom) 50, 17 and 4 of 100."""
    draw = torch.Generator().manual_seed(0)
    found = [
        paired("error", "frames", *torch.rand(2, 10, generator=draw, dtype=torch.float64), higher=False)
        for _ in range(600)
    ]
    refused = [sum(one.worse(0.0, doubt) for one in found) / len(found) for doubt in (0.0, 1.0, 2.0)]
    assert refused == pytest.approx([0.5, 0.17, 0.04], abs=0.04)


def test_one_frame_knows_no_spread() -> None:
    found = compared([0.2], [0.3])
    assert math.isnan(found.error)
    assert found.worse(0.0, 1.0)
    assert found.text() == "error 0.3, was 0.2 (difference +0.1; frames, 1 frame)"


def test_miou_is_of_all_frames_together_and_its_error_of_leaving_each_out() -> None:
    """Two classes on two frames; agreed, truth and predicted pixels by class."""
    before = torch.tensor([[[4.0, 0.0], [4.0, 4.0], [8.0, 0.0]], [[0.0, 4.0], [4.0, 4.0], [0.0, 8.0]]]).double()
    right = torch.tensor([[[4.0, 4.0]] * 3] * 2).double()
    found = paired("miou", "labels", before, right, True, mean_iou)
    assert found.before == pytest.approx(1 / 3)  # 4 right of 12 that are or were called so, of both classes
    assert found.now == 1.0
    one, other = 1 - mean_iou(before[1:]), 1 - mean_iou(before[:1])
    assert found.error == pytest.approx(float(abs(one - other)) / 2)
    lopsided = torch.stack((before[0], right[1]))
    found = paired("miou", "labels", right, lopsided, True, mean_iou)
    assert (float(mean_iou(lopsided[:1])), float(mean_iou(lopsided[1:]))) == (0.25, 1.0)
    assert found.now == pytest.approx((8 / 12 + 4 / 8) / 2)
    assert found.error == pytest.approx(0.75 / 2)


def test_a_class_that_no_frame_has_does_not_count() -> None:
    counts = torch.tensor([[[4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]]).double()
    assert float(mean_iou(counts)) == 1.0
