"""Shares over time as bars: one for each frame, marked ones never left out."""

import re

from vergence.report.time_chart import time_chart


def test_bars_are_as_high_as_their_shares_and_marked_ones_have_another_colour() -> None:
    chart = time_chart([0.5, 1.0, 0.0], [False, True, False], "Coverage")
    bars = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" fill="(#\w+)"', chart)
    assert [bar[3] for bar in bars] == ["78.0", "156.0", "0.0"]
    assert [bar[4] for bar in bars] == ["#4c8dd6", "#e0762b", "#4c8dd6"]
    assert [float(bar[0]) for bar in bars] == [0, 320, 640]
    assert 'aria-label="Coverage"' in chart


def test_many_frames_are_thinned_out_but_every_marked_one_is_shown() -> None:
    marked = [place == 1501 for place in range(3000)]
    chart = time_chart([0.25] * 3000, marked, "x")
    assert chart.count("<rect") == 1000
    assert chart.count("#e0762b") == 1
    assert time_chart([], [], "x").count("<rect") == 0
