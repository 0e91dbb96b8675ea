import itertools
import json
import math
import re
from pathlib import Path

import matplotlib
import pytest
from PIL import ImageFont

from vergence.report.curves import Curve, by_magnitude, chart, charts, curves, families, smoothed, time_chart
from vergence.report.stored_run import read_records


def lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_run_that_was_resumed_counts_each_step_once(tmp_path):
    path = lines(
        tmp_path / "metrics.jsonl",
        {"step": 10, "kind": "train", "loss": 1.0},
        {"step": 20, "kind": "train", "loss": 2.0},
        {"step": 10, "kind": "evaluate", "abs_rel": 0.5},
        {"step": 20, "kind": "train", "loss": 3.0},
        {"step": 30, "kind": "train", "loss": math.nan},
    )
    with path.open("a") as file:
        file.write('not json\n[1]\n{"step": 40, "kind": "tr')  # the run is being killed
    records = read_records(path)
    assert len(records) == 4
    found = curves(records, "train")
    assert found["loss"].steps == [10, 20, 30]
    assert found["loss"].values[:2] == [1.0, 3.0]
    assert curves(records, "evaluate") == {"abs_rel": Curve([10], [0.5])}


def test_no_file_gives_no_charts(tmp_path):
    assert read_records(tmp_path / "metrics.jsonl") == []
    assert charts([]) == []


def test_words_and_flags_are_no_curves():
    assert curves([{"step": 1, "kind": "train", "time": "noon", "fine": True, "loss": 2}], "train") == {
        "loss": Curve([1], [2.0])
    }


def test_charts_group_losses_watched_values_evaluation_and_pace():
    records = [
        {"step": step, "kind": "train", "loss": 1.0, "_kept": 0.5, "images_per_second": 3.0, "lr": 1e-4}
        for step in (1, 2)
    ]
    records += [{"step": 2, "kind": "evaluate", "abs_rel": 0.2, "a1": 0.7}]
    found = {chart.title: chart.svg for chart in charts(records)}
    assert len(found) == 6
    losses = found["Losses"]
    assert ">loss<" in losses
    assert "kept" not in losses
    assert "images_per_second" not in losses
    assert ">kept<" in found["Watched, not trained on"]


def test_svg_stands_alone_scales_and_takes_the_colour_of_the_page():
    svg = chart('A "title" & <more>', {"a<b": Curve([0, 1], [1.0, 2.0])}).svg
    assert svg.startswith("<svg")
    assert "http" not in svg
    assert "<style" not in svg
    assert not re.search(r"<svg[^>]* (width|height)=", svg)
    assert "currentColor" in svg
    assert "a&lt;b" in svg
    assert 'aria-label="A title and more>"' in svg


def test_drawing_is_the_same_every_time():
    one = {"loss": Curve(list(range(50)), [1 / (1 + step) for step in range(50)])}
    assert chart("Losses", one, smooth=True) == chart("Losses", one, smooth=True)


def test_values_that_are_not_finite_are_drawn_around():
    assert "<svg" in chart("Losses", {"loss": Curve(list(range(40)), [math.nan, *range(1, 40)])}, smooth=True).svg
    assert "<svg" in chart("Losses", {"loss": Curve([0], [math.inf])}).svg


def test_smoothing_by_hand():
    assert smoothed([1.0, 2.0, 6.0]) == [1.5, 3.0, 4.0]
    assert smoothed([1.0, math.nan, 3.0]) == [1.0, 2.0, 3.0]
    assert math.isnan(smoothed([math.nan])[0])


def test_lines_of_other_magnitudes_get_a_chart_of_their_own():
    lines = {name: Curve([0, 1], [value, value]) for name, value in {"a": 1e-4, "b": 0.5, "c": 1.0, "d": 0.06}.items()}
    groups = by_magnitude("Losses", lines)
    assert [(title, list(group)) for title, group in groups] == [
        ("Losses", ["c", "b", "d"]),
        ("Losses: smaller", ["a"]),
    ]
    assert by_magnitude("Losses", {}) == []
    assert len(by_magnitude("x", {"zero": Curve([0], [0.0]), "nan": Curve([0], [math.nan])})) == 1


def test_many_lines_are_charts_of_as_many_as_there_are_colours_by_family():
    classes = {f"_gain/class {number:02d}": 1 + number / 100 for number in range(18)}
    record = {"step": 7, "kind": "train", "loss": 1.0, "_kept": 0.5, "_never": 0.0, "_gain": 0.7, **classes}
    drawn = charts([record])
    names = {made.title: [line["name"] for line in json.loads(made.data)["lines"]] for made in drawn}
    assert names["Watched, not trained on"] == ["gain", "kept"], "what is always 0 shows nothing"
    gains = [[line["name"] for line in json.loads(made.data)["lines"]] for made in drawn if ": gain" in made.title]
    assert gains == [[f"class {n:02d}" for n in part] for part in (range(17, 9, -1), range(9, 1, -1), (1, 0))]
    for made in drawn:
        ticks = re.findall(r">(-?[\d.]+)</text>", made.svg.partition('id="matplotlib.axis_2"')[0])
        assert {float(tick) for tick in ticks} == {6, 7, 8}, "an axis of one step is of whole steps"
    assert families("x", {}) == []


def test_scores_without_truth_have_charts_of_their_own() -> None:
    rows = [
        {"kind": "evaluate", "step": step, "photometric": 0.1, "photometric_unmoved": 0.2, "score": 0.1}
        for step in (10, 20)
    ]
    rows += [{"kind": "evaluate", "step": step, "flip_miou": 0.5, "score": 0.5} for step in (10, 20)]
    titles = [chart.title for chart in charts(rows)]
    assert titles == [
        "Held-back frames: photometric error (lower is better, and below unmoved neighbours)",
        "Held-back frames: classes agree under flips (higher is better)",
    ]


def test_numbers_lie_beside_the_picture_and_wide_ranges_have_a_logarithmic_axis():
    wide = chart("Losses", {"</script>": Curve([0, 10, 20], [1.0, math.nan, 0.01])})
    assert "<svg" in wide.log
    assert "</script" not in wide.data
    told = json.loads(wide.data)
    assert told["lines"] == [{"name": "</script>", "steps": [0, 20], "values": [1.0, 0.01]}]
    left, right = told["axis"]
    assert 0 < left < 0.3 < 0.9 < right <= 1
    assert told["range"][0] <= 0 < 20 <= told["range"][1]
    assert chart("Loss", {"a": Curve([0, 1], [-1.0, 5.0])}).log == ""


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


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["a1", "a2", "a3"], 1),
        (["miou", "mean_accuracy", "pixel_accuracy", "miou, classes of depth runs"], 2),
        (["miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"], 2),
        (["source_initial_depth", "loss", "source_initial", "source", "mixed_initial", "source_depth", "mixed"], 4),
        (["a name that is as wide as the chart of its line is", "another of that kind, which has no room beside"], 2),
    ],
)
def test_names_in_the_legend_are_whole_and_beside_each_other(names: list[str], rows: int) -> None:
    svg = chart("all", {name: Curve([0, 1], [1, 2]) for name in names}).svg
    width = float(re.search(r'viewBox="0 0 ([\d.]+) ', svg)[1])
    font = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), 11)
    found = re.findall(r'<text style="font-size: 11px[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', svg)
    boxes = sorted((float(y), float(x), float(x) + font.getlength(name)) for x, y, name in found)
    assert len({round(y) for y, _, _ in boxes}) == rows
    assert max(right for _, _, right in boxes) <= width
    assert all(right < left for (y, _, right), (row, left, _) in itertools.pairwise(boxes) if y == row)
