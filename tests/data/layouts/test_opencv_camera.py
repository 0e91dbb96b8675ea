"""Calibrations of OpenCV, ROS, Kalibr and EuRoC mean one camera."""

import dataclasses

import pytest

from tests.data.layouts.calibrations import LENSES, write
from vergence.data.layouts.intrinsics import find_intrinsics, read_intrinsics
from vergence.errors import InputError

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
    assert found.origin == name
    assert repr(dataclasses.replace(found, origin="", lens="")) == repr(dataclasses.replace(wanted, origin="", lens=""))
    assert bool(found.lens) == bool(wanted.lens)


def test_a_calibration_without_distortion_is_a_pinhole(tmp_path):
    (tmp_path / "camera.yaml").write_text(ROS.split("distortion_model")[0])
    found = find_intrinsics(tmp_path)
    assert (found.fx, found.lens) == (110 / 160, "")


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
