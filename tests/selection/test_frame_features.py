"""Features of frames: who computes which."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.small_runs import HEIGHT, WIDTH, write_run
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.shards import Shard
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run
from vergence.selection.frame_features import compute_features


@pytest.mark.parametrize(("number", "total", "expected"), [(1, 3, [1, 2]), (0, 9, []), (0, 1, [0, 1, 2, 3, 4])])
def test_a_shard_computes_its_frames_alone(number: int, total: int, expected: list[int], tmp_path: Path) -> None:
    for frame in range(5):
        Image.new("RGB", (WIDTH, HEIGHT), (40 * frame, 90, 10)).save(tmp_path / f"{frame}.png")
    manifest = Manifest([FrameRow(f"{frame}.png", "s", frame) for frame in range(5)], tmp_path)
    run = load_run(write_run(tmp_path / "run", "depth-toytown-tiny"))
    features = compute_features(run, manifest, tmp_path / "out", shard=Shard(number, total))
    assert np.flatnonzero(features.digests).tolist() == expected
    assert np.flatnonzero(np.abs(features.array).sum(1)).tolist() == expected


def test_a_full_disk_is_told_in_sizes_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "0.png")
    manifest = Manifest([FrameRow("0.png", "s", number) for number in range(9999)], tmp_path)
    run = load_run(write_run(tmp_path / "run", "depth-toytown-tiny"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=200_000))
    with pytest.raises(
        InputError, match=r"features of 9999 frames need \d+\.\d MB in .* and 0\.2 MB are free; free some"
    ):
        compute_features(run, manifest, tmp_path / "out")
