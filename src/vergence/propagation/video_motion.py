"""Motion between neighbouring frames of a video: by flow, by a depth run's geometry, or by what explains more."""

import itertools
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vergence.data.images import open_image
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.geometry.camera import Camera, resize_inverse_depth
from vergence.inference.motions import predict_motions
from vergence.inference.port_runs import BATCH, looked_at
from vergence.inference.predictor import load
from vergence.motion.flow import DenseFlow
from vergence.motion.rigid import better_explained, rigid_flow
from vergence.propagation.carry import Pair
from vergence.runs.checkpoint import LoadedRun

MotionName = Literal["auto", "flow", "geometry"]


class VideoMotion:
    """Flows between the frames of one chain of rows, at working size.

    Args:
        run: a depth run with a pose network, or None.
        motion: "flow", "geometry", or "auto": both where there is a run.

    Raises:
        InputError: geometry without a run, a run that knows no depth or no motion, flow without OpenCV.
    """

    def __init__(self, run: LoadedRun | None, motion: MotionName, field_of_view: float) -> None:
        if motion == "geometry" and run is None:
            raise InputError("--motion geometry needs a depth run; name one with --run, or use flow.")
        if run is not None and motion != "flow":
            _check(run)
        self.run = None if motion == "flow" else run
        self.flow = None if motion == "geometry" else DenseFlow()
        self.field_of_view = field_of_view

    def describe(self) -> str:
        """What is used, in words."""
        names = (["flow"] if self.flow else []) + (["geometry"] if self.run else [])
        return " and ".join(names)

    @torch.no_grad()
    def pairs(self, manifest: Manifest, chain: tuple[int, ...], frames: list[Tensor]) -> list[Pair]:
        """Flows to the next frame and back for each frame of the chain but the last.

        Args:
            frames: (3, H, W) in [0, 1] of the chain.
        """
        rigid = self._rigid(manifest, chain, frames) if self.run is not None else None
        if self.flow is None:
            assert rigid is not None
            return rigid
        grey = [(frame.mean(0) * 255).round().byte().numpy() for frame in frames]
        result: list[Pair] = []
        for index, (first, second) in enumerate(itertools.pairwise(grey)):
            pair = (self.flow(first, second), self.flow(second, first))
            if rigid is not None:
                ends = (frames[index], frames[index + 1])
                pair = (
                    better_explained(pair[0], rigid[index][0], *ends),
                    better_explained(pair[1], rigid[index][1], *ends[::-1]),
                )
            result.append(pair)
        return result

    def _rigid(self, manifest: Manifest, chain: tuple[int, ...], frames: list[Tensor]) -> list[Pair]:
        run = self.run
        assert run is not None
        size = (frames[0].shape[-2], frames[0].shape[-1])
        if any(manifest[row].lens for row in chain):
            raise InputError(f"{manifest.path(chain[0])} was taken by a lens that bends; use --motion flow.")
        predictor = load(run, window="none" if "segmentation" in run.method.tasks else None, batch_size=BATCH)
        unit = predictor.network.metres_per_unit or 1.0
        depths: list[Any] = [None] * len(chain)
        for index, _, maps in looked_at(predictor, [(manifest.path(row), manifest[row]) for row in chain]):
            inverse = resize_inverse_depth(maps["inverse_depth"][0].cpu().float(), size)
            depths[index] = unit / inverse.clamp(min=1e-6)
        camera = self._intrinsics(manifest, chain[0], size)
        motions = torch.from_numpy(predict_motions(run, manifest, list(chain))).float()
        back = torch.linalg.inv(motions)
        return [
            (rigid_flow(depths[k], camera, motions[k]), rigid_flow(depths[k + 1], camera, back[k]))
            for k in range(len(chain) - 1)
        ]

    def _intrinsics(self, manifest: Manifest, index: int, size: tuple[int, int]) -> Tensor:
        row, (height, width) = manifest[index], size
        if row.intrinsics_known:
            camera = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, width, height)
        else:
            camera = Camera.from_field_of_view(self.field_of_view, width, height)
        return torch.tensor([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


def _check(run: LoadedRun) -> None:
    if "depth" not in run.method.tasks:
        raise InputError(f"{run.path} predicts no depth; name a depth run, or use --motion flow.")
    if getattr(run.method, "pose", None) is None:
        raise InputError(
            f"{run.path} has no pose network (it learned from stereo alone); use --motion flow, or a run that learned "
            "from video."
        )


def working_frame(manifest: Manifest, index: int, width: int) -> Tensor:
    """The image of a row, (3, H, W) in [0, 1], no wider than ``width``."""
    image = open_image(manifest.path(index))
    if image.width > width:
        image = image.resize((width, max(1, round(image.height * width / image.width))))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
