"""What ``predict --steady`` takes from flicker, and what it costs in accuracy.

    python benchmarks/studies/steady_depth.py --clip NAME RUN DATA SEQUENCES [--clip ...]

Data need poses; SEQUENCES is a pattern of their names. ``temporal``: where depth is known everywhere (toy town), the
mean change from frame to frame of the log error of a point that both frames see (exact motion, exact depth); elsewhere
the mean |log| by which neighbouring predictions disagree under the true motion, in the clip's own scale. ``abs_rel``:
against measured depth, under one scale for the whole clip, which flicker makes worse, and under each frame's own.
"""

import argparse
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.studies.common import commit, device_name, write_rows
from vergence import __version__
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.geometry.camera import Camera, resize_inverse_depth
from vergence.geometry.warp import projection_rays, sampling_grid, warp
from vergence.inference.frame_streams import Frame
from vergence.inference.inputs import ground_truth, has_truth
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Predictor
from vergence.inference.steady import Steadier
from vergence.runs.checkpoint import load_run

MODES = ("none", "scale", "filter")


def depths(network: RunNetwork, manifest: Manifest, rows: list[int], mode: str) -> list[Tensor]:
    """Depth (h, w) of the rows in order, in the network's unit."""

    def frames() -> Any:
        for number, row in enumerate(rows):
            one = manifest[row]
            frame = Frame(str(row), open_frame(manifest, row), (one.fx, one.fy, one.cx, one.cy), follows=number > 0)
            prepared = network.prepare(frame.image)
            yield (frame, prepared), prepared

    looked_at = Predictor(network).looked_at(frames())
    if mode == "none":
        return [1 / maps["inverse_depth"][0] for _, maps in looked_at]
    steadier = Steadier(network, mode, network.field_of_view)  # type: ignore[arg-type]
    return [1 / maps["inverse_depth"][0] for _, maps in steadier(looked_at)]


def moved(depth: Tensor, other: Tensor, intrinsics: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each pixel of a depth (h, w): its depth in another camera, what ``other`` says there, and whether inside."""
    height, width = depth.shape
    rays, offset = projection_rays(intrinsics[None], intrinsics[None, None], motion[None, None], height, width)
    grid, inside = sampling_grid(depth[None, None], rays, offset)
    there = depth * rays[0, 0, 2] + offset[0, 0, 2]
    return there, warp(other[None, None, None], grid)[0, 0, 0], inside[0, 0, 0]


def temporal(
    predicted: list[Tensor], truths: list[Tensor | None], poses: list[NDArray[np.float64]], camera: Camera, scale: float
) -> float:
    """See the module's text."""
    changes = []
    for (before, now), (truth_before, truth), (pose_before, pose) in zip(
        *(itertools.pairwise(each) for each in (predicted, truths, poses)), strict=True
    ):
        height, width = now.shape
        intrinsics = camera.resized(width, height).matrix()
        motion = torch.from_numpy(np.linalg.inv(pose_before) @ pose).float()
        if truth is not None and truth_before is not None and float((truth > 0).float().mean()) > 0.5:
            sure, sure_before = (resize_inverse_depth(1 / t.clamp(min=1e-3), now.shape) for t in (truth, truth_before))
            there, seen, inside = moved(1 / sure, 1 / sure_before, intrinsics, motion)
            same = inside & ((there / seen).log().abs() < 0.05) & (there < 80)
            _, said, _ = moved(1 / sure, before, intrinsics, motion)
            change = (now * sure).log() - (said / seen).log()
        else:
            there, said, inside = moved(now * scale, before * scale, intrinsics, motion)
            same = inside & (there > 0.5)
            change = (there / said).log()
        changes.append(float(change[same].abs().mean()))
    return float(np.mean(changes))


def judged(name: str, run: Path, data: Path, pattern: str, most: int) -> list[dict[str, Any]]:
    """A row for each mode."""
    manifest, network = Manifest.read(data), RunNetwork(load_run(run, "cpu"))
    clips: dict[str, list[int]] = {}
    for index, row in enumerate(manifest):
        if re.search(pattern, row.sequence) and row.pose:
            clips.setdefault(f"{row.sequence} {row.camera}", []).append(index)
    rows = []
    for mode in MODES:
        numbers: list[tuple[float, float, float]] = []
        for members in clips.values():
            ordered = sorted(members, key=lambda index: manifest[index].position)[:most]
            predicted = depths(network, manifest, ordered, mode)
            truths = [torch.from_numpy(ground_truth(manifest, i)) if has_truth(manifest, i) else None for i in ordered]
            scale, whole, own = accuracy(predicted, truths, network.metres_per_unit)
            one = manifest[ordered[0]]
            height, width = predicted[0].shape
            camera = Camera.from_normalized(one.fx, one.fy, one.cx, one.cy, width, height)
            poses = [pose for i in ordered if (pose := manifest[i].pose_matrix()) is not None]
            numbers.append((temporal(predicted, truths, poses, camera, scale), whole, own))
        columns = [[value for value in column if np.isfinite(value)] for column in zip(*numbers, strict=True)]
        means = [round(float(np.mean(column)), 4) if column else "" for column in columns]
        rows.append({
            "data": name, "steady": mode, "clips": len(clips), "temporal": means[0], "abs_rel_one_scale": means[1],
            "abs_rel_own_scale": means[2], "step": network.run.step, "device": device_name(),
            "vergence": __version__, "commit": commit(),
        })  # fmt: skip
        print(rows[-1])
    return rows


def accuracy(predicted: list[Tensor], truths: list[Tensor | None], known: float | None) -> tuple[float, float, float]:
    """Metres in a unit by the median over the clip, and abs_rel under it and under each frame's own median."""
    pairs = []
    for depth, truth in zip(predicted, truths, strict=True):
        if truth is not None:
            measured = (truth > 0.1) & (truth < 80)
            pairs.append(((1 / resize_inverse_depth(1 / depth, truth.shape))[measured], truth[measured]))
    if not pairs:
        return known or 1.0, float("nan"), float("nan")
    scale = float(np.median([float(truth.median() / depth.median()) for depth, truth in pairs]))
    whole = [float(((depth * scale - truth).abs() / truth).mean()) for depth, truth in pairs]
    own = [float(((depth * truth.median() / depth.median() - truth).abs() / truth).mean()) for depth, truth in pairs]
    return scale, float(np.mean(whole)), float(np.mean(own))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", nargs=4, action="append", required=True, metavar=("NAME", "RUN", "DATA", "SEQUENCES"))
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "steady_depth.csv")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, run, data, pattern in options.clip:
        rows += judged(name, Path(run), Path(data), pattern, options.frames)
    write_rows(options.csv, rows, ("data", "steady"))


if __name__ == "__main__":
    main()
