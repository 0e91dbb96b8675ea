"""Every operation of a parity folder through our functions, at the folder's own tolerance.

The folder is named by VERGENCE_PARITY, by default ``../shared/parity`` beside the repository. Nothing about its cases
is known here: inputs, outputs, parameters and tolerances come from each operation's meta.json.
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.parity.formula import formula
from tests.parity.made_of import MADE_OF, SIZES
from tests.parity.registry import ADAPTERS, Case, Params

ROOT = Path(os.environ.get("VERGENCE_PARITY") or Path(__file__).parents[2] / ".." / "shared" / "parity").resolve()
BUILT = {"monodepth2", "three_ways", "corda"}
"""Families whose every operation must have an adapter; others run where they have one."""

for module in sorted((Path(__file__).parent / "adapters").glob("*.py")):
    importlib.import_module(f"tests.parity.adapters.{module.stem}")


def cases(root: Path) -> list:
    """One parameter set (folder, meta, index) for every case of every operation, also for those without a file."""
    found = []
    for meta_file in sorted(root.glob("*/meta.json")):
        meta = json.loads(meta_file.read_text(encoding="utf-8"))
        files = {int(file.stem.removeprefix("case")) for file in meta_file.parent.glob("case*.npz")}
        for index in sorted(files | set(range(meta.get("cases", 0)))):
            found.append(pytest.param(meta_file.parent, meta, index, id=f"{name_of(meta)}-case{index}"))
    return found


def name_of(meta: dict[str, Any]) -> str:
    return f"{meta['family']}.{meta['operation']}"


CASES = cases(ROOT)


@pytest.mark.skipif(not CASES, reason=f"no parity data at {ROOT}: name a folder of them in VERGENCE_PARITY")
def test_parity_folder_is_read() -> None:
    assert CASES


def test_formula_check_values() -> None:
    expected = [[0.0865885, -0.292073, -0.477966], [1.1193694, -0.0276445, -0.2734263]]
    np.testing.assert_allclose(formula("a.weight", (2, 3), "t:"), expected, rtol=1e-5)
    np.testing.assert_allclose(formula("bn.running_var", (3,), "t:"), [1.0260597, 1.1899033, 1.1136426], rtol=1e-6)


@pytest.mark.parametrize(("folder", "meta", "index"), CASES)
def test_operation(folder: Path, meta: dict[str, Any], index: int) -> None:
    run_case(folder, meta, index)


def run_case(folder: Path, meta: dict[str, Any], index: int) -> None:
    """Compute one case and compare all its outputs; skip or fail where there is no adapter."""
    name = name_of(meta)
    if name not in ADAPTERS:
        if meta["family"] in BUILT:
            pytest.fail(f"{name} has no adapter in tests/parity/adapters")
        pytest.skip(f"{name}: this paper's method is not built yet")
    with np.load(folder / f"case{index}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    inputs = {key.removeprefix("in_"): value for key, value in arrays.items() if key.startswith("in_")}
    expected = {key.removeprefix("out_"): value for key, value in arrays.items() if key.startswith("out_")}
    assert expected, f"{name} case {index} expects no output"
    params = Params(next((entry for entry in meta.get("params") or [] if entry.get("case") == index), {}))
    keys_file = folder / "keys.json"
    keys = json.loads(keys_file.read_text(encoding="utf-8"))["per_case"][index] if keys_file.is_file() else None
    got = ADAPTERS[name](inputs, params, Case(meta, keys, index))
    params.no_effect(*SIZES, *MADE_OF.get(name, "").split())
    assert not params.unread(), f"{name} case {index}: the adapter does not use {', '.join(params.unread())}"
    missing = set(expected) - set(got)
    assert not missing, f"{name}: outputs {sorted(missing)} were not computed"
    for output, value in expected.items():
        compare(f"{name} case {index} {output}", np.asarray(got[output]), value, meta, output)


def compare(what: str, got: np.ndarray, expected: np.ndarray, meta: dict[str, Any], output: str) -> None:
    """|got - expected| <= atol + rtol |expected| everywhere; NaN equals NaN where the folder expects it."""
    tolerance = (meta.get("tolerance_per_output") or {}).get(output, meta["tolerance"])
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if expected.dtype.kind not in "biuf":
        assert (got == expected).all(), what
        return
    got64, expected64 = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(got64 == expected64, 0, np.abs(got64 - expected64))  # also of equal infinities
        close = difference <= tolerance["atol"] + tolerance["rtol"] * np.abs(expected64)
    close &= np.isfinite(expected64) | (difference == 0)
    if output in (meta.get("nan_expected_in") or []):
        close |= np.isnan(got64) & np.isnan(expected64)
    worst = difference[~close].max(initial=0)
    assert close.all(), f"{what}: {(~close).sum()} of {close.size} differ, by up to {worst:g} (allowed: {tolerance})"
