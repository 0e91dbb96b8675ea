"""The examples run as they stand, on a short video and runs of untrained networks, and are short."""

import csv
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.exported_runs import both_run
from tests.small_data_sets import clip, write_video
from tests.small_runs import HEIGHT, WIDTH
from vergence.models import DepthNetworkConfig, build_depth_network

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a run of depth and classes, and a folder of frames."""
    monkeypatch.chdir(tmp_path)
    both_run(tmp_path / "run")
    (tmp_path / "frames").mkdir()
    for number, picture in enumerate(clip()[:6]):
        picture.save(tmp_path / "frames" / f"{number:03d}.png")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> dict[str, Any]:
    """The names that a script leaves."""
    monkeypatch.setattr(sys, "argv", [name, *words])
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


def test_there_are_four_and_they_are_short() -> None:
    assert [path.stem for path in EXAMPLES] == ["batch_folder", "export_and_run", "own_training_loop", "stream_camera"]
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 40 for path in EXAMPLES)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert all(f"examples/{path.name}" in page for path in EXAMPLES)


def test_own_training_loop(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    left = run(monkeypatch, "own_training_loop", "frames", "2")
    assert "step 2  loss 0." in capsys.readouterr().out
    assert all(parameter.grad is not None for parameter in left["motion"].parameters())
    network = build_depth_network(DepthNetworkConfig(weights="none"))
    network.load_state_dict(torch.load("depth_network.pt", weights_only=True))


def test_stream_of_a_video(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2", reason="cameras are read by OpenCV: pip install 'vergence[flow]'")
    write_video("drive.mp4", 4)
    run(monkeypatch, "stream_camera", "run", "drive.mp4")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("ahead" in line and line.endswith("unscaled") for line in lines)


def test_stream_of_a_camera(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cv2 = pytest.importorskip("cv2", reason="cameras are read by OpenCV: pip install 'vergence[flow]'")
    frames = [np.asarray(picture)[..., ::-1] for picture in clip()[:3]]

    class Capture:
        """A camera that is unplugged after three pictures."""

        def __init__(self, number: int) -> None:
            assert number == 1

        def set(self, key: int, value: float) -> None:
            assert (key, value) == (cv2.CAP_PROP_BUFFERSIZE, 1)

        def read(self) -> tuple[bool, Any]:
            return (True, frames.pop(0)) if frames else (False, None)

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    with pytest.raises(SystemExit, match="camera 1 gives no pictures"):
        run(monkeypatch, "stream_camera", "run", "1")
    assert len(capsys.readouterr().out.splitlines()) >= 2  # of the last one nobody has asked


def test_batch_folder(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "batch_folder", "run", "frames", "out")
    written = sorted(Path("out").glob("*.npz"))
    assert [path.stem for path in written] == [f"{number:03d}" for number in range(6)]
    arrays = np.load(written[0])
    width, height = clip()[0].size
    assert {name: arrays[name].shape for name in arrays} == dict.fromkeys(
        ("depth", "classes", "confidence"), (height, width)
    )
    with Path("out/pictures.csv").open() as file:
        first, *rows = csv.reader(file)
    assert len(rows) == 6
    assert all(abs(sum(map(float, row[2:])) - 1) < 0.01 for row in rows)
    assert len(first) == len(rows[0])
    written[2].unlink()
    before = {path: path.stat().st_mtime_ns for path in written if path.exists()}
    run(monkeypatch, "batch_folder", "run", "frames", "out")
    assert "1 pictures, 5 were there" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_export_and_run(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="models are exported by ONNX's packages: pip install 'vergence[export]'")
    left = run(monkeypatch, "export_and_run", "run", os.fspath(Path("frames") / "000.png"))
    assert left["maps"]["depth"].shape == (1, 1, HEIGHT, WIDTH)
    assert left["same"].depth.shape == clip()[0].size[::-1]
    assert f"ms at {WIDTH}x{HEIGHT}" in capsys.readouterr().out
