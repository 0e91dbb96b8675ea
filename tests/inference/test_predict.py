import json
import os

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.predicted import HEIGHT, WIDTH, RedMethod, depth_of, folder, made_run, picture
from tests.ply import read_ply
from vergence.api import predict
from vergence.data.imaging.images import read_image
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import read_depth_png
from vergence.data.rows.frame_row import FrameRow
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.video_legend import depth_legend


def test_image_at_its_own_resolution_unscaled(tmp_path):
    size = (90, 200)
    image = picture(np.tile(np.linspace(0, 255, size[1]).round(), (size[0], 1)), size)
    Image.fromarray(image).save(tmp_path / "a.png")
    record = predict(made_run(tmp_path), tmp_path / "a.png", tmp_path / "out", array=True)
    assert record["unit"] == "unscaled"
    assert record["frames"] == 1
    depth = np.load(tmp_path / "out" / "array" / "a.npy")
    assert depth.shape == size
    assert depth.dtype == np.float32
    # resized as inverse depth: smooth there, and exact in the middle of a ramp
    np.testing.assert_allclose(1 / depth[45, 20:180], image[45, 20:180, 0] / 255 + 0.01, atol=0.01)
    stored = read_depth_png(tmp_path / "out" / "depth" / "a.png", record["png_factor"])
    np.testing.assert_allclose(stored, depth, atol=0.5 / record["png_factor"] + 1e-5)
    assert record["png_factor"] * 100 <= 65535
    assert json.loads((tmp_path / "out" / "predictions.json").read_text()) == record


def test_video_in_video_out(tmp_path):
    path = write_video(tmp_path / "drive.mp4", (picture(40 + 20 * k) for k in range(8)), 12.5)
    record = predict(made_run(tmp_path), path, tmp_path / "out")
    assert record["frames"] == 8
    assert sorted(os.listdir(tmp_path / "out" / "depth")) == [f"{k:06d}.png" for k in range(8)]
    with av.open(str(tmp_path / "out" / "colour.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(12.5)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 8
    strip = depth_legend(record, "magma")(WIDTH, "")
    assert frames[0].shape == (2 * HEIGHT + len(strip), WIDTH, 3)  # the input above the colours, the legend below
    np.testing.assert_allclose(frames[5][2 * HEIGHT :].astype(int).mean((0, 1)), strip.mean((0, 1)), atol=12)
    np.testing.assert_allclose(frames[2][:HEIGHT, :, 0].mean(), 80, atol=6)
    brightness = [frame[HEIGHT : 2 * HEIGHT].mean() for frame in frames]
    assert brightness == sorted(brightness)  # nearer and nearer: with a range of its own each frame would look the same
    assert not any(name.endswith("_frames") for name in os.listdir(tmp_path))
    assert read_image(tmp_path / "out" / "colour" / "000000.jpg").shape == (HEIGHT, WIDTH, 3)  # maps have no legend
    predict(made_run(tmp_path), path, tmp_path / "out", legend=False)
    with av.open(str(tmp_path / "out" / "colour.mp4")) as container:
        assert container.streams.video[0].height == 2 * HEIGHT


def test_scales(tmp_path):
    frames = folder(tmp_path, (100, 100))
    truth = np.zeros((HEIGHT, WIDTH), np.float32)
    truth[3, 4:9] = 3 * depth_of(100)
    np.save(tmp_path / "t.npy", truth)
    rows = [FrameRow(f"{k:03d}.png", "s", k, depth=str(tmp_path / "t.npy") if k else "") for k in range(2)]
    manifest = Manifest(rows, frames)
    assert predict(made_run(tmp_path), manifest, tmp_path / "a", scale="truth")["factor"] == pytest.approx(3, rel=1e-4)
    given = predict(made_run(tmp_path, RedMethod(5.4)), frames, tmp_path / "b", scale=2.5)
    assert (given["factor"], given["unit"]) == (2.5, "metres")
    assert "given" in given["scale"]
    assert predict(made_run(tmp_path, RedMethod(5.4)), frames, tmp_path / "b", scale="2.5") == given
    with pytest.raises(InputError, match="unscaled"):
        predict(made_run(tmp_path), frames, tmp_path / "c", scale="metric")
    with pytest.raises(InputError, match="no frame shows measured depth"):
        predict(made_run(tmp_path), frames, tmp_path / "c", scale="truth")
    with pytest.raises(InputError, match="positive factor"):
        predict(made_run(tmp_path), frames, tmp_path / "c", scale="big")
    with pytest.raises(InputError, match="give one of them"):
        predict(made_run(tmp_path), frames, tmp_path / "c", scale=1.0, camera_height=1.6)
    assert not (tmp_path / "c").exists()


def test_camera_height_gives_metres_on_level_ground(tmp_path):
    class Ground(RedMethod):
        def predict(self, images):
            rows = (torch.arange(HEIGHT) - 0.5 * HEIGHT) / (2.0 * HEIGHT)
            inverse = (rows / 0.5).clamp(min=0.02).reshape(1, 1, -1, 1).expand(len(images), 1, HEIGHT, WIDTH)
            return {"inverse_depth": inverse, "disparity": inverse}

    frames = folder(tmp_path)
    camera = {"fx": 1.0, "fy": 2.0, "cx": 0.5, "cy": 0.5}
    manifest = Manifest([FrameRow(f"{k:03d}.png", "s", k, **camera) for k in range(3)], frames)
    record = predict(made_run(tmp_path, Ground()), manifest, tmp_path / "out", camera_height=1.5)
    assert record["factor"] == pytest.approx(3.0, rel=1e-3)  # the network says 0.5 units above ground
    assert record["unit"] == "metres"


def test_point_clouds_have_colours_and_known_or_guessed_cameras(tmp_path):
    frames = folder(tmp_path, (100,))
    row = FrameRow("000.png", "s", 0, fx=1.0, fy=2.0, cx=0.5, cy=0.5)
    record = predict(made_run(tmp_path), Manifest([row], frames), tmp_path / "a", cloud=True)
    cloud = read_ply(tmp_path / "a" / "cloud" / "000.ply")
    depth = depth_of(100)
    assert record["camera"] == "known"
    assert cloud.points.shape == (HEIGHT * WIDTH, 3)
    np.testing.assert_allclose(cloud.points[:, 2], depth, rtol=1e-5)
    np.testing.assert_allclose(cloud.points[0], [-0.5 * depth, -0.25 * depth, depth], rtol=1e-5)
    np.testing.assert_array_equal(cloud.colours[0], [100, 77, 0])
    record = predict(made_run(tmp_path), frames, tmp_path / "b", cloud=True, field_of_view=90.0)
    assert record["camera"] == "guessed from a field of view of 90 degrees"
    wide = read_ply(tmp_path / "b" / "cloud" / "000.ply").points
    assert np.ptp(wide[:, 0]) == pytest.approx(2 * depth, rel=0.02)


def test_sky_is_left_out_of_point_clouds(tmp_path):
    frames = folder(tmp_path, (255,))
    image = picture(255)
    image[:20, :, 0] = 0
    Image.fromarray(image).save(frames / "000.png")
    predict(made_run(tmp_path), frames, tmp_path / "out", cloud=True)
    assert len(read_ply(tmp_path / "out" / "cloud" / "000.ply").points) == (HEIGHT - 20) * WIDTH


def test_names_follow_the_folders_and_never_leave_the_output(tmp_path):
    frames = folder(tmp_path)
    (frames / "deep").mkdir()
    Image.fromarray(picture(9)).save(frames / "deep" / "000.png")
    rows = [FrameRow("000.png", "s", 0), FrameRow("deep/000.png", "t", 0)]
    predict(made_run(tmp_path), Manifest(rows, frames), tmp_path / "a", colour=False)
    assert (tmp_path / "a" / "depth" / "deep" / "000.png").exists()
    outside = [FrameRow("../000.png", "../s", 0), FrameRow("001.png", "s", 1, camera="left")]
    predict(made_run(tmp_path), Manifest(outside, frames / "deep"), tmp_path / "b", colour=False, limit=1)
    written = [path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.png")]
    assert [str(path) for path in written] == ["depth/_s/000000.png"]


def test_real_method_agrees_with_its_own_forward_pass(tmp_path):
    from vergence.methods import DepthMethod

    run = made_run(tmp_path)
    torch.manual_seed(0)
    run.method = DepthMethod(
        getattr(run.config, "depth", None) or run.config.settings, run.config.frames.options
    ).eval()
    frames = folder(tmp_path, (100, 200))
    record = predict(run, frames, tmp_path / "out", array=True, colour=False)
    with torch.no_grad():
        image = torch.from_numpy(picture(200)).permute(2, 0, 1)[None] / 255
        expected = 1 / run.method.predict(image)["inverse_depth"][0, 0]
    np.testing.assert_allclose(np.load(tmp_path / "out" / "array" / "001.npy"), expected, rtol=1e-4)
    assert record["png_factor"] == 655.0


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_unreadable_input_is_named(tmp_path, content):
    frames = folder(tmp_path)
    (frames / "001.png").write_bytes(content)
    with pytest.raises(InputError, match=r"001\.png"):
        predict(made_run(tmp_path), frames, tmp_path / "out")


def test_missing_input_broken_video_and_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    for name in ("nowhere", "empty", "broken.mp4"):
        with pytest.raises(InputError, match=name):
            predict(made_run(tmp_path), tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_colour_map(tmp_path):
    with pytest.raises(InputError, match="did you mean 'magma'"):
        predict(made_run(tmp_path), folder(tmp_path), tmp_path / "out", colour_map="magna")


def test_output_that_cannot_be_written_is_told_before_a_frame_is_looked_at(tmp_path, monkeypatch):
    (tmp_path / "out").write_text("in the way")
    monkeypatch.setattr(RedMethod, "predict", None)
    with pytest.raises(InputError, match=r"out cannot be written; give a folder that can be as --out\."):
        predict(made_run(tmp_path), folder(tmp_path), tmp_path / "out")


class TestMapsBesidePictures:
    """Labels and depth maps are predicted no more than they are trained on."""

    def write(self, path, name, values):
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path / name)

    def noise(self, seed):
        return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)

    @pytest.mark.parametrize("count", [1, 3])
    def test_among_frames(self, tmp_path, count):
        for number in range(count):
            self.write(tmp_path / "in", f"{number:03d}.jpg", self.noise(number))
            self.write(tmp_path / "in", f"{number:03d}_mask.png", np.eye(HEIGHT, WIDTH, dtype=np.uint8))
            self.write(tmp_path / "in", f"{number:03d}_depth.png", np.full((HEIGHT, WIDTH), 2560, np.uint16))
        predict(made_run(tmp_path), tmp_path / "in", tmp_path / "out")
        assert sorted(file.name for file in (tmp_path / "out/depth").iterdir()) == [
            f"{k:03d}.png" for k in range(count)
        ]

    def test_in_folders(self, tmp_path):
        for number in range(3):
            self.write(tmp_path / "in/rgb", f"{number:03d}.png", self.noise(number))
            self.write(tmp_path / "in/depth", f"{number:03d}.png", np.full((HEIGHT, WIDTH), 2560, np.uint16))
            self.write(tmp_path / "in/semantic", f"{number:03d}.png", np.eye(HEIGHT, WIDTH, dtype=np.uint8))
        predict(made_run(tmp_path), tmp_path / "in", tmp_path / "out")
        found = sorted(
            file.relative_to(tmp_path / "out/depth").as_posix() for file in tmp_path.glob("out/depth/**/*.png")
        )
        assert found == [f"rgb/{k:03d}.png" for k in range(3)]
