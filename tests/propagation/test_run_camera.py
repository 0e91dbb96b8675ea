"""A depth run of another camera is told from one of this camera, before anything is written."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.data.bucket_server import BUCKET, bucket_server
from tests.propagation.test_checks import video
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.propagation.propagate import Propagation, propagate
from vergence.propagation.run_camera import other_camera

HERE = {"fx": 0.8, "fy": 1.6, "cx": 0.5, "cy": 0.5}


def seen_by(camera: dict[str, float], folder: Path, size: tuple[int, int] = (96, 48)) -> Manifest:
    Image.new("RGB", size).save(folder / "seen.png")
    return Manifest([FrameRow("seen.png", "s", 0, "train", **camera)], folder)


def run_of(trained: Manifest, folder: Path, **options: Any) -> Any:
    """A run that learned from a manifest."""
    frames = SimpleNamespace(
        source=str(trained.write(folder / "trained.csv")),
        train_split="train",
        options=FrameOptions(height=48, width=96, **options),
    )
    method = SimpleNamespace(tasks=("depth",), pose="network", intrinsics_head=None)
    return SimpleNamespace(path=Path("runs/other"), config=SimpleNamespace(frames=frames), method=method)


@pytest.mark.parametrize(
    ("trained", "differs"),
    [
        ({**HERE, "fx": 0.85, "fy": 1.7}, False),
        ({**HERE, "fx": 0.55, "fy": 1.1}, True),
        ({}, False),  # 60 degrees were taken for it, which is a focal length of 0.87 widths
    ],
)
def test_cameras_differ_by_their_fields_of_view(tmp_path: Path, trained: dict[str, float], differs: bool) -> None:
    run, here = run_of(seen_by(trained, tmp_path), tmp_path), seen_by(HERE, tmp_path)
    said = other_camera(run, here, [0], 60.0)
    assert bool(said) == differs
    if differs:
        assert "runs/other learned from a camera that sees 85 degrees across and 49 down" in said
        assert "see 64 degrees across and 35 down" in said


def test_without_intrinsics_the_aspect_tells_and_the_guess_counts(tmp_path: Path) -> None:
    run = run_of(seen_by({}, tmp_path, (96, 32)), tmp_path)
    (tmp_path / "square").mkdir()
    assert other_camera(run, seen_by({}, tmp_path / "square", (64, 64)), [0], 60.0)
    wide = seen_by({}, tmp_path / "square", (96, 32))
    assert not other_camera(run, wide, [0], 60.0)
    assert other_camera(run, wide, [0], 90.0)
    cropped = run_of(wide, tmp_path, fit="crop")
    assert not other_camera(cropped, wide, [0], 60.0)
    assert "42 degrees across" in other_camera(cropped, wide, [0], 90.0), "two thirds of the width are seen"


def test_one_of_several_cameras_of_training_is_enough(tmp_path: Path) -> None:
    one = seen_by(HERE, tmp_path)
    two = Manifest([one[0], replace(one[0], sequence="t", fx=0.4, fy=0.8)], tmp_path)
    assert not other_camera(run_of(two, tmp_path), one, [0], 60.0)


def test_of_frames_that_are_gone_and_cameras_that_were_learned_nothing_is_said(tmp_path: Path) -> None:
    here = seen_by(HERE, tmp_path)
    run = run_of(seen_by({**HERE, "fx": 0.3}, tmp_path), tmp_path)
    assert other_camera(run, here, [0], 60.0)
    run.method.intrinsics_head = object()
    assert not other_camera(run, here, [0], 60.0)
    run.method.intrinsics_head = None
    Path(run.config.frames.source).unlink()
    assert not other_camera(run, here, [0], 60.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frames_of_training_in_a_bucket_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    here = seen_by(HERE, tmp_path)
    run = run_of(seen_by({**HERE, "fx": 0.3}, tmp_path), tmp_path)
    with bucket_server(monkeypatch) as bucket:
        run.config.frames.source = f"{bucket.put(tmp_path, 'data')}/trained.csv"
        assert "learned from a camera that sees" in other_camera(run, here, [0], 60.0)
        run.config.frames.source = f"s3://{BUCKET}/gone/trained.csv"
        assert not other_camera(run, here, [0], 60.0)


def test_geometry_is_refused_and_auto_goes_on_by_flow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")
    manifest = video(tmp_path)
    run = run_of(seen_by({**HERE, "fx": 0.4, "fy": 0.8}, tmp_path), tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="or the true --field_of_view, or use --motion flow"):
        propagate(manifest, tmp_path / "out.csv", Propagation("geometry"), run)
    assert sorted(tmp_path.rglob("*")) == before
    with caplog.at_level(logging.WARNING, "vergence"):
        record = propagate(manifest, tmp_path / "out.csv", Propagation(), run)
    assert "labels are carried by flow alone" in caplog.text
    assert record["motion"] == "flow"
