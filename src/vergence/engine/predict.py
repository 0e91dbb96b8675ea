"""Depth of images, folders and videos as files: 16-bit PNG, arrays, colours, a colour video, point clouds."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import vergence
from vergence.data.atomic import write_text
from vergence.data.depth_files import (
    METRES_FACTOR,
    ColourRange,
    colour_range,
    colourize,
    write_array,
    write_depth_png,
    write_picture,
)
from vergence.data.images import read_image
from vergence.data.manifest import Manifest
from vergence.data.pointcloud import depth_to_points, write_ply
from vergence.data.table import nearest
from vergence.data.video_writer import write_video
from vergence.engine.checkpoint import LoadedRun, load_run
from vergence.engine.inputs import on_device, prefetched, to_network
from vergence.engine.predict_maps import predict_inverse_depth
from vergence.engine.predict_sources import Frame, Source, open_source
from vergence.engine.scaling import ground_height, known_metres_per_unit, one_factor, truth_ratio
from vergence.errors import InputError

SIDECAR = "predictions.json"
_LARGEST = 65535
_SAMPLED = 48
"""Frames looked at to fix the colour range and the scale of all."""
_CLOUD_REACH = 10.0
"""Points farther than so many median depths are sky or guesses, and left out of point clouds."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Outputs:
    """Which files are written for each frame, and how."""

    depth: bool = True
    array: bool = False
    colour: bool = True
    cloud: bool = False
    colour_map: str = "magma"
    field_of_view: float = 60.0

    def paths(self, out: Path, name: str) -> dict[str, Path]:
        """The files of one frame."""
        places = {"depth": "png", "array": "npy", "colour": "png", "cloud": "ply"}
        return {kind: out / kind / f"{name}.{suffix}" for kind, suffix in places.items() if getattr(self, kind)}


@torch.no_grad()
def predict(
    run: LoadedRun | Path | str,
    input: Manifest | Path | str,
    out: Path | str,
    *,
    depth: bool = True,
    array: bool = False,
    colour: bool = True,
    cloud: bool = False,
    video: bool | None = None,
    side_by_side: bool = True,
    scale: float | str | None = None,
    camera_height: float | None = None,
    flip: bool = False,
    split: str | None = None,
    limit: int | None = None,
    batch_size: int = 4,
    field_of_view: float | None = None,
    colour_map: str = "magma",
    overwrite: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict depth at the input's own resolution, write it below ``out``, and return what ``predictions.json`` says.

    ``depth/NAME.png`` holds round(depth * ``png_factor``) in 16 bits (factor 256 where depth is in metres, KITTI's
    convention; where it is unscaled, the factor that fits the network's range), ``array/NAME.npy`` float32 depth,
    ``colour/NAME.png`` inverse depth in colours whose range is one for all frames, ``cloud/NAME.ply`` coloured points,
    ``colour.mp4`` the colours as a video. Frames whose files exist are skipped, so an interrupted call can be repeated.

    Args:
        input: image, folder, video, or manifest.
        depth, array, colour, cloud: which files to write.
        video: write ``colour.mp4``; default for video files only.
        side_by_side: the input above the colours in the video.
        scale: None (metres where the run knows them, else unscaled), "metric", a factor on the network's unit, "truth"
            (median over frames with measured depth).
        camera_height: metres above level ground; gives one factor for all frames.
        flip: average with the prediction of the mirrored picture.
        field_of_view: horizontal degrees, for point clouds of cameras without intrinsics; default the run's guess.
        overwrite: write again what exists.

    Raises:
        InputError: unreadable input, impossible scale, ``out`` holds other predictions or cannot be written.
    """
    _check_colour_map(colour_map)
    scale = _number(scale)
    loaded = run if isinstance(run, LoadedRun) else load_run(Path(run), device)
    source, out = open_source(input, split, limit), Path(out)
    guess = field_of_view if field_of_view is not None else loaded.config.frames.options.field_of_view
    video = source.is_video if video is None else video
    outputs = Outputs(depth, array, colour or video, cloud, colour_map, guess)
    loaded.method.eval()
    made_by = _made_by(loaded, flip, scale, camera_height, colour_map)
    record = None if overwrite else _earlier(out, made_by)
    if record is None:
        record = {**made_by, **_survey(loaded, source, flip, scale, camera_height, guess)}
    record["camera"] = "known" if source.intrinsics_known else f"guessed from a field of view of {guess:g} degrees"
    _write_record(out, record)

    names = _write_frames(loaded, source, out, outputs, record, flip, batch_size, overwrite, progress)
    record["frames"] = len(names)
    if video:
        pictures = _video_pictures(source, out, side_by_side)
        record["video"] = str(write_video(out / "colour.mp4", pictures, source.fps).name)
    _write_record(out, record)
    return record


def _check_colour_map(name: str) -> None:
    from matplotlib import colormaps

    if name not in colormaps:
        raise InputError(f"colour map {name!r} is unknown{nearest(name, list(colormaps))}; use one of matplotlib's.")


def _number(scale: float | str | None) -> float | str | None:
    """A factor given as a word, as on a command line, is the same factor."""
    with contextlib.suppress(TypeError, ValueError):
        return float(scale)  # type: ignore[arg-type]
    return scale


def _made_by(
    run: LoadedRun, flip: bool, scale: float | str | None, height: float | None, colours: str
) -> dict[str, Any]:
    """What results depend on besides the input: two calls with equal values may share a folder."""
    return {
        "run": run.path.resolve().name, "step": run.step, "flip": flip, "scale_asked": scale, "camera_height": height,
        "colour_map": colours, "vergence": vergence.__version__,
    }  # fmt: skip


def _earlier(out: Path, made_by: dict[str, Any]) -> dict[str, Any] | None:
    """The record of an earlier call with the same settings; InputError if ``out`` holds other predictions."""
    path = out / SIDECAR
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key, value in made_by.items() if record.get(key) != value]
        complete = {"png_factor", "factor", "colour"} <= record.keys()
    except (OSError, ValueError, AttributeError):
        differing, complete = ["predictions.json"], False
    if differing or not complete:
        raise InputError(f"{out} already holds predictions with another {(differing or ['record'])[0]}; give another "
                         "folder, or --overwrite true.")  # fmt: skip
    return dict(record)


def _write_record(out: Path, record: dict[str, Any]) -> None:
    write_text(out / SIDECAR, json.dumps(record, indent=2) + "\n")


def _survey(
    run: LoadedRun, source: Source, flip: bool, scale: float | str | None, camera_height: float | None, guess: float
) -> dict[str, Any]:
    """One scale and one colour range for all frames, from some of them."""
    factor, origin = _factor(run, source, flip, scale, camera_height, guess)
    metric = origin != "unscaled"
    samples = [_inverse_depths(run, [frame], flip)[0].flatten() for frame in source.sample(_SAMPLED)]
    limits = colour_range(torch.cat(samples).numpy() / factor)
    loss = getattr(getattr(run.method, "config", None), "loss", None)
    farthest = float(getattr(loss, "max_depth", 100.0)) * factor
    png_factor = METRES_FACTOR if metric else float(math.floor(_LARGEST / farthest))
    return {
        "unit": "metres" if metric else "unscaled",
        "scale": origin,
        "factor": factor,
        "png_factor": png_factor,
        "png": "depth = value / png_factor; 0 = none, 65535 = that far or farther",
        "colour": {"of": "inverse depth", "low": limits.low, "high": limits.high, "percentiles": [2, 98]},
    }


def _factor(
    run: LoadedRun, source: Source, flip: bool, scale: float | str | None, camera_height: float | None, guess: float
) -> tuple[float, str]:
    """Factor on the network's unit, and where it comes from."""
    if camera_height is not None:
        if scale is not None:
            raise InputError("camera_height and scale are two ways to one factor; give one of them.")
        if not (math.isfinite(camera_height) and camera_height > 0):
            raise InputError(f"camera_height {camera_height} is impossible; give metres above the ground.")
        heights = (
            ground_height(1 / _inverse_depths(run, [frame], flip)[0].numpy(), frame.camera_or_guess(guess))
            for frame in source.sample(_SAMPLED)
        )
        return one_factor((camera_height / height for height in heights), "level ground under the camera")
    if scale is None:
        if run.method.scale == "metric":
            return known_metres_per_unit(run.method), "metres from the stereo baseline seen in training"
        return 1.0, "unscaled"
    if scale == "metric":
        return known_metres_per_unit(run.method), "metres from the stereo baseline seen in training"
    if scale == "truth":
        ratios = (
            truth_ratio(_inverse_depths(run, [frame], flip)[0], frame.truth)
            for frame in source.sample(_SAMPLED, truth=True)
            if frame.truth is not None
        )
        return one_factor(ratios, "measured depth")
    if isinstance(scale, str) or not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale {scale!r} is unknown; give a positive factor, 'metric' or 'truth'.")
    return scale, f"factor {scale:g} given by the user"


def _inverse_depths(run: LoadedRun, frames: list[Frame], flip: bool) -> list[Tensor]:
    """Inverse depth (h, w) at network size in 1 / training unit of frames of one size, on the CPU."""
    device = next(run.method.parameters()).device
    images = on_device([to_network(frame.image, run.config.frames.options) for frame in frames], device)
    return list(predict_inverse_depth(run.method, images, flip).float().cpu()[:, 0])


def _write_frames(
    run: LoadedRun, source: Source, out: Path, outputs: Outputs, record: dict[str, Any], flip: bool, batch_size: int,
    overwrite: bool, progress: Progress | None,
) -> list[str]:  # fmt: skip
    """Predict and write frame after frame; gives the names of all frames, written now or before."""
    skipped = frozenset() if overwrite else _existing(source, out, outputs)
    names = sorted(skipped)

    def predicted() -> Iterator[tuple[Frame, Tensor]]:
        waiting: list[Frame] = []
        for frame in source.frames(skipped):
            if waiting and (len(waiting) == batch_size or waiting[0].image.size != frame.image.size):
                yield from zip(waiting, _inverse_depths(run, waiting, flip), strict=True)
                waiting = []
            waiting.append(frame)
        if waiting:
            yield from zip(waiting, _inverse_depths(run, waiting, flip), strict=True)

    for (frame, _), _ in prefetched(lambda pair: _write_frame(*pair, out, outputs, record), predicted(), ahead=4):
        names.append(frame.name)
        if progress is not None:
            progress(len(names), max(len(source), len(names)))
    return names


def _existing(source: Source, out: Path, outputs: Outputs) -> frozenset[str]:
    """Names of frames all of whose files exist."""
    if source.is_video:
        names = [f"{number:06d}" for number in range(len(source) + 1)]
    else:
        names = list(source.names)  # type: ignore[union-attr]
    return frozenset(name for name in names if all(path.exists() for path in outputs.paths(out, name).values()))


def _write_frame(frame: Frame, inverse_depth: Tensor, out: Path, outputs: Outputs, record: dict[str, Any]) -> None:
    """All files of one frame. The map is resized as disparity, bilinearly, and only then inverted."""
    size = (frame.image.height, frame.image.width)
    resized = F.interpolate(inverse_depth[None, None], size, mode="bilinear", align_corners=False)[0, 0].numpy()
    inverse = resized / record["factor"]
    depth: NDArray[np.float32] = (1 / inverse).astype(np.float32)
    paths = outputs.paths(out, frame.name)
    if "depth" in paths:
        write_depth_png(paths["depth"], depth, record["png_factor"])
    if "array" in paths:
        write_array(paths["array"], depth)
    if "cloud" in paths:
        points = depth_to_points(
            depth, frame.camera_or_guess(outputs.field_of_view), np.asarray(frame.image),
            farthest=_CLOUD_REACH * float(np.median(depth)),
        )  # fmt: skip
        write_ply(
            paths["cloud"], points, f"depth {record['unit']}, camera {record['camera']}, axes x right y down z forward"
        )
    if "colour" in paths:  # last: where it exists, the others do too
        limits = ColourRange(record["colour"]["low"], record["colour"]["high"])
        write_picture(paths["colour"], colourize(inverse, limits, outputs.colour_map))


def _video_pictures(source: Source, out: Path, side_by_side: bool) -> Iterator[NDArray[np.uint8]]:
    """The colour pictures in order, each below its input; read from disk, so frames of an earlier call are in."""
    for frame in source.frames():
        colours = read_image(out / "colour" / f"{frame.name}.png")
        yield np.concatenate((np.asarray(frame.image), colours)) if side_by_side else colours
