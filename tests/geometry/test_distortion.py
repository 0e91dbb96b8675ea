import math

import numpy as np
import pytest

from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, stored_pixels, straight_camera, straight_pixels

CAMERA = Camera(fx=420.0, fy=400.0, cx=325.0, cy=236.0, width=640, height=480)
LENSES = {
    "barrel": Lens("opencv", (-0.28, 0.07, 0.0004, -0.0007, -0.008)),
    "pincushion": Lens("opencv", (0.12, -0.03, -0.001, 0.0005)),
    "two": Lens("opencv", (-0.1, 0.01)),
    "fisheye": Lens("fisheye", (-0.02, 0.003, -0.001, 0.0002)),
    "equidistant": Lens("fisheye", ()),
}


def bent(lens, x, y):
    """The formulas of OpenCV's documentation, one ray at a time."""
    if lens.model == "fisheye":
        k1, k2, k3, k4 = lens.coefficients
        r = math.sqrt(x**2 + y**2)
        if r == 0:
            return 0.0, 0.0
        theta = math.atan(r)
        theta_d = theta * (1 + k1 * theta**2 + k2 * theta**4 + k3 * theta**6 + k4 * theta**8)
        return theta_d / r * x, theta_d / r * y
    k1, k2, p1, p2, k3 = lens.coefficients
    r = math.sqrt(x**2 + y**2)
    radial = 1 + k1 * r**2 + k2 * r**4 + k3 * r**6
    return (
        x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2),
        y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y,
    )


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_forward_model_is_opencvs_formula(lens):
    rays = np.random.default_rng(0).uniform(-0.8, 0.8, (200, 2))
    rays[0] = 0
    np.testing.assert_allclose(lens.bend(rays), [bent(lens, *ray) for ray in rays], rtol=1e-13, atol=1e-15)


def test_numbers_by_hand():
    np.testing.assert_allclose(Lens("opencv", (0.1, 0, 0.01, 0.02)).bend(np.array([0.5, 0.0])), [0.5275, 0.0025])
    np.testing.assert_allclose(Lens("fisheye", (0.1,)).bend(np.array([1.0, 0.0])), [0.8338455, 0], atol=1e-7)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_inverse_of_every_pixel(lens):
    straight = straight_camera(lens, CAMERA)
    pixels = np.stack(np.meshgrid(np.arange(0, 640, 7.0), np.arange(0, 480, 7.0)), axis=-1)
    there = stored_pixels(lens, CAMERA, straight, pixels)
    np.testing.assert_allclose(straight_pixels(lens, CAMERA, straight, there), pixels, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_straight_picture_is_full_and_as_wide_as_possible(lens):
    straight = straight_camera(lens, CAMERA)
    assert (straight.width, straight.height, straight.cx, straight.cy) == (640, 480, CAMERA.cx, CAMERA.cy)
    assert straight.fx / straight.fy == pytest.approx(CAMERA.fx / CAMERA.fy)
    pixels = np.stack(np.meshgrid(np.arange(640.0), np.arange(480.0)), axis=-1)
    seen = stored_pixels(lens, CAMERA, straight, pixels)
    edge = np.array([639, 479])
    assert ((seen >= -1e-5) & (seen <= edge + 1e-5)).all()
    assert min(seen.min(), (edge - seen).min()) == pytest.approx(0, abs=0.01)  # touches the border


def test_no_bend_changes_nothing():
    lens = Lens("opencv", ())
    assert not lens.bends
    straight = straight_camera(lens, CAMERA)
    assert straight.fx == pytest.approx(CAMERA.fx, rel=1e-6)


def test_rays_beyond_the_model_are_none():
    lens = Lens("opencv", (-0.3,))  # r (1 - 0.3 r^2) falls beyond r = 1.054
    assert lens.reach() == pytest.approx(1 / math.sqrt(0.9), rel=0.01)
    assert np.isnan(lens.straighten(np.array([0.9, 0.0]))).all()


def test_wide_fisheye_of_an_action_camera():
    """180 degrees across the picture: the straightened one is a pinhole's and full."""
    wide = Camera(640 / math.pi, 640 / math.pi, 319.5, 239.5, 640, 480)
    straight = straight_camera(Lens("fisheye", ()), wide)
    assert 60 < 2 * math.degrees(math.atan(320 / straight.fx)) < 170


@pytest.mark.parametrize(
    ("model", "coefficients", "message"),
    [
        ("brown", (0.1,), "lens model 'brown' is unknown"),
        ("fisheye", (0, 0, 0, 0, 1), "5 coefficients, at most 4"),
        ("opencv", (math.nan,), "must be finite"),
    ],
)
def test_refused(model, coefficients, message):
    with pytest.raises(InputError, match=message):
        Lens(model, coefficients)


def test_absurd_coefficients_are_refused():
    with pytest.raises(InputError, match="check the coefficients"):
        straight_camera(Lens("opencv", (-1e6,)), CAMERA)
