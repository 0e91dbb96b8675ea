"""Estimates of a depth port are kept."""

from pathlib import Path

import pytest

from tests.inference.foreign import SIZE, Session, frames, use
from vergence.data.estimate_files import read_estimate
from vergence.inference.depth_port import with_estimates


def test_estimates_of_a_port_are_kept(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    use(monkeypatch, Session)
    manifest = frames(tmp_path)
    first = with_estimates(manifest, f"onnx:{model}", SIZE)
    Session.seen.clear()
    assert [row.estimate for row in with_estimates(manifest, f"onnx:{model}", SIZE)] == [row.estimate for row in first]
    assert Session.seen == []
    assert read_estimate(first[0].estimate).shape == SIZE
