"""The runner itself: on a folder made here, whose cases nobody wrote code for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.parity.registry import Params
from tests.parity.test_parity import cases, compare, run_case

TOLERANCE = {"rtol": 1e-5, "atol": 1e-7}


def write(folder: Path, meta: dict[str, Any], *stored: dict[str, np.ndarray]) -> None:
    folder.mkdir()
    for index, arrays in enumerate(stored):
        np.savez(folder / f"case{index}.npz", **arrays)
    entry = {"family": "monodepth2", "cases": len(stored), "tolerance": TOLERANCE} | meta
    (folder / "meta.json").write_text(json.dumps(entry), encoding="utf-8")


def run(folder: Path) -> None:
    found = cases(folder)
    assert found
    for case in found:
        run_case(*case.values)


def disparity_case(shape: tuple[int, ...], nearest: float, farthest: float, wrong: float = 0.0) -> dict[str, Any]:
    disparity = np.random.default_rng(len(shape)).random(shape, dtype=np.float32)
    scaled = 1 / farthest + (1 / nearest - 1 / farthest) * disparity.astype(np.float64)
    return {"in_disp": disparity, "out_scaled_disp": scaled, "out_depth": 1 / scaled + wrong}


def test_new_cases_of_a_known_operation_need_no_code(tmp_path: Path) -> None:
    params = [
        {"case": 1, "min_depth": 0.2, "max_depth": 7.5},
        {"case": 0, "min_depth": 0.5, "max_depth": 12.0},
    ]
    meta = {"operation": "disp_to_depth", "params": params}
    write(tmp_path / "any", meta, disparity_case((1, 1, 3, 5), 0.5, 12.0), disparity_case((3, 1, 2), 0.2, 7.5))
    assert [case.id for case in cases(tmp_path)] == ["monodepth2.disp_to_depth-case0", "monodepth2.disp_to_depth-case1"]
    run(tmp_path)


def test_a_new_stereo_evaluation_multiplies_by_the_published_factor(tmp_path: Path) -> None:
    """Truth of one image only (the others are ``null`` in that case), 5.4 whatever else the parameters say."""
    truth = np.full((20, 30), 5.4 * 2.0 * 1.1, np.float32)
    errors = np.array([[0.1 / 1.1, (0.2 * 5.4) ** 2 / (2.2 * 5.4), 0.2 * 5.4, np.log(1.1), 1, 1, 1]])
    stored = {"in_pred_disp": np.full((1, 5, 10), 0.5, np.float32), "in_gt_0": truth}
    stored |= {"out_errors": errors, "out_mean_errors": errors[0]}
    params = [{"case": 0, "eval_split": "eigen", "stereo": True, "scale": 3.0}]
    write(tmp_path / "stereo", {"operation": "eval_protocol", "params": params}, stored)
    run(tmp_path)


def test_a_parameter_that_the_adapter_does_not_use_fails(tmp_path: Path) -> None:
    params = [{"case": 0, "min_depth": 0.5, "max_depth": 12.0, "unknown_parameter": True}]
    write(tmp_path / "any", {"operation": "disp_to_depth", "params": params}, disparity_case((1, 1, 3, 5), 0.5, 12.0))
    with pytest.raises(AssertionError, match="does not use unknown_parameter"):
        run(tmp_path)


def test_parameters_know_what_was_read() -> None:
    params = Params({"a": 1, "b": {"c": 2, "d": 3}, "e": 4, "f": 5})
    assert "a" in params
    assert {**params}["a"] == 1
    assert params.unread() == ["a", "b", "e", "f"]
    params["b"]["c"]
    params.get("e")
    assert params.extended(g=6)["f"] == 5
    assert params.unread() == ["a", "b.d"]
    params.no_effect("a", "b.d")
    assert params.unread() == []


def test_wrong_numbers_fail(tmp_path: Path) -> None:
    meta = {"operation": "disp_to_depth", "params": [{"case": 0, "min_depth": 0.5, "max_depth": 12.0}]}
    write(tmp_path / "wrong", meta, disparity_case((1, 1, 3, 5), 0.5, 12.0, wrong=1e-3))
    with pytest.raises(AssertionError, match="depth: 15 of 15 differ"):
        run(tmp_path)


def test_a_listed_case_without_a_file_fails(tmp_path: Path) -> None:
    meta = {"operation": "disp_to_depth", "cases": 1, "params": [{"case": 0, "min_depth": 0.5, "max_depth": 12.0}]}
    write(tmp_path / "gone", meta)
    with pytest.raises(FileNotFoundError):
        run(tmp_path)


def test_an_unknown_operation_fails_where_the_family_is_built_and_skips_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "a", {"operation": "no_such_thing"}, {"out_x": np.zeros(1)})
    with pytest.raises(pytest.fail.Exception, match="no adapter"):
        run(tmp_path)
    (tmp_path / "later").mkdir()
    write(tmp_path / "later" / "b", {"family": "some_paper", "operation": "thing"}, {"out_x": np.zeros(1)})
    with pytest.raises(pytest.skip.Exception, match=r"some_paper\.thing: this paper's method is not built yet"):
        run(tmp_path / "later")


def test_an_empty_or_absent_folder_has_no_cases(tmp_path: Path) -> None:
    assert cases(tmp_path) == []
    assert cases(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("got", "expected", "nan", "passes"),
    [
        ([1.0, 2.0], [1.0, 2.00001], False, True),
        ([1.0, 2.0], [1.0, 2.001], False, False),
        ([1.0], [1.0, 1.0], False, False),
        ([np.nan], [np.nan], True, True),
        ([np.nan], [np.nan], False, False),
        ([np.nan], [1.0], True, False),
        ([np.inf], [np.inf], False, True),
        ([5.0], [np.inf], False, False),
        ([np.inf], [5.0], False, False),
        ([-np.inf], [np.inf], False, False),
    ],
)
def test_compare(got: list[float], expected: list[float], nan: bool, passes: bool) -> None:
    meta = {"tolerance": TOLERANCE, "nan_expected_in": ["x"] if nan else []}
    if passes:
        compare("x", np.array(got), np.array(expected), meta, "x")
        return
    with pytest.raises(AssertionError):
        compare("x", np.array(got), np.array(expected), meta, "x")


def test_integers_are_exact_under_zero_tolerance() -> None:
    meta = {"tolerance": TOLERANCE, "tolerance_per_output": {"n": {"rtol": 0, "atol": 0}}}
    compare("n", np.array([3, 4]), np.array([3, 4]), meta, "n")
    with pytest.raises(AssertionError):
        compare("n", np.array([3, 5]), np.array([3, 4]), meta, "n")
