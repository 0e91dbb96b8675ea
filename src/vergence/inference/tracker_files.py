"""Depth, classes, confidence and camera of each frame in one file: what trackers of surfaces, such as surfels, read."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.atomic import write_text, writing
from vergence.data.buckets.addresses import named
from vergence.data.labels import LabelSpace
from vergence.data.structured import read_arrays
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.inference.frame_streams import Frame, FrameStream, ManifestStream
from vergence.inference.prediction import best_classes, resized

FOLDER, INDEX = "tracker", "index.json"
FORMAT = "vergence tracker frames 1"
_ARRAYS = {
    "depth": "(H, W) float32, along the optical axis, in `unit`",
    "labels": "(H, W) uint8, ids of `classes`",
    "confidence": "(H, W) float32, largest probability of all classes",
    "depth_confidence": "(H, W) float32, probability that depth is within a factor of 1.25 of the truth",
    "intrinsics": "(3, 3) float64, pixels of the frame, pixel centres at integers",
    "camera_known": "false where the camera is guessed from a field of view",
}


@dataclass(frozen=True)
class TrackerFiles:
    """One ``tracker/NAME.npz`` for each frame, at the frame's own size, without loss.

    The file holds ``depth`` float32, ``labels`` uint8 and ``confidence`` float32 (each (H, W), where the run predicts
    it), ``intrinsics`` (3, 3) float64 and ``camera_known``; ``tracker/index.json`` says what they mean.
    """

    depth: bool
    space: LabelSpace | None
    field_of_view: float = 60.0
    depth_confidence: bool = False

    told: ClassVar[frozenset[str]] = frozenset()
    """What the record of an earlier call must say for it to be continued."""
    picture = ""
    """Nothing that a video could show."""

    def record(self) -> dict[str, Any]:
        """What ``predictions.json`` says of the files."""
        present = {
            "depth": self.depth, "labels": self.space is not None, "confidence": self.space is not None,
            "depth_confidence": self.depth_confidence,
        }  # fmt: skip
        return {"tracker": {name: text for name, text in _ARRAYS.items() if present.get(name, True)}}

    def paths(self, out: Path, name: str) -> dict[str, Path]:
        """The file of one frame."""
        return {FOLDER: out / FOLDER / f"{name}.npz"}

    def prepare(self, frame: Frame, maps: dict[str, Tensor]) -> dict[str, NDArray[Any]]:
        """Inverse depth and classes at the frame's own size, on the CPU: maps are resized as ``predict`` does it."""
        size = (frame.image.height, frame.image.width)
        arrays: dict[str, NDArray[Any]] = {}
        if self.depth:
            arrays["inverse_depth"] = resized(maps["inverse_depth"].float().cpu(), size)
        if self.depth_confidence:
            arrays["depth_confidence"] = resized(maps["depth_confidence"].float().cpu(), size)
        if self.space is not None:
            ids, confidence = best_classes(maps["logits"], size)
            arrays["labels"] = ids.byte().cpu().numpy()
            arrays["confidence"] = confidence.cpu().numpy()
        return arrays

    def write(self, frame: Frame, maps: dict[str, NDArray[Any]], out: Path, record: dict[str, Any]) -> None:
        """The file of one frame, whole or not there."""
        arrays: dict[str, Any] = {name: array for name, array in maps.items() if name != "inverse_depth"}
        if self.depth:
            arrays["depth"] = (record["factor"] / maps["inverse_depth"]).astype(np.float32)
        camera = Camera.from_normalized(
            *frame.camera_or_guess(self.field_of_view), frame.image.width, frame.image.height
        )
        intrinsics = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
        known = np.array(frame.camera is not None)
        with writing(self.paths(out, frame.name)[FOLDER]) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, intrinsics=intrinsics, camera_known=known, **arrays)


def write_index(out: Path, stream: FrameStream, names: list[str], record: dict[str, Any]) -> Path:
    """Write ``tracker/index.json``: what the arrays mean, and the frames in the order of the source.

    Args:
        names: of all frames whose files exist.
        record: what ``predictions.json`` says.
    """
    facts = ("run", "step", "unit", "scale", "label_space", "classes", "camera")
    content = {
        "format": FORMAT,
        **{key: record[key] for key in facts if key in record},
        "arrays": record["tracker"],
        "axes": "x right, y down, z forward; X = depth * inverse(intrinsics) * (column, row, 1)",
        "frames": _frames(stream, names),
    }
    return write_text(out / FOLDER / INDEX, json.dumps(content, indent=2) + "\n")


def _frames(stream: FrameStream, names: list[str]) -> list[dict[str, Any]]:
    if not isinstance(stream, ManifestStream):
        return [{"file": f"{name}.npz", "position": int(name)} for name in sorted(names)]
    frames = []
    for name, index in zip(stream.names, stream.indices, strict=True):
        row = stream.manifest[index]
        one: dict[str, Any] = {
            "file": f"{name}.npz",
            "image": named(stream.manifest.path(index)),
            "sequence": row.sequence,
            "camera": row.camera,
            "position": row.position,
        }
        if math.isfinite(row.baseline):
            one |= {"baseline_m": row.baseline}
        frames.append(one)
    return frames


def read_tracker_frame(path: Path | str) -> dict[str, NDArray[Any]]:
    """The arrays of one exported frame by name; InputError where the file is missing or none of these."""
    arrays = read_arrays(Path(path), "export it again")
    if "intrinsics" not in arrays:
        raise InputError(f"{path} has no intrinsics, so it is no exported frame; give a file of {FOLDER}/.")
    return arrays
