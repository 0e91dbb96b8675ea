"""Motion between two frames, and what a rotation explains of it."""

import numpy as np
import pytest

from tests.data.scan.films import HEIGHT, WIDTH, grey, texture, view
from vergence.data.scan.motion import Motion, measure_motion, rotation_residual


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2), (3.5, 1.25), (-18.0, 6.0)])
def test_known_shift_is_measured_to_a_tenth_of_a_pixel(shift):
    picture = texture()
    motion = measure_motion(grey(view(picture, 60, 15)), grey(view(picture, 60 + shift[0], 15 + shift[1])))
    assert len(motion.points) > 0.7 * motion.tried > 10
    np.testing.assert_allclose(np.median(motion.vectors, axis=0), [-shift[0], -shift[1]], atol=0.1)


def test_brightness_does_not_disturb_the_motion():
    picture = texture()
    second = np.clip(grey(view(picture, 63, 15)) * 1.25 + 10, 0, 255).astype(np.float32)
    motion = measure_motion(grey(view(picture, 60, 15)) * 0.7, second * 0.7)
    np.testing.assert_allclose(np.median(motion.vectors, axis=0), [-3, 0], atol=0.15)


def test_unrelated_and_flat_frames_have_no_motion():
    unrelated = measure_motion(grey(view(texture(seed=5), 0)), grey(view(texture(seed=6), 0)))
    assert len(unrelated.points) < 0.1 * unrelated.tried
    flat = np.full((HEIGHT, WIDTH), 90, np.float32)
    assert measure_motion(flat, flat).tried == 0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        measure_motion(np.zeros((64, 64), np.float32), np.zeros((64, 80), np.float32))
    with pytest.raises(ValueError, match="at least 64"):
        measure_motion(np.zeros((32, 64), np.float32), np.zeros((32, 64), np.float32))


def test_rotation_is_explained_and_travel_is_not():
    focal, centre = (200.0, 190.0), (150.0, 50.0)
    points = np.stack(np.meshgrid(np.arange(10, 300, 20), np.arange(5, 100, 15)), -1).reshape(-1, 2).astype(float)
    rays = np.concatenate([(points - centre) / focal, np.ones((len(points), 1))], 1)
    angle = np.array([0.004, -0.02, 0.006])
    turned = rays + np.cross(-angle, rays)
    vectors = turned[:, :2] / turned[:, 2:] * focal + centre - points
    assert np.abs(vectors).max() > 3
    assert rotation_residual(Motion(points, vectors, len(points)), focal, centre).max() < 0.1
    depth = np.linspace(3, 40, len(points))[:, None]
    moved = rays * depth - [0.5, 0, 0.0]
    vectors = moved[:, :2] / moved[:, 2:] * focal + centre - points
    residual = rotation_residual(Motion(points, vectors, len(points)), focal, centre)
    assert np.median(residual) > 0.2 * np.median(np.abs(vectors[:, 0]))
