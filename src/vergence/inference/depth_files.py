"""Predicted depth as files: 16-bit PNG, arrays, colours, point clouds; one scale and colour range for all frames."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.measured.depth_files import (
    METRES_FACTOR,
    ColourRange,
    Pictures,
    colour_range,
    colourize,
    suffix_of,
    write_array,
    write_depth_png,
    write_picture,
)
from vergence.data.measured.pointcloud import depth_to_points, write_ply
from vergence.errors import InputError
from vergence.inference.frame_streams import Frame, FrameStream
from vergence.inference.looks import Looks
from vergence.inference.motion_scale import factor_of_motion
from vergence.inference.networks import Network
from vergence.inference.prediction import (
    CLOUD_REACH,
    checked_confidence,
    inverted,
    resized,
    resized_inverse_depth,
)
from vergence.inference.scaling import Asked, ground_height, one_factor, truth_ratio
from vergence.inference.video_legend import Legend, depth_legend

_LARGEST = 65535
_UNKNOWN_REACH = 4.0
"""Where a model does not say how far it sees, its depth reaches so many times the far end of the colours."""
SAMPLED = 48
"""Frames looked at to fix the colour range and the scale of all."""


@dataclass(frozen=True)
class DepthFiles:
    """Which files of depth are written for each frame, and how."""

    depth: bool = True
    array: bool = False
    colour: bool = True
    cloud: bool = False
    colour_map: str = "magma"
    field_of_view: float = 60.0
    depth_confidence: bool = False
    min_confidence: float | None = None
    """Points of clouds that are trusted less are left out."""
    pictures: Pictures = "jpeg"
    """Format of colours."""

    told = frozenset({"png_factor", "factor", "colour"})
    """What the record of an earlier call must say for it to be continued."""
    picture = "colour"
    """What a video shows."""

    def paths(self, out: Path, name: str) -> dict[str, Path]:
        """The files of one frame."""
        suffixes = {"depth": "png", "array": "npy", "cloud": "ply", "depth_confidence": "png"}
        suffixes["colour"] = suffix_of(self.pictures)
        return {kind: out / kind / f"{name}.{suffix}" for kind, suffix in suffixes.items() if getattr(self, kind)}

    def prepare(self, frame: Frame, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """What is kept of a frame's maps: inverse depth, and confidence where it is said, (h, w) on the CPU."""
        return {name: maps[name][0].float().cpu() for name in ("inverse_depth", "depth_confidence") if name in maps}

    def write(
        self, frame: Frame, maps: dict[str, Tensor], out: Path, record: dict[str, Any]
    ) -> NDArray[np.uint8] | None:
        """All files of one frame; gives what a video shows (H, W, 3), where it is asked for.

        The map is resized as disparity, bilinearly, and only then inverted.
        """
        size = (frame.image.height, frame.image.width)
        inverse = resized_inverse_depth(maps["inverse_depth"], size, record["factor"])
        depth = inverted(inverse)
        sure = resized(maps["depth_confidence"], size) if "depth_confidence" in maps else None
        paths = self.paths(out, frame.name)
        if "depth" in paths:
            write_depth_png(paths["depth"], depth, record["png_factor"])
        if "array" in paths:
            write_array(paths["array"], depth)
        if "cloud" in paths:
            points = depth_to_points(
                depth, frame.camera_or_guess(self.field_of_view), np.asarray(frame.image),
                CLOUD_REACH * float(np.median(depth)), sure, checked_confidence(self.min_confidence),
            )  # fmt: skip
            how = f"depth {record['unit']}, camera {record['camera']}, axes x right y down z forward"
            write_ply(paths["cloud"], replace(points, comment=how))
        if "depth_confidence" in paths and sure is not None:
            write_picture(paths["depth_confidence"], (255 * sure).round().astype(np.uint8))
        if "colour" not in paths:
            return None
        shown = colourize(inverse, ColourRange(record["colour"]["low"], record["colour"]["high"]), self.colour_map)
        write_picture(paths["colour"], shown)  # last: where it exists, the others do too
        return shown

    def legend(self, out: Path, record: dict[str, Any]) -> Legend:
        """What the colours of a video mean."""
        return depth_legend(record, self.colour_map)


def survey(looks: Looks, stream: FrameStream, asked: Asked, guess: float) -> dict[str, Any]:
    """One scale and one colour range for all frames, from some of them.

    Args:
        looks: at these frames, which it remembers.
        guess: field of view in degrees of frames without intrinsics.

    Raises:
        InputError: a scale that is impossible, for this run or for these frames.
    """
    factor, origin = _factor(looks, stream, asked, guess)
    metric = origin != "unscaled"
    samples = [looks.inverse_depth(frame).flatten() for frame in stream.sample(SAMPLED)]
    limits = colour_range(torch.cat(samples).numpy() / factor)
    unit = "metres" if metric else "unscaled"
    return {
        "unit": unit,
        "scale": origin,
        "factor": factor,
        "png_factor": png_factor(looks.predictor.network, unit, factor, limits.low),
        "png": "depth = value / png_factor; 0 = none, 65535 = that far or farther",
        "colour": {"of": "inverse depth", "low": limits.low, "high": limits.high, "percentiles": [2, 98]},
    }


def png_factor(network: Network, unit: str, factor: float, farthest_colour: float) -> float:
    """By what depth is multiplied in a 16-bit PNG.

    Args:
        network: of the depth.
        unit: "metres" or "unscaled".
        factor: units of depth in one of the network's.
        farthest_colour: the inverse depth of the far end of the colours.
    """
    if unit == "metres":
        return METRES_FACTOR
    if network.farthest is not None:
        return float(math.floor(_LARGEST / (network.farthest * factor)))
    return _LARGEST / _UNKNOWN_REACH * farthest_colour


def _factor(looks: Looks, stream: FrameStream, asked: Asked, guess: float) -> tuple[float, str]:
    """Factor on the network's unit, and where it comes from."""
    predictor = looks.predictor
    scale, camera_height = asked.scale, asked.camera_height
    if asked.speed is not None or asked.poses is not None or scale == "poses":
        return factor_of_motion(looks, stream, asked, guess)
    if camera_height is not None:
        heights = (
            ground_height(1 / looks.inverse_depth(frame).numpy(), frame.camera_or_guess(guess))
            for frame in stream.sample(SAMPLED)
        )
        return one_factor((camera_height / height for height in heights), "level ground under the camera")
    if scale is None and predictor.network.metres_per_unit is None:
        return 1.0, "unscaled"
    if scale is None or scale == "metric":
        return predictor.factor_of(scale)[0], predictor.network.origin_of_metres
    if scale == "truth":
        ratios = (
            truth_ratio(looks.inverse_depth(frame), frame.truth)
            for frame in stream.sample(SAMPLED, truth=True)
            if frame.truth is not None
        )
        return one_factor(ratios, "measured depth")
    if isinstance(scale, str) or not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale {scale!r} is unknown; give a positive factor, 'metric', 'truth' or 'poses'.")
    return scale, f"factor {scale:g} given by the user"
