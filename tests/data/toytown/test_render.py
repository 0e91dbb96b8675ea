"""What self-supervision needs of the town, held against its own exact truth."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.data.toytown.scenes import SMALL, one
from vergence.data.toytown import TownFrame, TownOptions, camera, render_street
from vergence.data.toytown.options import MAX_FRAMES
from vergence.errors import InputError


@pytest.fixture(scope="module")
def frames() -> dict[int, list[TownFrame]]:
    """Two neighbouring stereo frames of four streets of different character."""
    return {street: list(render_street(TownOptions(), street, 2, start=20)) for street in (1, 2, 3, 4)}


def bilinear(image: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    rows, columns = image.shape[:2]
    i, j = np.clip(u.astype(int), 0, columns - 2), np.clip(v.astype(int), 0, rows - 2)
    a, b = u - i, v - j
    if image.ndim == 3:
        a, b = a[..., None], b[..., None]
    top = image[j, i] * (1 - a) + image[j, i + 1] * a
    return top * (1 - b) + (image[j + 1, i] * (1 - a) + image[j + 1, i + 1] * a) * b


def warped(target: TownFrame, source: np.ndarray, transform: np.ndarray, source_depth: np.ndarray | None = None):
    """Source image seen from the target (true depth and motion), where that is allowed, and the flow in pixels."""
    height, width = target.depth.shape
    fx, fy, cx, cy = np.array(camera(TownOptions())) * [width, height, width, height]
    v, u = np.mgrid[0:height, 0:width].astype(float)
    z = target.depth.astype(float)
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], -1) @ transform[:3, :3].T + transform[:3, 3]
    depth = np.maximum(points[..., 2], 0.1)
    x, y = points[..., 0] / depth * fx + cx, points[..., 1] / depth * fy + cy
    good = (z > 0) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1) & ~target.moving
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    if source_depth is not None:  # what the source does not see is not compared
        for du, dv in itertools.product((0, 1), (0, 1)):
            seen = source_depth[y.astype(int) + dv, x.astype(int) + du]
            good &= np.abs(seen - depth) < 0.05 * depth
    return bilinear(source.astype(float), x, y), good, np.hypot(x - u, y - v)


def test_neighbour_warped_by_truth_agrees(frames) -> None:
    for target, source in frames.values():
        motion = np.linalg.inv(source.pose) @ target.pose
        synthesized, good, flow = warped(target, source.image, motion, source.depth)
        error = np.abs(synthesized - target.image).mean(-1)[good]
        identity = np.abs(source.image.astype(float) - target.image).mean(-1)[good]
        assert good.sum() > 0.5 * (target.depth > 0).sum()
        assert np.median(error) < 2.5
        assert np.median(identity) > 3 * np.median(error)
        assert 1 < np.median(flow[good]) < 16


def test_right_image_is_left_moved_by_disparity(frames) -> None:
    for target, _ in frames.values():
        shift = np.eye(4)
        shift[0, 3] = -TownOptions().baseline
        synthesized, good, flow = warped(target, target.right, shift)
        fx = camera(TownOptions())[0] * 192
        np.testing.assert_allclose(flow[good], fx * 0.5 / target.depth[good], rtol=1e-5)
        right = np.abs(synthesized - target.image).mean(-1)[good]
        shift[0, 3] = TownOptions().baseline  # the wrong side must not agree
        other, also, _ = warped(target, target.right, shift)
        wrong = np.abs(other - target.image).mean(-1)[also]
        assert np.median(right) < 2.5
        assert np.median(wrong) > 4 * np.median(right)


def test_depth_seen_from_the_neighbour_is_the_same_world(frames) -> None:
    """Points of one frame, moved by the poses, lie at the depth that the other frame measures."""
    for target, source in frames.values():
        motion = np.linalg.inv(source.pose) @ target.pose
        _, good, _ = warped(target, source.image, motion)
        height, width = target.depth.shape
        fx, fy, cx, cy = np.array(camera(TownOptions())) * [width, height, width, height]
        v, u = np.mgrid[0:height, 0:width].astype(float)
        z = target.depth.astype(float)
        points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], -1) @ motion[:3, :3].T + motion[:3, 3]
        forward = np.maximum(points[..., 2], 0.1)
        x = np.clip(points[..., 0] / forward * fx + cx, 0, width - 1.001)
        y = np.clip(points[..., 1] / forward * fy + cy, 0, height - 1.001)
        inverse = bilinear(np.where(source.depth > 0, 1 / np.maximum(source.depth, 0.1), 0), x, y)
        difference = np.abs(inverse * forward - 1)[good]  # inverse depth of a plane is linear in the image
        assert np.median(difference) < 1e-4


def test_pose_is_rigid_and_drives_forward() -> None:
    for street in range(6):
        poses = [frame.pose for frame in render_street(SMALL, street, 3, start=30)]
        for pose in poses:
            np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
            assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
            assert pose[2, 1] < -0.9  # image down is world down
        for before, after in itertools.pairwise(poses):
            step = before[:3, :3].T @ (after[:3, 3] - before[:3, 3])
            assert 0.45 < np.linalg.norm(step) < 1.3
            assert step[2] > 0.8 * np.linalg.norm(step)


def test_same_seed_same_pixels_whatever_came_before() -> None:
    run = list(render_street(SMALL, 7, 4))
    alone = one(SMALL, 7, 3)
    for a, b in zip(run[3], alone, strict=True):
        np.testing.assert_array_equal(a, b)


def test_seed_and_street_change_the_world() -> None:
    base = one(SMALL, 1, 5)
    for other in (one(dataclasses.replace(SMALL, seed=1), 1, 5), one(SMALL, 7, 5)):
        assert (base.label != other.label).mean() > 0.1
        assert np.abs(base.image.astype(int) - other.image).mean() > 10


def test_styles_share_geometry_but_no_colours() -> None:
    for street in (0, 3):
        clear, dusk = one(SMALL, street, 9), one(dataclasses.replace(SMALL, style="dusk"), street, 9)
        np.testing.assert_array_equal(clear.depth, dusk.depth)
        np.testing.assert_array_equal(clear.label, dusk.label)
        np.testing.assert_array_equal(clear.pose, dusk.pose)
        assert np.abs(clear.image.astype(int) - dusk.image).mean() > 10  # sensor noise alone: 2


def test_labels_depth_and_motion_fit_together(frames) -> None:
    for frame, _ in frames.values():
        assert frame.image.dtype == np.uint8
        assert frame.label.dtype == np.uint8
        assert frame.depth.dtype == np.float32
        assert frame.moving.dtype == bool
        assert (frame.depth[frame.label == 10] == 0).all()
        assert (frame.depth <= 250).all()
        assert frame.depth[frame.label == 0].min() > 0.5
        assert np.isin(frame.label[frame.moving], [0, 11, 12, 13, 14, 15, 18]).all()  # 0: the shadow under a car


def test_every_class_appears_and_something_moves() -> None:
    seen: set[int] = set()
    moving = 0
    for street, frame in itertools.product(range(12), (5, 45)):
        shot = one(SMALL, street, frame)
        seen |= set(np.unique(shot.label).tolist())
        moving += int(shot.moving.sum())
    assert seen >= {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
    assert seen <= {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18}
    assert moving > 0


def test_mean_map_is_a_poor_guess() -> None:
    """Per-pixel mean inverse depth of 24 streets, median-scaled, on 6 others: abs_rel at least 0.35."""
    tiny = TownOptions(width=64, height=32, stereo=False)
    depth = np.stack([[one(tiny, street, frame).depth for frame in (8, 48)] for street in range(30)])
    train, held_back = depth[:24].reshape(-1, 32, 64), depth[24:].reshape(-1, 32, 64)
    inverse = np.where(train > 0, 1 / np.maximum(train, 0.1), 0).sum(0) / np.maximum((train > 0).sum(0), 1)
    scores = []
    for truth in held_back:
        valid = (truth > 0) & (truth <= 80)
        guess = 1 / np.maximum(inverse[valid], 1e-3)
        guess *= np.median(truth[valid]) / np.median(guess)
        scores.append((np.abs(guess - truth[valid]) / truth[valid]).mean())
    assert np.mean(scores) > 0.35


@pytest.mark.parametrize(("street", "frames", "start"), [(-1, 1, 0), (0, 1, -1), (0, MAX_FRAMES + 1, 0)])
def test_frames_beyond_the_drive_are_refused(street: int, frames: int, start: int) -> None:
    with pytest.raises(InputError, match="out of range"):
        render_street(SMALL, street, frames, start)
