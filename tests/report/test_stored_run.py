"""What a run folder says of a run."""

from vergence.report.stored_run import logged_warnings, recipe_warnings


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
