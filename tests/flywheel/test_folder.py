"""The folder of a flywheel: what each round has left, and which gaps are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from vergence.errors import InputError
from vergence.flywheel.folder import Round, check_order, inside, rows_of, score_rows, write_scores


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_what_a_round_has_left(tmp_path: Path) -> None:
    one = Round(tmp_path, 2)
    assert (one.chosen(), one.new(), one.scores(), one.begun("depth")) == ([], [], {}, False)
    put(one.chosen_file, ["a.png", "b.png"])
    put(one.selection / "selection.json", ["b.png"])
    one.depth.mkdir(parents=True)
    assert (one.chosen(), one.new()) == (["a.png", "b.png"], ["b.png"])
    assert not one.begun("depth"), "an empty folder is nothing"
    (one.depth / "recipe.yaml").touch()
    assert one.begun("depth")


def test_scores_add_up_and_damaged_ones_count_as_none(tmp_path: Path) -> None:
    one = Round(tmp_path, 0)
    one.keep_scores("depth", {"asked": {}, "rows": [{"round": 0, "abs_rel": 0.2}]})
    one.keep_scores("segmentation", {"asked": {}, "rows": [{"round": 0, "miou": 0.5, "stamp": "x"}]})
    assert [row.get("miou", row.get("abs_rel")) for row in score_rows([one])] == [0.2, 0.5]
    lines = write_scores(tmp_path, [one]).read_text().splitlines()
    columns = lines[0].split(",")
    assert (columns[0], columns[-1]) == ("round", "stamp")
    assert [dict(zip(columns, line.split(","), strict=True))["abs_rel"] for line in lines[1:]] == ["0.2", ""]
    (one.folder / "scores.json").write_text("{")
    assert one.scores() == {}


def test_rows_of_an_evaluation_are_the_trained_models_by_task() -> None:
    trained = {"name": "trained", "abs_rel": 0.1, "scale_std": float("nan"), "note": "x"}
    result = {
        "step": 7, "stamp": "a", "images": 3, "rows": [{"name": "untrained", "abs_rel": 0.9}, trained],
        "segmentation": {"stamp": "b", "images": 2, "rows": [{"name": "trained", "miou": 0.4}]},
    }  # fmt: skip
    found = rows_of(result, {"round": 1})
    assert found[0] == {
        "round": 1, "task": "depth", "step": 7, "images": 3, "abs_rel": 0.1, "scale_std": None, "stamp": "a",
    }  # fmt: skip
    assert found[1] == {"round": 1, "task": "segmentation", "step": 7, "images": 2, "miou": 0.4, "stamp": "b"}
    assert rows_of({**result, "rows": [], "segmentation": None}, {}) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("/old/wheel/round-3/depth", "round-3/depth"),
        ("/old/wheel/data.parquet", "data.parquet"),
        ("D:\\wheel\\round-1\\data.parquet", "round-1\\data.parquet"),
        ("/other/data.csv", "/other/data.csv"),
        (5, 5),
    ],
)
def test_paths_in_a_copy_are_told_by_their_ends(value: Any, found: Any) -> None:
    assert inside(value) == found


def test_a_stage_that_is_missing_before_one_that_is_there(tmp_path: Path) -> None:
    rounds = [Round(tmp_path, 0), Round(tmp_path, 1)]
    check_order(rounds)
    put(rounds[0].depth / "recipe.yaml", {})
    check_order(rounds)
    put(rounds[0].segmentation / "recipe.yaml", {})
    with pytest.raises(InputError, match=r"round-0/selection is missing, and .*round-0/segmentation"):
        check_order(rounds)
    put(rounds[0].chosen_file, [])  # no label was left for this round
    check_order(rounds)
