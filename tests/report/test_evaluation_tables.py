"""Evaluations as tables: the best is marked, verdicts are honest."""

from tests.report.toy_classes import SPACE
from vergence.report.evaluation_tables import class_verdict, number, percent, tables, verdict


def test_tables_mark_the_best_and_show_odometry():
    rows = [
        {"name": "trained", "abs_rel": 0.1, "a1": 0.9, "scale_median": 30.0, "scale_std": 0.12, "images": 5},
        {"name": "input_free", "abs_rel": 0.2, "a1": 0.95, "images": 5, "note": "a note"},
    ]
    odometry = {"stamp": "5 frames", "sequences": [{"sequence": "09", "ate_sfmlearner": 0.0125, "t_err": 12.5}]}
    depth, poses = tables({"rows": rows, "stamp": "plain, 5 images", "odometry": odometry})
    trained, other = depth.rows
    assert [cell.text for cell in trained.cells[:2]] == ["trained", "0.100"]
    assert trained.cells[1].kind == "best"
    assert other.cells[5].kind == "best"
    assert "30.000 ± 12%" in [cell.text for cell in trained.cells]
    assert [cell.text for cell in trained.cells[2:5]] == ["–"] * 3
    assert depth.stamp == "Protocol: plain, 5 images"
    assert [cell.text for cell in poses.rows[0].cells[:4]] == ["09", "0.013", "–", "12.500"]
    assert "5 frames" in poses.stamp


def test_verdict_is_honest():
    rows = [
        {"name": "trained", "abs_rel": 0.3},
        {"name": "input_free", "abs_rel": 0.2},
        {"name": "untrained", "abs_rel": 0.6},
    ]
    assert (
        verdict(rows)
        == "abs_rel of the trained model is 0.300: 50 % ABOVE input_free (0.200), 50 % below untrained (0.600)."
    )
    assert verdict(rows[:1]) == ""
    assert "as good as" in verdict([rows[0], {"name": "untrained", "abs_rel": 0.3}])


def test_numbers():
    assert [number(value) for value in (0.12345, 123.456, 7, None, float("nan"), True)] == [
        "0.123",
        "123.5",
        "7",
        "–",
        "–",
        "–",
    ]


def test_tables():
    rows = [
        {"name": "trained", "miou": 0.5, "pixel_accuracy": 0.75, "mean_accuracy": 0.6, "frequency_weighted_iou": 0.55,
         "class_iou": {"sky": 0.5, "road": 0.5, "car": None}, "note": ""},
        {"name": "input_free", "miou": 0.55, "pixel_accuracy": 0.5, "mean_accuracy": None,
         "frequency_weighted_iou": 0.1, "class_iou": {"sky": 0.1, "road": None, "car": None}, "note": "a note"},
    ]  # fmt: skip
    part = {"rows": rows, "stamp": "mIoU of toy", "label_space": SPACE.text()}
    (table,) = tables({"rows": [], "segmentation": part})
    assert [cell.text for cell in table.rows[0].cells] == ["trained", "50.0", "75.0", "60.0", "55.0", ""]
    assert table.rows[0].cells[2].kind == "best"
    assert table.rows[1].cells[1].kind == "best"
    assert table.rows[1].cells[3].text == "–"
    assert table.verdict == "mIoU of the trained model is 50.0 %: 5.0 points BELOW input_free (55.0)."
    assert [(bar.name, bar.colour, bar.trained, bar.input_free) for bar in table.bars] == [
        ("sky", "#4682b4", 50.0, 10.0), ("road", "#804080", 50.0, None), ("car", "#00008e", None, None),
    ]  # fmt: skip
    unknown = tables({"rows": [], "segmentation": {**part, "label_space": "lost"}})[0]
    assert unknown.bars[0].colour == "#888888"
    assert class_verdict(rows[:1]) == ""
    assert percent(float("nan")) == "–"
