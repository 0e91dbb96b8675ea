import math

import numpy as np
import pytest
import torch

from vergence.errors import InputError
from vergence.inference.scaling import alike, ground_height, known_metres_per_unit, one_factor, truth_ratio
from vergence.methods import Method

CAMERA = (0.58, 1.92, 0.5, 0.5)


def street(height=96, width=320, camera_height=1.65, pitch=0.0):
    """Depth of a ground plane, and of a wall at 30 m where the ground is farther; y is down."""
    fy, cy = CAMERA[1] * height, CAMERA[3] * height
    rows = (np.arange(height) - cy) / fy
    down = math.cos(pitch) * rows + math.sin(pitch)  # of the ray, for unit depth
    depth = np.where(down > 1e-6, camera_height / np.maximum(down, 1e-6), np.inf)
    return np.repeat(np.minimum(depth, 30.0)[:, None], width, axis=1)


@pytest.mark.parametrize("unit", [1.0, 5.4])
def test_the_height_above_a_level_road_is_found_in_the_unit_of_the_depth(unit):
    assert ground_height(street() / unit, CAMERA) == pytest.approx(1.65 / unit, rel=1e-6)


def test_a_car_on_the_road_and_a_small_pitch_change_little():
    depth = street(pitch=0.05)
    depth[60:90, 120:160] = 6.0
    assert ground_height(depth, CAMERA) == pytest.approx(1.65, rel=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rough_depth_is_no_lower_camera(seed):
    noise = np.random.default_rng(seed).normal(size=(100, 324))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, (5, 5)).mean(axis=(2, 3))
    depth = street() * np.exp(0.05 * smooth / smooth.std())
    assert ground_height(depth, CAMERA) == pytest.approx(1.65, rel=0.02)  # by each point's own normal 1.34 to 1.40


def test_no_level_ground_is_no_height():
    assert math.isnan(ground_height(np.full((96, 320), 5.0), CAMERA))


def test_ratio_to_measured_depth_uses_the_measured_pixels_only():
    truth = np.zeros((8, 8), np.float32)
    truth[2, 2:5] = 6.0, 8.0, 10.0
    assert truth_ratio(torch.full((4, 4), 0.5), truth) == pytest.approx(4.0)
    assert math.isnan(truth_ratio(torch.full((4, 4), 0.5), np.zeros((8, 8), np.float32)))


def test_one_factor_is_the_median_of_the_frames_that_have_one():
    factor, words = one_factor([2.0, math.nan, 4.0, 3.0, -1.0], "measured depth")
    assert factor == 3.0
    assert words.startswith("measured depth, median of 3 frames, spread 27.2%, 90 % of them ")
    assert one_factor([2.5], "measured depth") == (2.5, "measured depth, 1 frame, which has no spread to state")
    with pytest.raises(InputError, match="no frame shows measured depth"):
        one_factor([math.nan], "measured depth")


def likeness(correlation, count, draws):
    """Factors around 60 whose neighbours are correlated so much, (draws, count)."""
    noise = np.random.default_rng(0).normal(size=(draws, count))
    for place in range(1, count):
        noise[:, place] = correlation * noise[:, place - 1] + math.sqrt(1 - correlation**2) * noise[:, place]
    return 60 * np.exp(0.1 * noise)


def stated(values):
    factor, words = one_factor(values, "measured depth")
    return factor, factor * float(words.split("standard error ")[1].split("%")[0]) / 100


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_the_stated_error_is_as_large_as_factors_of_alike_frames_err(correlation):
    found = [stated(values) for values in likeness(correlation, 48, 150)]
    held = np.mean([abs(factor - 60) < 1.645 * error for factor, error in found])
    assert 0.78 < held < 0.95  # of 90 %; with frames taken as independent 0.89, 0.71 and 0.47


def test_how_much_alike_neighbours_are():
    independent, together = (np.mean([alike(one) for one in likeness(r, 200, 40)]) for r in (0.0, 0.8))
    assert independent < 1.08
    assert together == pytest.approx(math.sqrt(1.8 / 0.2), rel=0.1)
    assert alike(np.array([1.0, 2.0, 3.0, 4.0])) == 1  # too few to say
    assert alike(np.ones(9)) == 1
    assert alike(np.array([1.0, 2.0] * 9)) == 1  # the other way round is no reason to be surer


def test_an_unscaled_run_knows_no_metres():
    method = Method()
    with pytest.raises(InputError, match="unscaled"):
        known_metres_per_unit(method)
    method.scale, method.metres_per_unit = "metric", 5.4
    assert known_metres_per_unit(method) == 5.4
