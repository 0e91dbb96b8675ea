"""Motion between neighbouring frames of a video: by flow, by a depth run's geometry, or by what explains more."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vergence.data.imaging.images import open_image
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.geometry.camera import Camera, resize_inverse_depth
from vergence.inference.motions import predict_motions
from vergence.inference.port_runs import BATCH, looked_at
from vergence.inference.predictor import load
from vergence.motion.flow import DenseFlow
from vergence.motion.rigid import better_explained, rigid_flow
from vergence.motion.track import pixel_positions, sample
from vergence.propagation.carry import Pair
from vergence.runs.checkpoint import LoadedRun

_log = logging.getLogger("vergence")

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
    def pairs(self, manifest: Manifest, chain: tuple[int, ...], frames: Sequence[Tensor]) -> Iterator[Pair]:
        """Flows to the next frame and back for each frame of the chain but the last, one pair after the other.

        Args:
            frames: (3, H, W) uint8 of the chain.
        """
        rigid = self._rigid(manifest, chain, frames) if self.run is not None else None
        if self.flow is None:
            assert rigid is not None
            yield from self._compared(rigid, frames, f"{manifest[chain[0]].sequence} {manifest[chain[0]].camera}")
            return
        for first, second in itertools.pairwise(frame.float() / 255 for frame in frames):
            greys = [(frame.mean(0) * 255).round().byte().numpy() for frame in (first, second)]
            flow = self.flow(*greys), self.flow(*greys[::-1])
            if rigid is None:
                yield flow
                continue
            still = next(rigid)
            ahead = better_explained(flow, still, first, second)
            yield ahead, better_explained(flow[::-1], still[::-1], second, first)

    def _compared(self, rigid: Iterator[Pair], frames: Sequence[Tensor], video: str) -> Iterator[Pair]:
        """The same pairs; a note where they explain the pictures no better than a camera that stands still."""
        moved = still = 0.0
        for (first, second), pair in zip(itertools.pairwise(frames), rigid, strict=True):
            before, after = first.float() / 255, second.float() / 255
            moved += float((sample(after, pixel_positions(before) + pair[0]) - before).abs().mean())
            still += float((after - before).abs().mean())
            yield pair
        if moved >= still and self.run is not None:
            _log.warning(
                "%s: the geometry of %s explains these frames no better than a camera that stands still, so labels of "
                "what moves go wrong; use --motion auto or flow",
                video.strip(),
                self.run.path,
            )

    def _rigid(self, manifest: Manifest, chain: tuple[int, ...], frames: Sequence[Tensor]) -> Iterator[Pair]:
        run = self.run
        assert run is not None
        size = (frames[0].shape[-2], frames[0].shape[-1])
        predictor = load(run, window="none" if "segmentation" in run.method.tasks else None, batch_size=BATCH)
        unit = predictor.network.metres_per_unit or 1.0
        depths: list[Any] = [None] * len(chain)
        for index, _, maps in looked_at(predictor, [(manifest.path(row), manifest[row]) for row in chain]):
            inverse = resize_inverse_depth(maps["inverse_depth"][0].cpu().float(), size)
            depths[index] = unit / inverse.clamp(min=1e-6)
        camera = self._intrinsics(manifest, chain[0], size)
        motions = torch.from_numpy(predict_motions(run, manifest, list(chain))).float()
        back = torch.linalg.inv(motions)
        for k in range(len(chain) - 1):
            yield rigid_flow(depths[k], camera, motions[k]), rigid_flow(depths[k + 1], camera, back[k])

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


def working_size(size: tuple[int, int], width: int) -> tuple[int, int]:
    """(width, height) of a picture of another (width, height) that is made no wider than ``width``."""
    if size[0] <= width:
        return size
    return width, max(1, round(size[1] * width / size[0]))


def working_pixels(manifest: Manifest, index: int, width: int) -> Tensor:
    """The image of a row, (3, H, W) uint8, no wider than ``width``."""
    image = open_image(manifest.path(index))
    size = working_size(image.size, width)
    if size != image.size:
        image = image.resize(size)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def working_frame(manifest: Manifest, index: int, width: int) -> Tensor:
    """The same in [0, 1]."""
    return working_pixels(manifest, index, width).float() / 255
