import json
import os

import av
import numpy as np
import pytest
from PIL import Image

from tests.evaluation import class_runs
from tests.evaluation.class_runs import HEIGHT, OVERRIDES, SPACE, WIDTH
from vergence.api import predict
from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.images import read_image
from vergence.data.labels import label_space
from vergence.data.masks.label_pictures import read_label
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.class_files import painted, write_label_png
from vergence.inference.predict import summary
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config


class RedMethod(class_runs.RedMethod):
    """Counts the pictures that it is shown."""

    def __init__(self):
        super().__init__()
        self.shown = 0

    def predict(self, images):
        self.shown += len(images)
        return super().predict(images)


class BothMethod(RedMethod):
    tasks = ("depth", "segmentation")

    def predict(self, images):
        return {**super().predict(images), "inverse_depth": images[:, :1] + 0.01}


class DepthMethod(BothMethod):
    tasks = ("depth",)


def made_run(tmp_path, method=None):
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.options = FrameOptions(height=HEIGHT, width=WIDTH)
    return LoadedRun(path=tmp_path / "run", config=config, method=method or RedMethod(), step=7)


def picture(left, right, size=(HEIGHT, WIDTH)):
    image = np.full((*size, 3), 60, np.uint8)
    image[..., 0] = 100 * left
    image[:, size[1] // 2 :, 0] = 100 * right
    return image


def folder(tmp_path, count=3, size=(HEIGHT, WIDTH)):
    path = tmp_path / "frames"
    path.mkdir()
    for number in range(count):
        Image.fromarray(picture(0, number, size)).save(path / f"{number:03d}.png")
    return path


def test_files_at_the_inputs_own_resolution(tmp_path):
    size = (90, 200)
    record = predict(made_run(tmp_path), folder(tmp_path, size=size), tmp_path / "out", confidence=True)
    written = ["confidence", "labels", "manifest.parquet", "overlay", "predictions.json", "results.jsonl"]
    assert sorted(os.listdir(tmp_path / "out")) == written
    ids = read_label(tmp_path / "out" / "labels" / "002.png")
    assert ids.shape == size
    assert (ids[:, :95] == 0).all()
    assert (ids[:, 105:] == 2).all()
    shown = read_image(tmp_path / "out" / "labels" / "002.png")  # as a viewer shows it
    assert tuple(shown[0, 0]) == SPACE.colours[0]
    assert tuple(shown[0, -1]) == SPACE.colours[2]
    overlay = read_image(tmp_path / "out" / "overlay" / "002.jpg").astype(float)
    expected = 0.45 * np.array([200, 60, 60]) + 0.55 * np.array(SPACE.colours[2])
    np.testing.assert_allclose(overlay[40, -1], expected, atol=3)
    confidence = np.asarray(Image.open(tmp_path / "out" / "confidence" / "002.png"))
    sure = 255 / (1 + np.exp(-5) + np.exp(-10))
    np.testing.assert_allclose(confidence[:, 0], sure, atol=0.51)
    assert record["classes"][1] == {"id": 1, "name": "road", "colour": [128, 64, 128]}
    assert label_space(record["label_space"]) == SPACE
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == record
    assert summary(record) == "3 frames, 3 classes of toy, step 7"
    assert "unit" not in record


def test_label_files_keep_ids_that_are_no_class_and_overlays_leave_them_out(tmp_path):
    ids = np.array([[0, 2, 255]], np.uint8)
    assert read_label(write_label_png(tmp_path / "a.png", ids, SPACE)).tolist() == ids.tolist()
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
    image = np.full((1, 3, 3), 100, np.uint8)
    assert painted(image, ids, SPACE)[0, 2].tolist() == [100, 100, 100]


def test_existing_frames_are_skipped(tmp_path):
    run, frames = made_run(tmp_path), folder(tmp_path)
    predict(run, frames, tmp_path / "out", overlay=False)
    assert run.method.shown == 3
    (tmp_path / "out" / "labels" / "001.png").unlink()
    assert predict(run, frames, tmp_path / "out", overlay=False)["frames"] == 3
    assert run.method.shown == 4
    predict(run, frames, tmp_path / "out")  # the overlays are missing
    assert run.method.shown == 7
    predict(run, frames, tmp_path / "out", window="64x64")  # other settings: all again
    assert run.method.shown >= 10


def test_depth_and_classes_of_one_pass(tmp_path):
    run = made_run(tmp_path, BothMethod())
    record = predict(run, folder(tmp_path), tmp_path / "out", array=True)
    written = ["array", "colour", "depth", "labels", "manifest.parquet", "overlay", "predictions.json", "results.jsonl"]
    assert sorted(os.listdir(tmp_path / "out")) == written
    assert {"png_factor", "classes"} <= record.keys()
    assert summary(record) == "3 frames, depth unscaled, 3 classes of toy, step 7"
    assert (read_label(tmp_path / "out" / "labels" / "001.png")[:, -60:] == 1).all()


def test_video_of_overlays(tmp_path):
    path = write_video(tmp_path / "drive.mp4", (picture(0, k % 3) for k in range(5)), 10)
    record = predict(made_run(tmp_path), path, tmp_path / "out")
    assert record["videos"] == ["overlay.mp4"]
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]
    assert len(frames) == 5
    height, width, _ = frames[0].shape
    assert width == WIDTH
    assert height > 2 * HEIGHT  # a legend below
    both = predict(made_run(tmp_path, BothMethod()), path, tmp_path / "both")
    assert both["videos"] == ["colour.mp4", "overlay.mp4"]


def test_windows_and_flip(tmp_path):
    frames = folder(tmp_path)
    plain = predict(made_run(tmp_path), frames, tmp_path / "plain")
    other = predict(made_run(tmp_path), frames, tmp_path / "other", window="64x64", flip=True)
    assert plain["window"] is None
    assert other["window"] == "windows of 64x64 overlapping by 50%"
    for name in ("000", "001", "002"):
        labels = [read_label(tmp_path / place / "labels" / f"{name}.png") for place in ("plain", "other")]
        assert (labels[0] == labels[1]).all()


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (RedMethod, {"array": True}, "predicts no depth, so array is not possible"),
        (RedMethod, {"scale": "truth"}, "predicts no depth, so scale is not possible"),
        (DepthMethod, {"confidence": True}, "predicts no classes, so confidence is not possible"),
        (RedMethod, {"labels": False, "overlay": False}, "there is nothing to write"),
        (RedMethod, {"window": "huge"}, "window 'huge' is no size"),
    ],
)
def test_bad_arguments(tmp_path, method, arguments, message):
    with pytest.raises(InputError, match=message):
        predict(made_run(tmp_path, method()), folder(tmp_path), tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
