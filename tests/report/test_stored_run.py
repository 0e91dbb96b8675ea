"""What a run folder says of a run."""

import math

from vergence.report.stored_run import (
    evaluation,
    is_number,
    is_record,
    logged_warnings,
    mapping,
    recipe_warnings,
    sections,
    sound,
)


def test_numbers_beyond_all_use_are_not_numbers() -> None:
    found = sound({1: [1, 2.5, 1e301, -math.inf, True, None, "x", (3,)], "date": complex(1)})
    assert found["1"][:2] == [1, 2.5]
    assert all(math.isnan(value) for value in found["1"][2:4])
    assert found["1"][4:] == [True, None, "x", [3]]
    assert found["date"] == "(1+0j)"
    assert [is_number(value) for value in (0, 2.5, True, math.nan, "1", None)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_lines_of_a_log() -> None:
    assert is_record({"step": 3, "kind": "train"})
    assert is_record({})
    assert not is_record({"step": "three"})
    assert not is_record({"step": 1, "kind": 7})


def test_sections_of_a_recipe_are_mappings() -> None:
    given = {"recipe": "a", "method": 5, "frames": {"data": "x"}, "train": "fast", 7: {"b": 1}}
    assert sections(given) == {"recipe": "a", "frames": {"data": "x"}, "7": {"b": 1}}
    assert sections([1]) == {}
    assert mapping([1]) == {}


def test_an_evaluation_keeps_what_tables_show() -> None:
    found = evaluation({"rows": [{"name": None}, 5, {"name": 7, "abs_rel": 0.1}], "step": "x", "segmentation": 3,
                        "odometry": {"sequences": "none"}})  # fmt: skip
    assert found is not None
    assert found["rows"] == [{"name": ""}, {"name": "7", "abs_rel": 0.1}]
    assert (found["step"], found["segmentation"], found["odometry"]) == (0, None, {"sequences": []})
    classes = evaluation({"rows": [], "segmentation": {"rows": [{"name": "trained", "class_iou": 4}, "no row"]}})
    assert classes is not None
    assert classes["segmentation"]["rows"] == [{"name": "trained", "class_iou": {}}]
    assert evaluation({"rows": {}}) is None
    assert evaluation(None) is None


def test_warnings_are_found_once():
    records = [
        {"kind": "event", "level": "warning", "message": "a"},
        {"kind": "event", "level": "warning", "message": "a"},
        {"kind": "event", "level": "info", "message": "b"},
        {"kind": "event", "warning": "c"},
        {"kind": "train", "loss": 1.0},
    ]
    assert logged_warnings(records) == ["a", "c"]
    assert recipe_warnings({"method": "depth", "depth": {"network": {"weights": "imagenet"}}}) == []
