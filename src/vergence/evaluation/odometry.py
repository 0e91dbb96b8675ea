"""Odometry of a run's pose network on sequences with known poses (SemHint-MD specification, section 1.8)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.manifest import Manifest
from vergence.inference.motions import predict_motions, step_of, unbroken
from vergence.metrics.odometry import ate_sfmlearner, chain_poses, trajectory_errors
from vergence.runs.checkpoint import LoadedRun

_SHORTEST = 3
"""Frames that make a track."""


def tracks(manifest: Manifest, step: int) -> list[list[int]]:
    """Rows of unbroken stretches of frames with poses, ``step`` positions apart, of at least three frames."""
    with_poses = unbroken(manifest, step, lambda index: bool(manifest[index].pose))
    return [track for track in with_poses if len(track) >= _SHORTEST]


def evaluate_odometry(run: LoadedRun, manifest: Manifest) -> dict[str, Any] | None:
    """Errors of the pose network on each track with poses; None where there is none.

    ``ate_sfmlearner`` scales each 5-frame snippet by itself; ``t_err``, ``r_err`` and ``ate_aligned`` are of whole
    tracks, see :func:`vergence.metrics.odometry.trajectory_errors`; ``stamp`` says what the numbers depend on.
    """
    step = step_of(run)
    all_tracks = tracks(manifest, step)
    if not all_tracks:
        return None
    rows = [_row(manifest, track, predict_motions(run, manifest, track)) for track in all_tracks]
    shortest, longest = (
        pick(row[f"{name}_segment"] for row in rows) for name, pick in (("shortest", min), ("longest", max))
    )
    snippets = np.concatenate([row.pop("snippets") for row in rows])
    return {
        "sequences": rows,
        "ate_sfmlearner": float(snippets.mean()),
        "ate_sfmlearner_std": float(snippets.std()),
        "stamp": " · ".join(
            [
                "ate_sfmlearner in metres over 5-frame snippets, each scaled by least squares",
                f"t_err (%) and r_err (degrees / 100 m) over segments of {shortest:.3g}-{longest:.3g} m, one scale",
                "ate_aligned in metres after a similarity",
                *([] if step == 1 else [f"frames {step} apart"]),
                f"data {manifest.digest()}",
                f"step {run.step}",
            ]
        ),
    }


def _row(manifest: Manifest, track: list[int], motions: NDArray[np.float64]) -> dict[str, Any]:
    poses = np.stack([pose for index in track if (pose := manifest[index].pose_matrix()) is not None])  # all have one
    truth = _inverse(_inverse(poses[:-1]) @ poses[1:])  # points of a frame to the next one, like the motions
    snippets = ate_sfmlearner(truth, motions)
    errors = trajectory_errors(poses, chain_poses(_inverse(motions)))
    first = manifest[track[0]]
    return {
        "sequence": first.sequence,
        "camera": first.camera,
        "frames": len(track),
        "ate_sfmlearner": float(snippets.mean()),
        "ate_sfmlearner_std": float(snippets.std()),
        **{name: float(value) for name, value in errors.items()},
        "snippets": snippets,
    }


def _inverse(transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(transforms), dtype=np.float64)
