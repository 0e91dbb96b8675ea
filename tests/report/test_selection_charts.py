"""Charts of a selection."""

import re

import numpy as np
import pytest

from vergence.report.selection_charts import Line, coverage_chart, map_chart, nice_top


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
    assert svg.count("<circle") == 40
    assert svg.count("<text") == 30
    assert svg.count("<rect") == 2
    assert "a &amp; 0" in svg
    assert map_chart(np.zeros((3, 2)), np.zeros((1, 2)), ["one"], np.zeros((0, 2))).startswith("<svg")


def test_nice_top() -> None:
    assert [nice_top(value) for value in (0, 1, 1.1, 9, 55, 230)] == [1, 1, 1.2, 10, 60, 240]
