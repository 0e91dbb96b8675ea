"""Frames for the report: what the network sees, says and misses on a few pictures of the evaluation data."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import ColourRange, colour_range
from vergence.errors import InputError
from vergence.evaluation.baselines import MeanInverseDepth, input_free_of_run, training_frames, untrained_method
from vergence.evaluation.depth import in_units
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import open_data
from vergence.geometry.camera import Camera, resize_inverse_depth
from vergence.inference.inputs import ground_truth, has_truth, working_image
from vergence.inference.networks import RunNetwork
from vergence.methods.panels import Exhibit
from vergence.metrics.depth import score_inverse_depth
from vergence.report.pictures import (
    ERROR_LIMITS,
    ERROR_MAP,
    Panel,
    colour_bar,
    colour_picture,
    depth_bar,
    for_display,
    photograph,
)
from vergence.report.probes import Probe, View, depth_probe, panel_data, share_probe
from vergence.report.segmentation_samples import ClassSamples, collect_classes, swatches
from vergence.report.stored_run import predicts_depth, scale_status, setting, stored_settings
from vergence.report.training_samples import drawn, training_panels
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.settings.protocols import DepthProtocol

_STRIPS = 3


@dataclass
class Samples:
    """All pictures of a report, and the reasons for those that are missing."""

    panels: list[Panel] = field(default_factory=list)
    strip: list[Panel] = field(default_factory=list)
    scale: str = ""
    note: str = ""
    compared_note: str = ""
    """What the method says of its own pictures among these."""
    strip_note: str = ""
    missing: str = ""
    classes: ClassSamples | None = None
    """What a run that predicts classes shows."""
    training: list[Panel] = field(default_factory=list)
    training_note: str = ""
    digest: str = ""
    """Digest of the frames that were trained on."""
    warnings: list[str] = field(default_factory=list)


class Seen(NamedTuple):
    """One frame and everything that is shown of it; maps are arrays (h, w), truth and its errors (H, W)."""

    name: str
    image: NDArray[np.uint8]
    predictions: dict[str, Tensor]
    """Inverse depth by predictor, in the unit the protocol scores."""
    truth: NDArray[np.float32] | None
    compared: Exhibit | None
    """What the method shows of the frame and its neighbours; None where the data have none."""
    confidence: NDArray[np.float32] | None = None
    """(h, w), how far the trained network's depth can be trusted."""
    camera: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Normalised intrinsics, or their guess."""


@torch.no_grad()
def collect_samples(run: Any, data: Any = None, images: int = 4) -> Samples:
    """Run the network on a few evenly spaced frames; whatever is not at hand is said in ``missing``, not raised."""
    path = Path(getattr(run, "path", run))
    recipe = stored_settings(path)
    depth = predicts_depth(recipe)
    samples = Samples(scale=scale_status(setting(recipe, "frames", "options", "offsets")) if depth else "")
    try:
        loaded: LoadedRun = run if isinstance(run, LoadedRun) else load_run(path)
        method = loaded.method
        if depth and method.scale == "metric":
            views = any(role.neighbours for role in loaded.config.section.roles.values())
            unit = method.metres_per_unit
            samples.scale = scale_status(("s",), unit) if views else f"depth in {method.origin_of_metres}"
    except (InputError, OSError, RuntimeError) as error:
        samples.missing = f"No pictures: the weights cannot be loaded. {error}"
        return samples
    _look_at_training_data(samples, loaded)
    training = method.training
    method.eval()
    try:
        manifest = open_data(loaded, data, None, absent="all") if images > 0 else None
        if manifest is not None and depth and "depth" in method.tasks:
            _collect(samples, loaded, manifest, images)
        seen: set[int] = set()
        if "segmentation" in method.tasks:
            samples.classes = collect_classes(loaded, manifest, images, seen)
        samples.training, samples.training_note = training_panels(loaded, seen)
        if samples.classes is not None and method.label_space is not None:
            samples.classes.legend = swatches(method.label_space, seen)
    except (InputError, OSError) as error:
        samples.missing = f"No pictures: the data cannot be read. {error}"
    finally:
        method.train(training)
    return samples


def _look_at_training_data(samples: Samples, run: LoadedRun) -> None:
    """Digest of the training frames, and a warning where their cameras are guesses; nothing if they are not at hand."""
    with contextlib.suppress(InputError, OSError):
        frames = training_frames(run)
        samples.digest = f"{frames.digest()} ({len(frames)} frames)"
        unknown = sum(not row.intrinsics_known for row in frames)
        if unknown and "depth" in run.method.tasks:
            guess = run.config.frames.options.field_of_view
            samples.warnings.append(
                f"{unknown} of {len(frames)} training frames have no intrinsics: a field of view of {guess:g} degrees "
                "was assumed (or the camera was learned). A wrong guess distorts depth."
            )


def _collect(samples: Samples, run: LoadedRun, manifest: Manifest, images: int) -> None:
    protocol = choose_protocol(run.config.evaluate.protocol)
    methods = {"trained": run.method, "untrained": untrained_method(run)[0]}
    networks = {
        name: RunNetwork(replace(run, method=method), depth_confidence=name == "trained")
        for name, method in methods.items()
    }
    truths = [index for index in range(len(manifest)) if has_truth(manifest, index)]
    mean, origin = input_free_of_run(run, manifest, truths) if truths else (None, "no measured depth")
    dataset = _dataset(run, manifest)
    chosen = choose_frames(manifest, run.config.frames.options.offsets, images)
    stamp = f"{protocol.describe()} · data {manifest.digest()} · step {run.step}"
    compared: list[Seen] = []
    for number, index in enumerate(chosen):
        seen = look(run, manifest, index, networks, mean, origin.startswith("leave-one-out"), dataset, protocol)
        samples.panels.append(panel(seen, run, protocol, stamp))
        if seen.compared is not None:
            samples.compared_note = seen.compared.caption
        if seen.truth is not None and number < _STRIPS:
            compared.append(seen)
    samples.panels.sort(key=lambda one: -one.error if math.isfinite(one.error) else math.inf)
    samples.strip = strip_panels(compared, protocol, stamp)
    samples.note = (
        f"{len(chosen)} of {len(manifest)} frames of {Path(manifest.name).name or 'the data'}, evenly spaced"
        f"{', the worst first' if compared else ''}."
    )
    samples.strip_note = (
        f"The same frames seen by the trained network, by the {origin} (input_free), and by the untrained network."
    )


def choose_frames(manifest: Manifest, offsets: tuple[int | str, ...], most: int) -> list[int]:
    """Evenly spaced rows, inner ones first choice: with truth and neighbours, else with truth, else with neighbours."""
    rows = range(len(manifest))
    truth = [index for index in rows if has_truth(manifest, index)]
    moving = {index for index in rows if any(manifest.has_source(index, offset) for offset in offsets)}
    pools = [[index for index in truth if index in moving], truth, sorted(moving), list(rows)]
    pool = next(pool for pool in pools if pool)
    if len(pool) <= most:
        return pool
    return [pool[int((number + 0.5) * len(pool) / most)] for number in range(most)]


def _dataset(run: LoadedRun, manifest: Manifest) -> FrameDataset | None:
    options = replace(run.config.frames.options, load_label=False, load_depth=False, random_crop=None, require="any")
    try:
        return FrameDataset(manifest, options, train=False)
    except InputError:
        return None


def look(
    run: LoadedRun,
    manifest: Manifest,
    index: int,
    networks: dict[str, RunNetwork],
    mean: MeanInverseDepth | None,
    left_out: bool,
    dataset: FrameDataset | None,
    protocol: DepthProtocol,
) -> Seen:
    """Everything about one frame."""
    image = working_image(manifest, index, run.config.frames.options)
    truth = ground_truth(manifest, index) if has_truth(manifest, index) else None
    predictions, confidence = {}, None
    for name, network in networks.items():
        maps = network.maps([image])
        inverse_depth = maps["inverse_depth"][0, 0].float().cpu()
        if "depth_confidence" in maps:
            confidence = maps["depth_confidence"][0, 0].float().cpu().numpy()
        predictions[name] = in_units(inverse_depth, network.method, protocol)
    if mean is not None:
        predictions["input_free"] = mean.mean(truth if left_out else None)
    compared = None
    if dataset is not None and index in dataset.rows:
        batch = prepare_batch(collate([dataset[dataset.rows.index(index)]]), run.device)
        compared = run.method.frame_pictures(batch)
    row = manifest[index]
    name = f"{row.sequence} · {row.position}" if row.sequence else Path(row.image).name
    height, width = image.shape[-2:]
    guess = Camera.from_field_of_view(run.config.frames.options.field_of_view, width, height).normalized()
    camera = (row.fx, row.fy, row.cx, row.cy) if row.intrinsics_known else guess
    return Seen(name, image.permute(1, 2, 0).numpy(), predictions, truth, compared, confidence, camera)


def scaled(
    inverse_depth: Tensor, truth: NDArray[np.float32] | None, protocol: DepthProtocol, units: str = "network"
) -> NDArray[np.float64]:
    """Inverse depth (h, w) in 1 / metres under the protocol's scale, or unscaled where there is no truth."""
    values = inverse_depth.double().numpy()
    if isinstance(protocol.scale, float | int) and units == "network":
        return values / float(protocol.scale)
    if truth is None or protocol.scale != "median":
        return values
    score = score_inverse_depth(inverse_depth, torch.from_numpy(truth), protocol)
    return values / float(score.ratio) if int(score.pixels) else values


def relative_error(inverse_depth: NDArray[np.float64], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """|truth - prediction| / truth (H, W) at the truth's size; NaN where nothing was measured."""
    resized = resize_inverse_depth(torch.from_numpy(inverse_depth), truth.shape).numpy()
    depth = truth.astype(np.float64)
    return np.where(depth > 0, np.abs(depth - 1 / resized) / np.where(depth > 0, depth, 1), np.nan)


def inverse_truth(truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inverse depth (H, W), NaN where nothing was measured."""
    return np.where(truth > 0, 1 / np.where(truth > 0, truth, 1).astype(np.float64), np.nan)


def panel(seen: Seen, run: LoadedRun, protocol: DepthProtocol, stamp: str) -> Panel:
    """Input, prediction, truth, error, and what the method compares with other frames."""
    inverse_depth = scaled(seen.predictions["trained"], seen.truth, protocol)
    limits = _limits(inverse_depth, seen.truth)
    metric = seen.truth is not None or run.method.scale == "metric"
    pictures = [photograph("input", seen.image), colour_picture("predicted inverse depth", inverse_depth, limits)]
    if seen.truth is not None:
        error = relative_error(inverse_depth, seen.truth)
        note = _abs_rel(seen, "trained", protocol)
        pictures += [
            colour_picture("measured inverse depth", inverse_truth(seen.truth), limits, note="grey: not measured"),
            colour_picture("relative error of depth", error, ERROR_LIMITS, ERROR_MAP, note),
        ]
    bars = [depth_bar(limits, metric)]
    if seen.compared is not None:
        more = drawn(seen.compared.pictures, 0, set())
        pictures, bars = pictures + more.pictures, bars + more.bars
    if seen.truth is not None:
        bars.append(colour_bar("relative error of depth", ERROR_LIMITS, ERROR_MAP, ("0", "25 %", "≥ 50 %")))
    data = panel_data(_probes(seen, inverse_depth, metric), View(0, seen.camera))
    abs_rel = _abs_rel_of(seen, "trained", protocol)
    return Panel(seen.name, pictures, bars, stamp if seen.truth is not None else "", data, True, abs_rel)


def _probes(seen: Seen, inverse_depth: NDArray[np.float64], metric: bool) -> list[Probe]:
    """What is told of the pixel under the pointer."""
    unit = "m" if metric else ""
    probes = [depth_probe("predicted depth" if metric else "unscaled depth", inverse_depth, unit)]
    if seen.truth is not None:
        probes += [
            depth_probe("measured", for_display(inverse_truth(seen.truth)), "m"),
            share_probe("error", for_display(relative_error(inverse_depth, seen.truth))),
        ]
    return [*probes, share_probe("confidence", seen.confidence)] if seen.confidence is not None else probes


def strip_panels(frames: Sequence[Seen], protocol: DepthProtocol, stamp: str) -> list[Panel]:
    """Measured depth of each frame, and the three predictions with their errors; all frames in the same colours, which
    the last panel explains."""
    truths = [seen.truth for seen in frames if seen.truth is not None]
    if not truths:
        return []
    limits = colour_range(np.concatenate([inverse_truth(truth).ravel() for truth in truths]))
    panels = []
    for seen, truth in zip(frames, truths, strict=True):
        pictures = [photograph("input", seen.image), colour_picture("measured", inverse_truth(truth), limits)]
        for name in ("trained", "input_free", "untrained"):
            if name in seen.predictions:
                units = "metres" if name == "input_free" else "network"
                values = scaled(seen.predictions[name], truth, protocol, units)
                pictures.append(colour_picture(name, values, limits, note=_abs_rel(seen, name, protocol)))
        panels.append(Panel(seen.name, pictures, [], stamp))
    panels[-1] = panels[-1]._replace(bars=[depth_bar(limits, True)])
    return panels


def _limits(inverse_depth: NDArray[np.float64], truth: NDArray[np.float32] | None) -> ColourRange:
    """Percentiles of the measurement where there is one, else of the prediction: one range for a panel."""
    return colour_range(inverse_depth if truth is None else inverse_truth(truth))


def _abs_rel(seen: Seen, name: str, protocol: DepthProtocol) -> str:
    error = _abs_rel_of(seen, name, protocol)
    return f"abs_rel {error:.3f}" if math.isfinite(error) else ""


def _abs_rel_of(seen: Seen, name: str, protocol: DepthProtocol) -> float:
    """NaN where nothing was measured."""
    if seen.truth is None:
        return math.nan
    if name == "input_free" and not isinstance(protocol.scale, str):
        protocol = replace(protocol, scale="none")
    score = score_inverse_depth(seen.predictions[name], torch.from_numpy(seen.truth), protocol)
    return float(score.errors[0]) if int(score.pixels) else math.nan
