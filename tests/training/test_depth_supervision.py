"""Where depth supervision comes from: a depth run's raw output, measured depth in the unit it says."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.small_world import video
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.estimate_files import read_sigmoid
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference import depth_port
from vergence.training.pools import _check_depth

STREET = np.random.default_rng(0).gamma(2, 9, (24, 40)).astype(np.float32) + 1


def measured(root: Path, factor: float = 1.0, unit: str = "") -> FrameDataset:
    np.save(root / "depth.npy", STREET * factor)
    rows = video(root, 4, depth="depth.npy", depth_unit=unit)
    rows += video(root, 1, sequence="b")
    return FrameDataset(
        Manifest(rows, root, "town"), FrameOptions(height=12, width=20, offsets=(), load_inverse_depth="measured"), True
    )


def test_depth_in_its_unit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _check_depth(measured(tmp_path))
    assert "1 of 5 frames have no depth to learn from" in caplog.text
    _check_depth(measured(tmp_path, 1000, "millimetres"))


def test_depth_in_another_unit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^measured depth of town has a median .* looks like centimetres"):
        _check_depth(measured(tmp_path, 100))
    with pytest.raises(InputError, match="looks like millimetres"):
        _check_depth(measured(tmp_path, 1000))
    with pytest.raises(InputError, match="too near for streets"):
        _check_depth(measured(tmp_path, 1, "centimetres"))


def test_no_depth_at_all(tmp_path: Path) -> None:
    data = Manifest(video(tmp_path, 3), tmp_path, "town")
    for kind, words in (("measured", "no measured depth"), ("estimate", "no estimates")):
        options = FrameOptions(height=12, width=20, offsets=(), load_inverse_depth=kind)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"town has {words}"):
            _check_depth(FrameDataset(data, options, train=True))


def test_a_depth_run_is_stored_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    sigma = np.random.default_rng(0).uniform(0.1, 0.3, (12, 20)).astype(np.float32)
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").touch()
    (run / "model.safetensors").touch()

    def by_run(path: Path, device: str, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        yield from ((row, sigma) for row in rows)

    monkeypatch.setattr(depth_port, "_by_run", by_run)
    found = depth_port.with_estimates(Manifest(video(tmp_path, 2), tmp_path), str(run), (12, 20))
    np.testing.assert_array_equal(read_sigmoid(found.path(1, "estimate")), np.rint(sigma.astype(np.float64) * 65535))
    options = FrameOptions(height=12, width=20, offsets=(), load_inverse_depth="estimate", load_estimate=True)
    sample = FrameDataset(found, options, train=False)[0]
    np.testing.assert_allclose(sample["inverse_depth"][0], 1 + 65535 * sigma / 256, atol=0.5 / 256 + 1e-4)
    assert sample["estimate"].min() == 0
    assert sample["estimate"].max() == 1
