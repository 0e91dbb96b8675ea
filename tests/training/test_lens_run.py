"""From a fisheye folder to a run, its predictions and its scores: toy town through the forward model of a lens."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.api import predict
from vergence.data.imaging.images import frame_depth, open_frame, read_depth
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.toytown import TownOptions, write_toytown
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens
from vergence.runs.config import load_config
from vergence.training.train import train

WIDTH, HEIGHT = 128, 64
LENS = Lens("fisheye", (-0.03, 0.004, 0.0, 0.0))
BENT = Camera(fx=120.0, fy=120.0, cx=63.5, cy=31.5, width=WIDTH, height=HEIGHT)
CALIBRATION = """%YAML:1.0
---
image_width: 128
image_height: 64
fisheye_model: 1
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 120., 0., 63.5, 0., 120., 31.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 4
   cols: 1
   dt: d
   data: [ -0.03, 0.004, 0., 0. ]
"""


def seen(values: np.ndarray, camera: Camera, rays: np.ndarray) -> np.ndarray:
    """What lies under rays (x / z, y / z) in a map of a pinhole camera, by the nearest neighbour."""
    columns = np.rint(rays[..., 0] * camera.fx + camera.cx).astype(int)
    rows = np.rint(rays[..., 1] * camera.fy + camera.cy).astype(int)
    assert 0 <= columns.min() <= columns.max() < camera.width
    assert 0 <= rows.min() <= rows.max() < camera.height
    return values[rows, columns]


def pixels(camera: Camera) -> np.ndarray:
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy], axis=-1)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Manifest, Camera]:
    """A folder of fisheye frames with depth and an OpenCV calibration, and the pinhole frames they were made of."""
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    size = TownOptions(width=4 * WIDTH, height=4 * HEIGHT)
    town = Manifest.read(write_toytown(tmp_path / "town", size, {"train": 1}, frames=5, workers=1))
    row = town[0]
    camera = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, size.width, size.height)
    rays = LENS.straighten(pixels(BENT))
    for name in ("images", "lidar_depth"):
        (tmp_path / "clip" / name).mkdir(parents=True)
    for index in range(len(town)):
        picture = np.asarray(Image.open(town.path(index)))
        Image.fromarray(seen(picture, camera, rays)).save(tmp_path / f"clip/images/{index:03d}.png")
        depth = seen(read_depth(town.path(index, "depth")), camera, rays)
        stored = np.rint(depth * 256).astype(np.uint16)
        Image.fromarray(stored).save(tmp_path / f"clip/lidar_depth/{index:03d}.png")
    (tmp_path / "clip/calibration.yml").write_text(CALIBRATION)
    return tmp_path / "clip", town, camera


def test_train_predict_and_evaluate(clip: tuple[Path, Manifest, Camera], tmp_path: Path) -> None:
    folder, town, wide = clip
    found = resolve_input(folder, split=False)
    row = found[0]
    assert row.lens.startswith("fisheye ")
    straight = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, WIDTH, HEIGHT)
    truth = seen(read_depth(town.path(0, "depth")), wide, pixels(straight))
    depth = frame_depth(found, 0)
    assert depth is not None
    both = (truth > 0) & (depth > 0)
    assert both.mean() > 0.5
    assert np.median(np.abs(depth[both] / truth[both] - 1)) < 0.02  # the rest are edges
    picture = seen(np.asarray(Image.open(town.path(0))).astype(float), wide, pixels(straight))
    assert np.median(np.abs(np.asarray(open_frame(found, 0)) - picture)) < 6

    data = str(found.write(tmp_path / "clip.parquet"))
    values = {
        "frames.options.width": WIDTH,
        "frames.options.height": HEIGHT,
        "frames.options.offsets": [-1, 1],
        "frames.batch_size": 1,
        "frames.workers": 0,
        "train.steps": 2,
        "train.evaluate_every": 0,
        "network.weights": "none",
        "pose.weights": "none",
    }
    run = train(load_config("depth-toytown-tiny", values, data), tmp_path / "run")
    result = predict(run, folder, tmp_path / "out", array=True)
    assert result["frames"] == 5
    with Image.open(tmp_path / "out/colour/images/000.jpg") as shown:
        assert shown.size == (WIDTH, HEIGHT)
    scored = evaluate(run, data, Scoring("plain", baselines=False), split="all")
    assert scored["images"] == 5
    assert 0 < scored["rows"][0]["abs_rel"] < 10
