"""Cameras as small files: intrinsics.json, cam.txt, and what is wrong with them."""

import pytest

from tests.data.layouts.calibrations import write
from vergence.data.layouts.intrinsics import read_cam_txt, read_intrinsics
from vergence.errors import InputError


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"baseline": 0.5}, r"unknown key 'baseline' \(did you mean 'baseline_m'\?\)"),
        ({"distorsion": [0.1]}, r"unknown key 'distorsion' \(did you mean 'distortion'\?\)"),
        ({"k1": 0.1}, r"unknown key 'k1' \(did you mean 'distortion'\?\)"),
        ({"dist_coeffs": [0.1]}, r"unknown key 'dist_coeffs' \(did you mean 'distortion'\?\)"),
        ({"K": [[1]]}, r"unknown key 'K' \(did you mean 'fx', 'fy', 'cx', 'cy'\?\)"),
        ({"Baseline_M": 0.5}, r"unknown key 'Baseline_M' \(did you mean 'baseline_m'\?\)"),
        ({"model": "fisheye"}, "has a model and no distortion"),
        ({"distortion": [0.1], "model": "fish"}, r"model 'fish' is unknown \(did you mean 'fisheye'\?\)"),
        ({"distortion": [0.1] * 8}, "8 coefficients, at most 5"),
        ({"distortion": [0.1] * 3}, "which may be k1, k2, k3 or k1, k2, p1"),
        ({"distortion": ["a"]}, "expected a finite number"),
        ({"distortion": 0.1}, "expected a list"),
        ({"distortion": {"k9": 1}}, "has no 'k9'"),
        ({"distortion": [-1e9]}, r"intrinsics\.json: .*check the coefficients"),
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


def test_a_principal_point_far_from_the_centre_is_told(tmp_path, caplog):
    """As where the numbers are for images of another size."""
    (tmp_path / "cam.txt").write_text("220 0 160\n0 224 122\n0 0 1\n")
    read_cam_txt(tmp_path / "cam.txt", 160, 120)
    assert "principal point (160, 122) lies far from the centre of images of 160x120" in caplog.text


def test_pixels_that_are_not_square_are_told(tmp_path, caplog):
    """As where fx and fy are of a picture that was stretched, or one of them of another size."""
    fine = read_intrinsics(write(tmp_path))
    assert caplog.text == ""
    pixels = {"width": 640, "height": 480, "cx": 320, "cy": 240}
    read_intrinsics(write(tmp_path, **pixels, fx=500, fy=250))
    assert "fx 500 and fy 250 are of pixels 0.50 times as wide as high" in caplog.text
    assert fine.known
