import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.frame_row import FrameRow, format_pose
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.evaluate import evaluate_run
from vergence.evaluation.odometry import evaluate_odometry, odometry_table, tracks
from vergence.geometry.pose import axis_angle_to_matrix
from vergence.inference.motions import predict_motions
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config

SIZE = (64, 128)
TURN = 0.02


class PoseByBrightness(torch.nn.Module):
    """A camera that drives as far as the second picture is brighter than the first, turning by 0.02 (about y)."""

    def forward(self, pair):
        far = (pair[:, 1] - pair[:, 0]).mean(dim=(1, 2, 3)) * 255
        zero = torch.zeros_like(far)
        turn = torch.stack((zero, zero - TURN, zero), dim=1)  # points turn the other way than the camera
        rotation = axis_angle_to_matrix(turn)
        moved = torch.stack((zero, zero, far), dim=1)  # in the axes of the first camera
        return turn, -(rotation @ moved[..., None])[..., 0], None


class Driver(Method):
    tasks = ("depth",)

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.pose = PoseByBrightness()


def drive(folder, frames=8, metres=0.5, sequence="a", turn=TURN, gaps=()):
    """Picture k has brightness k squared; the truth drives ``metres`` for each step of brightness, turning."""
    rows, pose = [], np.eye(4)
    rotation = axis_angle_to_matrix(torch.tensor([0.0, turn, 0.0], dtype=torch.float64)).numpy()
    for k in range(frames):
        brightness = k * k
        Image.fromarray(np.full((*SIZE, 3), brightness, np.uint8)).save(folder / f"{sequence}{k}.png")
        rows.append(FrameRow(f"{sequence}{k}.png", sequence, k, pose="" if k in gaps else format_pose(pose)))
        step = np.eye(4)
        step[:3, :3], step[2, 3] = rotation, metres * ((k + 1) ** 2 - k * k)
        pose = pose @ step
    return rows


def made_run(tmp_path, offsets=(-1, 1)):
    config = load_config("depth-kitti-tiny", ["--network.weights=none", "--pose.weights=none"])
    config.frames.options = FrameOptions(height=SIZE[0], width=SIZE[1], offsets=offsets)
    return LoadedRun(tmp_path / "run", config, Driver(), 5)


def test_a_perfect_pose_network_up_to_scale_makes_no_error(tmp_path):
    manifest = Manifest(drive(tmp_path), tmp_path)
    result = evaluate_odometry(made_run(tmp_path), manifest)
    (row,) = result["sequences"]
    assert row["frames"] == 8
    assert row["ate_sfmlearner"] == pytest.approx(0.0, abs=1e-5)
    assert row["ate_aligned"] == pytest.approx(0.0, abs=1e-4)
    assert row["r_err"] == pytest.approx(0.0, abs=1e-2)
    assert row["t_err"] == pytest.approx(0.0, abs=1e-3)
    assert row["scale"] == pytest.approx(0.5, rel=1e-5)
    assert manifest.digest() in result["stamp"]


def test_a_network_that_misses_the_turns_does(tmp_path):
    manifest = Manifest(drive(tmp_path, turn=-0.2), tmp_path)
    row = evaluate_odometry(made_run(tmp_path), manifest)["sequences"][0]
    assert row["ate_sfmlearner"] > 0.05
    assert row["ate_aligned"] > 0.5


def test_motions_of_metric_runs_are_in_metres_and_batches_do_not_matter(tmp_path):
    manifest = Manifest(drive(tmp_path, frames=12), tmp_path)  # more pairs than fit one batch
    run = made_run(tmp_path)
    motions = predict_motions(run, manifest, list(range(12)))
    assert motions.shape == (11, 4, 4)
    forward = np.linalg.inv(motions)[:, 2, 3]
    np.testing.assert_allclose(forward, [2 * k + 1 for k in range(11)], rtol=1e-5)
    run.method.scale, run.method.metres_per_unit = "metric", 0.5
    np.testing.assert_allclose(np.linalg.inv(predict_motions(run, manifest, [3, 4]))[:, 2, 3], [3.5], rtol=1e-5)


def test_tracks_end_at_gaps_and_follow_the_training_step(tmp_path):
    rows = drive(tmp_path, frames=9, gaps=(4,)) + drive(tmp_path, frames=2, sequence="b")
    manifest = Manifest(rows, tmp_path)
    assert tracks(manifest, 1) == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert tracks(manifest, 2) == [[1, 3, 5, 7]]
    result = evaluate_odometry(made_run(tmp_path, offsets=("s", -2, 2)), manifest)
    assert [row["frames"] for row in result["sequences"]] == [4]
    assert "frames 2 apart" in result["stamp"]


def test_evaluation_of_poses_alone(tmp_path):
    result = evaluate_run(made_run(tmp_path), Manifest(drive(tmp_path), tmp_path))
    assert result["rows"] == []
    assert result["odometry"]["ate_sfmlearner"] == pytest.approx(0.0, abs=1e-5)
    from rich.console import Console

    console = Console(width=80, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(odometry_table(result["odometry"]))
    console.file.close()
    assert "ate_sfmlearner" in console.export_text()


def test_poses_that_make_no_track(tmp_path):
    assert evaluate_odometry(made_run(tmp_path), Manifest(drive(tmp_path, frames=2), tmp_path)) is None
    with pytest.raises(InputError, match="three frames in a row"):
        evaluate_run(made_run(tmp_path), Manifest(drive(tmp_path, frames=2), tmp_path))
