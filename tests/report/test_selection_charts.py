"""Charts of a selection."""

import math
import re

import numpy as np
import pytest

from vergence.report.selection_charts import Line, apart, coverage_chart, map_chart, nice_top


def test_coverage_chart_draws_what_it_is_given() -> None:
    line = Line("chosen", np.array([8.0, 4.0, 2.0]), np.array([4.0, 2.0, 1.0]))
    svg = coverage_chart([line])
    assert svg.count("<polyline") == 2
    points = re.search(r'points="([^"]*)"', svg)
    assert points is not None
    heights = [float(point.split(",")[1]) for point in points[1].split()]
    assert heights[0] < heights[1] < heights[2]  # down on the page
    assert coverage_chart([Line("one", np.ones(1), np.ones(1))]).startswith("<svg")


@pytest.mark.parametrize(
    ("count", "told"), [(6, [1, 2, 3, 4, 5, 6]), (20, [1, 5, 10, 15, 20]), (60, [1, 15, 30, 45, 60])]
)
def test_ticks_of_the_number_of_frames(count: int, told: list[int]) -> None:
    svg = coverage_chart([Line("chosen", np.ones(count), np.ones(count))])
    assert [int(tick) for tick in re.findall(r'text-anchor="middle">(\d+)<', svg)] == told


def test_map_numbers_the_first() -> None:
    picks = np.arange(80, dtype=np.float64).reshape(40, 2)
    svg = map_chart(picks, picks, [f"a & {number}" for number in range(40)], picks[:2])
    assert svg.count("<circle") == 40 + 30  # where they are, and their numbers
    assert svg.count("<text") == 30
    assert svg.count("<rect") == 2
    assert "a &amp; 0" in svg
    assert map_chart(np.zeros((3, 2)), np.zeros((1, 2)), ["one"], np.zeros((0, 2))).startswith("<svg")


def test_numbers_do_not_cover_each_other() -> None:
    draw = np.random.default_rng(0)
    spread = np.concatenate([draw.normal(0, 0.02, (20, 2)), draw.normal(0, 1, (9, 2)), np.zeros((1, 2))])
    spread[3] = spread[2]
    svg = map_chart(spread, spread, [""] * 30, np.zeros((0, 2)))
    circles = [tuple(map(float, found)) for found in re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)" r="11"', svg)]
    texts = [tuple(map(float, found)) for found in re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"', svg)]
    assert len(circles) == len(texts) == 30
    distances = [math.dist(one, two) for index, one in enumerate(circles) for two in circles[:index]]
    assert min(distances) >= 22
    assert all(11 <= x <= 480 - 11 and 11 <= y <= 310 - 11 for x, y in circles)
    alone = np.array([[100.0, 100.0], [300.0, 200.0]])
    assert np.abs(apart(alone, 23, np.array([468.0, 298.0])) - alone).max() < 0.01  # those that do not touch stay


def test_nice_top() -> None:
    assert [nice_top(value) for value in (0, 1, 1.1, 9, 55, 230)] == [1, 1, 1.2, 10, 60, 240]
