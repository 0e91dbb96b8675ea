"""Stereo pairs become rectified ones."""

import numpy as np
import pytest

from tests.data.layouts.stereo_endoscope import CAMERAS, HEIGHT, WIDTH, raw_pair
from vergence.data.layouts.rectification import Rectification, StereoCalibration, read_stereo_calibration
from vergence.errors import InputError


def test_opencv_calibration(tmp_path):
    text = "%YAML:1.0\n---\n"
    names = {"M1": CAMERAS.KL, "D1": CAMERAS.DL[:4], "M2": CAMERAS.KR, "D2": CAMERAS.DR, "R": CAMERAS.R, "T": CAMERAS.T}
    for name, values in names.items():
        numbers = ", ".join(f"{value:.9e}" for value in values.ravel())
        cols = values.size // len(values)
        text += f"{name}: !!opencv-matrix\n   rows: {len(values)}\n   cols: {cols}\n   dt: d\n   data: [ {numbers} ]\n"
    (tmp_path / "endoscope_calibration.yaml").write_text(text)
    found = read_stereo_calibration(tmp_path / "endoscope_calibration.yaml")
    for name in ("KL", "DL", "KR", "DR", "R", "T"):
        np.testing.assert_allclose(getattr(found, name), getattr(CAMERAS, name), atol=1e-8)
    (tmp_path / "endoscope_calibration.yaml").write_text(text.replace("M2", "M3"))
    with pytest.raises(InputError, match="no calibration of two cameras"):
        read_stereo_calibration(tmp_path / "endoscope_calibration.yaml")


def test_a_rectified_pair_stays_as_it_is():
    K = np.array([[100.0, 0, 60], [0, 100, 40], [0, 0, 1]])
    same = StereoCalibration(K, np.zeros(5), K, np.zeros(5), np.eye(3), np.array([-5.0, 0, 0]))
    found = Rectification.of(same, HEIGHT, WIDTH)
    image = raw_pair()[0]
    np.testing.assert_array_equal(found.image(image, "left"), image)
    np.testing.assert_array_equal(found.image(image, "right"), image)
    assert found.baseline == 5.0
    mirrored = StereoCalibration(K, np.zeros(5), K, np.zeros(5), np.eye(3), np.array([5.0, 0, 0]))
    assert Rectification.of(mirrored, HEIGHT, WIDTH).baseline == -5.0
    with pytest.raises(ValueError, match="frame of"):
        found.image(image[1:], "left")
