"""Motion between the frames of a video: which kind, and from which pictures."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.propagation.video_motion import VideoMotion, working_frame


def run(tasks: tuple[str, ...] = ("depth",), pose: object = "network") -> Any:
    return SimpleNamespace(path=Path("runs/a"), method=SimpleNamespace(tasks=tasks, pose=pose))


def test_frames_are_no_wider_than_the_working_width(tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 80, 3), 51, np.uint8)).save(tmp_path / "a.png")
    manifest = Manifest([FrameRow("a.png", "a", 0)], tmp_path)
    assert working_frame(manifest, 0, 100).shape == (3, 30, 80)
    small = working_frame(manifest, 0, 40)
    assert small.shape == (3, 15, 40)
    torch.testing.assert_close(small, torch.full_like(small, 0.2))


def test_geometry_needs_a_run_that_knows_depth_and_motion() -> None:
    with pytest.raises(InputError, match="--motion geometry needs a depth run"):
        VideoMotion(None, "geometry", 60)
    with pytest.raises(InputError, match="runs/a predicts no depth"):
        VideoMotion(run(("segmentation",)), "auto", 60)
    with pytest.raises(InputError, match="has no pose network"):
        VideoMotion(run(pose=None), "geometry", 60)
    motion = VideoMotion(run(), "geometry", 60)
    assert (motion.describe(), motion.flow) == ("geometry", None)


def test_flow_follows_a_picture_that_moves() -> None:
    pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")
    motion = VideoMotion(run(("segmentation",)), "flow", 60)
    assert (motion.describe(), motion.run) == ("flow", None)
    small = np.random.default_rng(0).integers(0, 256, (16, 30), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(small).resize((240, 128), Image.Resampling.BICUBIC))
    frames = [torch.from_numpy(wide[:, 40 - 4 * k : 200 - 4 * k].copy()).expand(3, -1, -1) for k in range(2)]
    ((ahead, back),) = motion.pairs(Manifest([], Path()), (0, 1), frames)
    assert ahead.shape == back.shape == (2, 128, 160)
    assert float(ahead[0, 30:-30, 30:-30].median()) == pytest.approx(4, abs=0.5)
    assert float(back[0, 30:-30, 30:-30].median()) == pytest.approx(-4, abs=0.5)
    assert float(ahead[1, 30:-30, 30:-30].abs().median()) < 0.5


def test_geometry_that_explains_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    motion = VideoMotion(run(), "geometry", 60)
    noise = torch.randint(0, 256, (3, 24, 40), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    moving = [noise[:, :, k : k + 32] for k in range(3)]
    shift = torch.zeros(2, 24, 32)
    shift[0] = -1
    assert len(list(motion._compared(iter([(shift, -shift)] * 2), moving, "drive"))) == 2
    assert not caplog.records
    list(motion._compared(iter([(shift, -shift)] * 2), [noise[:, :, :32]] * 3, "yard "))
    assert "yard: the geometry of runs/a explains these frames no better than a camera that stands still" in caplog.text
