import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.calibrations import LENSES
from vergence.data.caching.cache import FrameCache
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.images import frame_depth, open_frame
from vergence.data.labels import label_space
from vergence.data.layouts import resolve_input
from vergence.data.lenses import straightening
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, straight_pixels
from vergence.inference.inputs import ground_truth_label

CAMERA = Camera(fx=110.0, fy=112.0, cx=80.0, cy=61.0, width=160, height=120)


def scene(x, y):
    """Grey level of a ray (x / z, y / z): smooth, so that resampling is exact to a few levels."""
    return 128 + 60 * np.sin(4 * x + 0.3) + 50 * np.cos(5 * y - 2 * x)


def pixel_rays(camera):
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    return (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy


@pytest.fixture(params=LENSES)
def clip(request, tmp_path):
    """Frames, depth 2 + x and labels (ray right of the axis) as a lens that bends sees them."""
    lens = Lens(request.param, tuple(LENSES[request.param]))
    bent = np.stack(pixel_rays(CAMERA), axis=-1)
    rays = lens.straighten(bent)
    x, y = rays[..., 0], rays[..., 1]
    (tmp_path / "images").mkdir()
    (tmp_path / "lidar_depth").mkdir()
    for number in range(3):
        grey = np.nan_to_num(scene(x, y) - 5 * number).clip(0, 255).astype(np.uint8)
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / f"images/{number:03d}.png")
        depth = np.nan_to_num(2 + x)
        Image.fromarray(np.rint(depth * 256).astype(np.uint16)).save(tmp_path / f"lidar_depth/{number:03d}.png")
        Image.fromarray((x > 0.1).astype(np.uint8)).save(tmp_path / f"label{number}.png")
    names = ("width", "height", "fx", "fy", "cx", "cy")
    text = {name: getattr(CAMERA, name) for name in names}
    text |= {"distortion": LENSES[request.param], "model": request.param}
    (tmp_path / "intrinsics.json").write_text(json.dumps(text))
    found = resolve_input(tmp_path, split=False)
    space = "two:left#000000,right#ffffff"
    return found.changed(lambda row: dataclasses.replace(row, label=f"label{row.position}.png", label_space=space))


def straight_camera_of(manifest):
    row = manifest[0]
    return Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, row.width, row.height)


def test_pictures_are_those_of_the_pinhole_camera(clip):
    x, y = pixel_rays(straight_camera_of(clip))
    picture = np.asarray(open_frame(clip, 0))[..., 0].astype(float)
    assert np.abs(picture - scene(x, y)).max() < 2.5
    stored = np.asarray(Image.open(clip.path(0)))[..., 0].astype(float)
    assert np.abs(stored - scene(x, y)).max() > 20  # as it was


def test_depth_and_labels_follow(clip):
    x, _ = pixel_rays(straight_camera_of(clip))
    depth = frame_depth(clip, 0)
    assert (depth > 0).all()
    assert np.abs(depth - (2 + x)).max() < 0.012  # half a pixel and 1/256 m
    label = ground_truth_label(clip, 0, label_space("two:left#000000,right#ffffff"))
    off = np.abs(x - 0.1) > 1 / CAMERA.fx
    np.testing.assert_array_equal(label[off], (x > 0.1)[off])


def test_sparse_points_stay_and_land_where_they_are_seen(clip):
    found = straightening(clip[0], (120, 160))
    depth = np.zeros((120, 160), np.float32)
    depth[30:100:10, 30:140:10] = np.random.default_rng(0).uniform(1, 9, (7, 11))
    straight = found.depth(depth)
    assert set(depth[depth > 0]) == set(straight[straight > 0])
    y, x = np.nonzero(depth)
    places = np.rint(straight_pixels(found.lens, found.stored, found.straight, np.stack([x, y], -1).astype(float)))
    near = places.astype(int)
    assert (straight[near[:, 1], near[:, 0]] == depth[y, x]).all()


def test_samples_and_the_cache_hold_straight_frames(clip, tmp_path):
    options = FrameOptions(height=120, width=160, offsets=(-1, 1), label_space="two:left#000000,right#ffffff")
    options = dataclasses.replace(options, load_label=True, load_depth=True)
    for _ in range(2):  # made, then read
        data = FrameDataset(clip, options, train=False, cache=FrameCache(tmp_path / "cache", 120, 160))
        sample = data[1]
        picture = np.asarray(open_frame(clip, 1))[..., 0]
        np.testing.assert_array_equal(sample["frames"][0, 0].numpy(), picture)
        np.testing.assert_array_equal(sample["frames"][1, 0].numpy(), np.asarray(open_frame(clip, 0))[..., 0])
        camera = straight_camera_of(clip)
        assert sample["intrinsics"][0, 0, 0].item() == pytest.approx(camera.fx, rel=1e-5)
        np.testing.assert_array_equal(sample["depth"][0].numpy(), frame_depth(clip, 1))
    bent = clip.changed(lambda row: dataclasses.replace(row, lens=""))
    raw = FrameDataset(bent, options, train=False, cache=FrameCache(tmp_path / "cache", 120, 160))[1]
    assert not np.array_equal(raw["frames"][0, 0].numpy(), picture)  # another entry of the cache


def test_manifests_keep_the_lens(clip, tmp_path):
    for suffix in ("csv", "parquet"):
        again = Manifest.read(clip.write(tmp_path / f"m.{suffix}"))
        assert again[0].lens == clip[0].lens
        np.testing.assert_array_equal(np.asarray(open_frame(again, 0)), np.asarray(open_frame(clip, 0)))


def test_stereo_must_be_rectified(clip):
    with pytest.raises(InputError, match="must be rectified"):
        clip.changed(lambda row: dataclasses.replace(row, stereo="right.png", baseline=0.1))
