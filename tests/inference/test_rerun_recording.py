"""A Rerun recording holds camera, picture, depth, classes, cloud and path of every frame."""

import sys
from pathlib import Path

import numpy as np
import pytest

import vergence
from tests.inference.stored import picture, stored_run
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError


def test_everything_of_every_frame_is_in_it(tmp_path: Path) -> None:
    rerun = pytest.importorskip("rerun", reason="Rerun is not installed: pip install 'vergence[rerun]'")
    run = stored_run(tmp_path / "seg")
    clip = write_video(tmp_path / "clip.mp4", (np.roll(picture(), number, axis=1) for number in range(3)), 10.0)
    record = vergence.predict(run, clip, tmp_path / "out", to="rerun", video=False, device="cpu")
    path = tmp_path / "out" / record["recording"]
    assert path.stat().st_size > 1000
    from rerun.chunk import RrdReader

    stored = RrdReader(path)
    names = {str(chunk.entity_path) for chunk in stored.stream().to_chunks()}
    wanted = {"/world", "/world/camera", "/world/camera/image", "/world/camera/image/depth",
              "/world/camera/image/classes", "/world/camera/cloud", "/world/path"}  # fmt: skip
    assert wanted <= names
    assert rerun.__version__


def test_without_rerun_it_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    run = stored_run(tmp_path / "seg")
    with pytest.raises(InputError, match=r"pip install 'vergence\[rerun\]'"):
        vergence.predict(run, picture_file(tmp_path), tmp_path / "out", to="rerun", device="cpu")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="to is 'roblox'; give files, rerun or fiftyone"):
        vergence.predict(run, picture_file(tmp_path), tmp_path / "out", to="roblox", device="cpu")


def picture_file(folder: Path) -> Path:
    from PIL import Image

    Image.fromarray(picture()).save(folder / "frame.png")
    return folder / "frame.png"
