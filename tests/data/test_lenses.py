import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from vergence.data.cache import FrameCache
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.images import frame_depth, open_frame
from vergence.data.labels import label_space
from vergence.data.layouts import resolve_input
from vergence.data.layouts.intrinsics import find_intrinsics, read_cam_txt, read_intrinsics
from vergence.data.lenses import straightening
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, straight_pixels
from vergence.inference.inputs import ground_truth_label

CAMERA = Camera(fx=110.0, fy=112.0, cx=80.0, cy=61.0, width=160, height=120)
LENSES = {"fisheye": [-0.03, 0.004, 0.0, 0.0], "opencv": [-0.25, 0.05, 0.001, -0.0005, 0.0]}


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


def write(tmp_path, **more):
    text = {"width": 160, "height": 120, "fx": 110, "fy": 112, "cx": 80, "cy": 61} | more
    (tmp_path / "intrinsics.json").write_text(json.dumps(text))
    return tmp_path / "intrinsics.json"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"baseline": 0.5}, r"unknown key 'baseline' \(did you mean 'baseline_m'\?\)"),
        ({"distorsion": [0.1]}, r"unknown key 'distorsion' \(did you mean 'distortion'\?\)"),
        ({"model": "fisheye"}, "has a model and no distortion"),
        ({"distortion": [0.1], "model": "fish"}, r"model 'fish' is unknown \(did you mean 'fisheye'\?\)"),
        ({"distortion": [0.1] * 8}, "8 coefficients, at most 5"),
        ({"distortion": [0.1] * 3}, "which may be k1, k2, k3 or k1, k2, p1"),
        ({"distortion": ["a"]}, "expected a finite number"),
        ({"distortion": 0.1}, "expected a list"),
        ({"distortion": {"k9": 1}}, "has no 'k9'"),
        ({"distortion": [-1e9]}, "check the coefficients"),
    ],
)
def test_bad_files(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        read_intrinsics(write(tmp_path, **more))


def test_no_distortion_is_a_pinhole(tmp_path):
    plain = read_intrinsics(write(tmp_path))
    assert repr(read_intrinsics(write(tmp_path, distortion=[0, 0, 0, 0, 0]))) == repr(plain)  # NaN is not NaN
    assert repr(read_intrinsics(write(tmp_path, frames=9, source="a drive"))) == repr(plain)
    assert plain.lens == ""


def test_names_and_forms_of_distortion(tmp_path):
    one = read_intrinsics(write(tmp_path, distortion=[-0.1, 0.02], model="plumb_bob"))
    assert one.lens.startswith("opencv ")
    assert repr(read_intrinsics(write(tmp_path, distortion={"k1": -0.1, "k2": 0.02}))) == repr(one)


def test_stereo_must_be_rectified(clip):
    with pytest.raises(InputError, match="must be rectified"):
        clip.changed(lambda row: dataclasses.replace(row, stereo="right.png", baseline=0.1))


YAML = """%YAML:1.0
---
image_width: 160
image_height: 120
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 110., 0., 80., 0., 112., 61., 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -0.25, 0.05, 0.001, -0.0005, 0. ]
"""
ROS = """image_width: 160
image_height: 120
camera_name: narrow
camera_matrix: {rows: 3, cols: 3, data: [110, 0, 80, 0, 112, 61, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.25, 0.05, 0.001, -0.0005, 0]}
"""
TOPIC = """header: {seq: 1, frame_id: cam}
height: 120
width: 160
distortion_model: plumb_bob
D: [-0.25, 0.05, 0.001, -0.0005, 0]
K: [110, 0, 80, 0, 112, 61, 0, 0, 1]
P: [90, 0, 80, 0, 0, 90, 60, 0, 0, 0, 1, 0]
"""
KALIBR = """cam0:
  camera_model: pinhole
  distortion_coeffs: [-0.25, 0.05, 0.001, -0.0005]
  distortion_model: radtan
  intrinsics: [110, 112, 80, 61]
  resolution: [160, 120]
"""
EUROC = """%YAML:1.0
sensor_type: camera
resolution: [160, 120]
camera_model: pinhole
intrinsics: [110, 112, 80, 61] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [-0.25, 0.05, 0.001, -0.0005]
"""
XML = """<?xml version="1.0"?>
<opencv_storage>
<image_width>160</image_width><image_height>120</image_height>
<camera_matrix type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt>
<data>110. 0. 80. 0. 112. 61. 0. 0. 1.</data></camera_matrix>
<distortion_coefficients type_id="opencv-matrix"><rows>5</rows><cols>1</cols><dt>d</dt>
<data>-0.25 0.05 0.001 -0.0005 0.</data></distortion_coefficients>
</opencv_storage>
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("calibration.yml", YAML),
        ("camera_info.yaml", ROS),
        ("camera_info.yaml", TOPIC),
        ("out_camera_data.xml", XML),
        ("robot-camchain-imucam.yaml", KALIBR),
        ("sensor.yaml", EUROC),
    ],
)
def test_calibrations_of_opencv_ros_kalibr_and_euroc(tmp_path, name, text):
    wanted = read_intrinsics(write(tmp_path, distortion=LENSES["opencv"]))
    (tmp_path / "intrinsics.json").unlink()
    (tmp_path / name).write_text(text)
    found = find_intrinsics(tmp_path)
    assert found.source == name
    assert repr(dataclasses.replace(found, source="", lens="")) == repr(dataclasses.replace(wanted, source="", lens=""))
    assert bool(found.lens) == bool(wanted.lens)


def test_a_calibration_without_distortion_is_a_pinhole(tmp_path):
    (tmp_path / "camera.yaml").write_text(ROS.split("distortion_model")[0])
    found = find_intrinsics(tmp_path)
    assert (found.fx, found.lens) == (110 / 160, "")


def test_a_principal_point_far_from_the_centre_is_told(tmp_path, caplog):
    """As where the numbers are for images of another size."""
    (tmp_path / "cam.txt").write_text("220 0 160\n0 224 122\n0 0 1\n")
    read_cam_txt(tmp_path / "cam.txt", 160, 120)
    assert "principal point (160, 122) lies far from the centre of images of 160x120" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (YAML.replace("image_width", "some_width"), "lacks image_width"),
        (YAML.replace("camera_matrix", "projection"), "no camera matrix of 3x3"),
        (YAML.replace("110.", "nan"), "finite"),
        (YAML.replace("rows: 3", "rows: 4"), "9 numbers for 4 x 3"),
        (ROS.replace("plumb_bob", "rational_polynomial"), "model 'rational_polynomial' is unknown"),
        ("- 1\n- 2\n", "no mapping of names"),
        (KALIBR.replace("pinhole", "omni").replace("[110", "[1.2, 110"), "camera_model 'omni' is not supported"),
        (KALIBR + KALIBR.replace("cam0", "cam1"), "several cameras \\(cam0, cam1\\)"),
    ],
)
def test_bad_calibrations(tmp_path, text, message):
    (tmp_path / "intrinsics.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        find_intrinsics(tmp_path)


def test_other_files_of_usual_names_are_no_cameras(tmp_path):
    (tmp_path / "camera.yaml").write_text("brand: none\n")
    assert not find_intrinsics(tmp_path).known
