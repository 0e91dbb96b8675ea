"""Drives whose motion is known."""

import numpy as np
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.rows.frame_row import FrameRow, format_pose
from vergence.geometry.pose import axis_angle_to_matrix
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
