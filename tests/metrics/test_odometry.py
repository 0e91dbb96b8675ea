"""Errors of camera tracks."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from vergence.metrics.odometry import (
    align_similarity,
    ate_sfmlearner,
    chain_poses,
    trajectory_errors,
)

Array = NDArray[np.float64]


def pose(x: float = 0, y: float = 0, z: float = 0, yaw: float = 0) -> Array:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, 0, s, x], [0, 1, 0, y], [-s, 0, c, z], [0, 0, 0, 1]])


def drive(frames: int, step: float = 1.0, yaw: float = 0.01) -> Array:
    """Camera-to-world poses of a car in a gentle, wavy bend."""
    motions = [pose(z=step, y=0.02 * math.sin(k), yaw=yaw * (1 + math.sin(k / 7))) for k in range(frames - 1)]
    return chain_poses(np.stack(motions))


class TestChain:
    def test_products(self) -> None:
        motions = np.stack([pose(z=1, yaw=0.3), pose(x=2), pose(y=1, yaw=-0.1)])
        poses = chain_poses(motions)
        assert poses.shape == (4, 4, 4)
        assert np.array_equal(poses[0], np.eye(4))
        assert np.allclose(poses[3], motions[0] @ motions[1] @ motions[2])

    def test_none(self) -> None:
        assert np.array_equal(chain_poses(np.zeros((0, 4, 4))), np.eye(4)[None])

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(3, 3, 4\)"):
            chain_poses(np.zeros((3, 3, 4)))


class TestSnippets:
    def test_half_the_truth_is_perfect(self) -> None:
        """Golden fact 29."""
        truth = np.stack([pose(z=1, x=0.1 * k) for k in range(6)])
        half = truth.copy()
        half[:, :3, 3] *= 0.5
        assert np.allclose(ate_sfmlearner(truth, half), 0, atol=1e-12)

    def test_sideways_drift(self) -> None:
        """Golden fact 29: unit steps, 0.1 of drift a frame."""
        truth, drifting = np.stack([pose(z=1)] * 4), np.stack([pose(z=1, x=0.1)] * 4)
        assert ate_sfmlearner(truth, drifting)[0] == pytest.approx(0.109001, abs=1e-6)

    def test_snippets_get_shorter_at_the_end(self) -> None:
        truth, drifting = np.stack([pose(z=1)] * 7), np.stack([pose(z=1, x=0.1)] * 7)
        errors = ate_sfmlearner(truth, drifting)
        assert len(errors) == 7
        assert np.allclose(errors[:4], errors[0])
        for left, error in zip((3, 2, 1), errors[4:], strict=True):
            assert error == pytest.approx(ate_sfmlearner(truth[:left], drifting[:left])[0])
        assert (np.diff(errors[3:]) < 0).all()

    def test_standing_prediction(self) -> None:
        truth = np.stack([pose(z=1)] * 4)
        errors = ate_sfmlearner(truth, np.stack([np.eye(4)] * 4))
        assert errors[0] == pytest.approx(math.sqrt(1 + 4 + 9 + 16) / 5)

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"prediction has shape \(3, 4, 4\), expected \(4, 4, 4\)"):
            ate_sfmlearner(np.zeros((4, 4, 4)), np.zeros((3, 4, 4)))


class TestAlignment:
    @pytest.mark.parametrize("flat", [False, True])
    def test_finds_a_similarity(self, flat: bool) -> None:
        generator = np.random.default_rng(0)
        points = generator.normal(size=(20, 3))
        if flat:
            points[:, 1] = 0  # a level drive: the third direction is not seen
        rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
        rotation *= np.sign(np.linalg.det(rotation))
        target = 2.5 * points @ rotation.T + [1, -2, 3]
        scale, turned, shift = align_similarity(points, target)
        assert scale == pytest.approx(2.5)
        assert np.linalg.det(turned) == pytest.approx(1)
        assert np.allclose(scale * points @ turned.T + shift, target)

    def test_never_mirrors(self) -> None:
        points = np.random.default_rng(0).normal(size=(20, 3))
        _, rotation, _ = align_similarity(points, points * [-1, 1, 1])
        assert np.linalg.det(rotation) == pytest.approx(1)

    def test_is_the_best(self) -> None:
        generator = np.random.default_rng(1)
        points, target = generator.normal(size=(15, 3)), generator.normal(size=(15, 3))
        scale, rotation, shift = align_similarity(points, target)

        def cost(s: float, r: Array, t: Array) -> float:
            return float(((s * points @ r.T + t - target) ** 2).sum())

        best = cost(scale, rotation, shift)
        for _ in range(50):
            tilt = pose(yaw=generator.normal() * 0.05)[:3, :3]
            assert cost(scale * (1 + 0.05 * generator.normal()), rotation @ tilt, shift) >= best
            assert cost(scale, rotation, shift + 0.05 * generator.normal(size=3)) >= best


class TestTrack:
    def test_perfect_up_to_scale_and_frame(self) -> None:
        truth = drive(300)
        prediction = pose(3, 1, 2, 0.7) @ truth
        prediction[:, :3, 3] *= 0.2
        errors = trajectory_errors(truth, prediction)
        for name in ("t_err", "r_err", "ate_aligned"):
            assert errors[name] == pytest.approx(0, abs=1e-5), name
        assert errors["scale"] == pytest.approx(5)
        assert (errors["shortest_segment"], errors["longest_segment"]) == (100, 200)

    def test_translation_error_in_percent(self) -> None:
        """A straight track whose steps are alternately too long and too short for long: scale cannot hide it."""
        frames = 401
        truth = chain_poses(np.stack([pose(z=1)] * (frames - 1)))
        prediction = truth.copy()
        prediction[:, 0, 3] += 0.02 * truth[:, 2, 3] * np.cos(truth[:, 2, 3] * math.pi)  # +-2 % sideways, in turn
        errors = trajectory_errors(truth, prediction)
        assert errors["t_err"] > 0.5
        doubled = truth.copy()
        doubled[:, 0, 3] += 2 * (prediction[:, 0, 3] - truth[:, 0, 3])
        assert trajectory_errors(truth, doubled)["t_err"] == pytest.approx(2 * errors["t_err"], rel=0.02)

    def test_rotation_error_in_degrees_per_100_metres(self) -> None:
        """Heading that drifts by 0.05 degrees a metre, positions right: 5 degrees per 100 m."""
        truth = chain_poses(np.stack([pose(z=1)] * 500))
        prediction = truth.copy()
        for k in range(len(prediction)):
            prediction[k, :3, :3] = pose(yaw=math.radians(0.05) * k)[:3, :3]
        errors = trajectory_errors(truth, prediction)
        assert errors["r_err"] == pytest.approx(5, rel=1e-6)
        assert errors["ate_aligned"] == pytest.approx(0, abs=1e-6)

    def test_aligned_ate_is_a_root_mean_square(self) -> None:
        truth = chain_poses(np.stack([pose(z=1)] * 200))
        prediction = truth.copy()
        prediction[::2, 1, 3] += 0.3
        prediction[1::2, 1, 3] -= 0.3
        assert trajectory_errors(truth, prediction)["ate_aligned"] == pytest.approx(0.3, rel=1e-3)

    def test_short_tracks_use_shorter_segments_and_say_so(self) -> None:
        truth = drive(41, step=0.5)
        prediction = truth.copy()
        prediction[:, 0, 3] += 0.01 * np.arange(41)
        errors = trajectory_errors(truth, prediction)
        travelled = float(np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).sum())
        assert errors["shortest_segment"] == pytest.approx(travelled / 4)
        assert errors["longest_segment"] == pytest.approx(3 * travelled / 4)
        assert 0 < errors["t_err"] < 10

    def test_segments_start_at_every_tenth_frame(self) -> None:
        """As in the benchmark: an error in one frame that no segment starts or ends at does not show."""
        truth = chain_poses(np.stack([pose(z=1)] * 250))
        prediction = truth.copy()
        prediction[5, :3, :3] = pose(yaw=1.0)[:3, :3]
        assert trajectory_errors(truth, prediction)["r_err"] == pytest.approx(0, abs=1e-6)
        prediction[10, :3, :3] = pose(yaw=1.0)[:3, :3]
        assert trajectory_errors(truth, prediction)["r_err"] > 1

    def test_standing_camera(self) -> None:
        still = np.stack([np.eye(4)] * 5)
        errors = trajectory_errors(still, drive(5))
        assert math.isnan(errors["t_err"])
        assert math.isnan(errors["r_err"])
        assert errors["ate_aligned"] == pytest.approx(0, abs=1e-9)
        assert trajectory_errors(drive(5), still)["scale"] == 1  # nothing to scale

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match="2 poses, expected at least 3"):
            trajectory_errors(drive(2), drive(2))
        with pytest.raises(ValueError, match=r"\(4, 4, 4\), expected \(5, 4, 4\)"):
            trajectory_errors(drive(5), drive(4))
