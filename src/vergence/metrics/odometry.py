"""Errors of camera tracks, in NumPy: tracks are short and all arithmetic is in double precision."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KITTI_LENGTHS = (100, 200, 300, 400, 500, 600, 700, 800)
"""Metres, of the segments that t_err and r_err are averaged over."""
KITTI_STEP = 10
"""Frames between the starts of segments."""
SHORT_TRACK_SHARES = (0.25, 0.5, 0.75)
"""Segment lengths as shares of the track, where it is shorter than KITTI's shortest segment."""


def chain_poses(motions: Array) -> Array:
    """Poses (N, 4, 4), the first the identity, of N - 1 motions: pose k is the product of the first k.

    Example:
        >>> step = np.eye(4)
        >>> step[2, 3] = 2.0
        >>> chain_poses(np.stack([step, step]))[:, 2, 3].tolist()
        [0.0, 2.0, 4.0]
    """
    _check("motions", motions)
    poses = [np.eye(4)]
    for motion in motions:
        poses.append(poses[-1] @ motion)
    return np.stack(poses)


def ate_sfmlearner(ground_truth: Array, prediction: Array, length: int = 5) -> Array:
    """SfMLearner's absolute trajectory error of each snippet (N - 1,): not a true root mean square.

    ground_truth and prediction are (N - 1, 4, 4) frame-to-frame transforms of the same direction. A snippet chains the
    next ``length`` - 1 (fewer at the end), is aligned at its first position and scaled by s = sum g p / sum p p, and
    gives sqrt(sum |s p - g|^2) / number of frames. Metres where the truth is.

    Source: Zhou et al. (CVPR 2017), as evaluated by Godard et al. (ICCV 2019).

    Example:
        >>> step = np.eye(4)
        >>> step[2, 3] = 1.0
        >>> truth = np.stack([step] * 4)
        >>> ate_sfmlearner(truth, truth).tolist()
        [0.0, 0.0, 0.0, 0.0]
    """
    _check("ground_truth", ground_truth)
    _check("prediction", prediction, len(ground_truth))
    errors = []
    for start in range(len(ground_truth)):
        g, p = (chain_poses(motions[start : start + length - 1])[:, :3, 3] for motions in (ground_truth, prediction))
        energy = float((p * p).sum())
        scale = float((g * p).sum()) / energy if energy > 0 else 0.0
        errors.append(np.sqrt(((scale * p - g) ** 2).sum()) / len(g))
    return np.asarray(errors)


def align_similarity(points: Array, reference: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and translation (3,) that take points (N, 3) closest to the reference (Umeyama 1991).

    Example:
        >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        >>> scale, _, translation = align_similarity(square, 2 * square + 1)
        >>> round(scale, 6), translation.round(6).tolist()
        (2.0, [1.0, 1.0, 1.0])
    """
    mean, target = points.mean(0), reference.mean(0)
    centred, wanted = points - mean, reference - target
    u, singular, vt = np.linalg.svd(wanted.T @ centred / len(points))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    variance = (centred**2).sum() / len(points)
    scale = float(np.trace(np.diag(singular) @ sign) / variance) if variance > 0 else 1.0
    rotation = u @ sign @ vt
    return scale, rotation, target - scale * rotation @ mean


def trajectory_errors(ground_truth: Array, prediction: Array) -> dict[str, float]:
    """Whole-track errors of camera-to-world poses (N, 4, 4), N >= 3, after one scale (for the ATE a rigid move, too).

    ``t_err`` in percent and ``r_err`` in degrees per 100 m, averaged over segments of 100 to 800 m from every tenth
    frame on, as in the KITTI odometry benchmark; of a track shorter than 100 m, over segments of a quarter, a half and
    three quarters of it from every frame on (``shortest_segment`` and ``longest_segment`` say which, metres).
    ``ate_aligned``: root mean square distance after a 7-degree-of-freedom alignment, metres. ``scale``: the factor on
    the prediction. ``t_err`` and ``r_err`` are NaN of a track that does not move.

    Half as fast all the way is a factor of two and no error:

    >>> truth, prediction = np.tile(np.eye(4), (2, 20, 1, 1))
    >>> truth[:, 2, 3], prediction[:, 2, 3] = np.arange(20), np.arange(20) / 2
    >>> errors = trajectory_errors(truth, prediction)
    >>> errors["t_err"], errors["ate_aligned"], errors["scale"]
    (0.0, 0.0, 2.0)
    """
    _check("ground_truth", ground_truth)
    _check("prediction", prediction, len(ground_truth))
    if len(ground_truth) < 3:
        raise ValueError(f"tracks have {len(ground_truth)} poses, expected at least 3")
    positions, predicted = ground_truth[:, :3, 3], prediction[:, :3, 3]
    scale, rotation, translation = align_similarity(predicted, positions)
    aligned = scale * predicted @ rotation.T + translation
    scaled = prediction.copy()
    scaled[:, :3, 3] *= scale
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(positions, axis=0), axis=1))])
    lengths = [float(length) for length in KITTI_LENGTHS if length <= travelled[-1]]
    step = KITTI_STEP if lengths else 1
    lengths = lengths or [float(share * travelled[-1]) for share in SHORT_TRACK_SHARES]
    errors = _segment_errors(ground_truth, scaled, travelled, lengths, step)
    return {
        "t_err": 100 * float(np.mean([t for t, _ in errors])) if errors else float("nan"),
        "r_err": 100 * float(np.mean([r for _, r in errors])) if errors else float("nan"),
        "ate_aligned": float(np.sqrt(((aligned - positions) ** 2).sum(1).mean())),
        "scale": scale,
        "shortest_segment": min(lengths),
        "longest_segment": max(lengths),
    }


def _segment_errors(
    ground_truth: Array, prediction: Array, travelled: Array, lengths: list[float], step: int
) -> list[tuple[float, float]]:
    """Translation (metres) and rotation (degrees) errors a metre, of all segments of all lengths."""
    errors = []
    for first in range(0, len(ground_truth), step):
        for length in lengths:
            last = int(np.searchsorted(travelled, travelled[first] + length))
            if length <= 0 or last >= len(ground_truth):
                continue
            true_motion = np.linalg.inv(ground_truth[first]) @ ground_truth[last]
            error = np.linalg.inv(np.linalg.inv(prediction[first]) @ prediction[last]) @ true_motion
            cosine = np.clip((np.trace(error[:3, :3]) - 1) / 2, -1, 1)
            errors.append((float(np.linalg.norm(error[:3, 3])) / length, float(np.degrees(np.arccos(cosine))) / length))
    return errors


def _check(name: str, poses: Array, count: int | None = None) -> None:
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or (count is not None and len(poses) != count):
        raise ValueError(f"{name} has shape {poses.shape}, expected ({'N' if count is None else count}, 4, 4)")
