"""Score a run on measured depth and known poses, beside what it must beat; every number with its protocol."""

import dataclasses
import json as json_format
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.atomic import write_text
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.engine.baselines import MeanInverseDepth, input_free_of_run, untrained_method
from vergence.engine.checkpoint import LoadedRun, load_run
from vergence.engine.inputs import (
    evenly_spaced,
    ground_truth,
    has_truth,
    network_size,
    on_device,
    prefetched,
    working_image,
)
from vergence.engine.odometry import evaluate_odometry
from vergence.engine.scores import Scores, choose_protocol, csv_text, finite, image_rows
from vergence.errors import InputError
from vergence.methods import Method
from vergence.metrics.depth import DepthProtocol, flip_postprocess

Progress = Callable[[int, int], None]
"""Called with images done and images in all."""


def open_data(run: LoadedRun, data: Manifest | Path | str | None, split: str | None) -> Manifest:
    """The frames to evaluate: of ``data`` (default: the run's), of ``split`` (default: the run's, where it is there).

    InputError where the split is named and empty, or where no frame is left.
    """
    frames, settings = run.config.frames, run.config.evaluate
    if isinstance(data, Manifest):
        manifest = data
    else:
        source = data if data is not None else frames.val or frames.source
        if not source:
            raise InputError(f"{run.path} names no evaluation data; give a manifest with --data.")
        manifest = resolve_input(Path(source))
    wanted = split if split is not None else settings.split
    if split is not None or any(row.split == wanted for row in manifest):
        manifest = manifest.select(split=wanted)
    if len(manifest) == 0:
        raise InputError(f"{manifest.name} has no frames to evaluate; give another split or manifest.")
    return manifest


def evaluate(
    run: LoadedRun | Path | str,
    data: Manifest | Path | str | None = None,
    protocol: str | DepthProtocol | None = None,
    split: str | None = None,
    *,
    flip: bool | None = None,
    scale: str | float | None = None,
    json: Path | str | None = None,
    baselines: bool = True,
    per_image: bool = False,
    limit: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate a run folder (or a loaded run) and write the result to its ``evaluation`` folder.

    Args:
        data: manifest, folder or video with measured depth (``depth`` or ``disparity``) or poses; default the run's.
        protocol: "eigen", "improved" or "plain"; default the run's ``evaluate.protocol``.
        split: rows of the manifest; default the run's ``evaluate.split`` where the manifest has it, else all rows.
        flip: average with the prediction of the mirrored picture; default the run's ``evaluate.flip``.
        scale: instead of the protocol's: "median", "none", or a factor on the network's unit.
        json: another place for the result; default ``RUN/evaluation/<protocol>.json``.
        baselines: also score the input-free answer and the untrained network.
        per_image: also write a CSV with one row an image and predictor beside the JSON file.
        limit: at most so many images, evenly spaced.

    Raises:
        InputError: neither measured depth nor poses, unknown protocol, unreadable files, unwritable folder.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(Path(run), device)
    settings = loaded.config.evaluate
    chosen = choose_protocol(settings.protocol if protocol is None else protocol, scale)
    flip = settings.flip if flip is None else flip
    manifest = open_data(loaded, data, split)
    rows: list[dict[str, Any]] = []
    result = evaluate_run(
        loaded, manifest, chosen, flip, baselines=baselines, limit=limit, progress=progress, collect=rows
    )
    path = Path(json) if json is not None else loaded.path / "evaluation" / f"{chosen.name}.json"
    write_text(path, json_format.dumps(finite(result), indent=2) + "\n")
    if per_image:
        write_text(path.with_suffix(".csv"), csv_text(rows))
    return result


@torch.no_grad()
def evaluate_run(
    run: LoadedRun,
    manifest: Manifest,
    protocol: str | DepthProtocol = "plain",
    flip: bool = False,
    *,
    baselines: bool = True,
    odometry: bool = True,
    limit: int | None = None,
    batch_size: int = 8,
    progress: Progress | None = None,
    collect: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Score a loaded run; writes nothing and leaves the random state and the training mode as they were.

    Args:
        collect: gets one row for each image and predictor, for a CSV.

    Returns:
        ``protocol`` (one line), ``stamp`` (all that a number depends on), ``data`` (digest), ``images``, ``rows``
        (one a predictor), and ``odometry`` where the manifest has poses and the method a pose network.
    """
    protocol = choose_protocol(protocol)
    indices = [index for index in range(len(manifest)) if has_truth(manifest, index)]
    poses = odometry and any(row.pose for row in manifest) and getattr(run.method, "pose", None) is not None
    if not indices and not poses:
        raise InputError(
            f"{manifest.name} has no measured depth (columns depth, disparity) for any of its {len(manifest)} frames; "
            "evaluate on a manifest that has."
        )
    training = run.method.training
    run.method.eval()
    try:
        predictors = [Scores("trained", _status(run.method))]
        methods = {"trained": run.method}
        mean: MeanInverseDepth | None = None
        if baselines and indices:
            untrained, note = untrained_method(run)
            methods["untrained"] = untrained
            mean, origin = input_free_of_run(run, manifest, indices)
            if mean is not None:
                predictors.append(Scores("input_free", origin))
            predictors.append(Scores("untrained", note))
        chosen = evenly_spaced(indices, limit)
        left_out = mean is not None and predictors[1].note.startswith("leave-one-out")
        for done, (index, truth, maps) in enumerate(_predictions(methods, run, manifest, chosen, flip, batch_size)):
            for scores in predictors:
                if scores.name == "input_free":
                    assert mean is not None
                    inverse_depth, own = mean.mean(truth if left_out else None), _in_metres(protocol)
                else:
                    inverse_depth, own = in_units(maps[scores.name], methods[scores.name], protocol), protocol
                scores.add(manifest[index].image, inverse_depth, truth, own)
            if progress is not None:
                progress(done + 1, len(chosen))
        if indices and not predictors[0].errors:
            raise InputError(
                f"{manifest.name} has no measured pixel that counts ({protocol.describe()}); choose another protocol."
            )
        result = _result(run, manifest, protocol, flip, predictors)
        if collect is not None:
            collect.extend(image_rows(predictors))
        motion = evaluate_odometry(run, manifest) if poses else None
        if motion is not None:
            result["odometry"] = motion
        elif not indices:
            raise InputError(f"{manifest.name} has no three frames in a row with poses; evaluate on longer sequences.")
        return result
    finally:
        run.method.train(training)


def _predictions(
    methods: dict[str, Method], run: LoadedRun, manifest: Manifest, indices: list[int], flip: bool, batch_size: int
) -> Iterator[tuple[int, NDArray[np.float32], dict[str, Tensor]]]:
    """Row, truth (H, W) and inverse depth (h, w) of each method; pictures of one size share a batch."""
    options = run.config.frames.options
    device = next(run.method.parameters()).device

    def load(index: int) -> tuple[Tensor, NDArray[np.float32]]:
        return working_image(manifest, index, options), ground_truth(manifest, index)

    waiting: list[tuple[int, Tensor, NDArray[np.float32]]] = []

    def flush() -> Iterator[tuple[int, NDArray[np.float32], dict[str, Tensor]]]:
        images = on_device([image for _, image, _ in waiting], device)
        maps = {name: predict_inverse_depth(method, images, flip).cpu() for name, method in methods.items()}
        for place, (index, _, truth) in enumerate(waiting):
            yield index, truth, {name: found[place, 0] for name, found in maps.items()}
        waiting.clear()

    for index, (image, truth) in prefetched(load, indices, ahead=2 * batch_size):
        if waiting and (len(waiting) == batch_size or waiting[0][1].shape != image.shape):
            yield from flush()
        waiting.append((index, image, truth))
    if waiting:
        yield from flush()


def predict_inverse_depth(method: Method, images: Tensor, flip: bool = False) -> Tensor:
    """Inverse depth (B, 1, H, W) in 1 / training unit; ``flip`` blends in the prediction of the mirrored images."""
    plain = method.predict(images)["inverse_depth"]
    if not flip:
        return plain
    mirrored = method.predict(images.flip(-1))["inverse_depth"].flip(-1)
    return flip_postprocess(plain, mirrored)


def in_units(inverse_depth: Tensor, method: Method, protocol: DepthProtocol) -> Tensor:
    """In metres where the method knows them, unless a factor on the network's unit was asked for."""
    if method.scale == "metric" and isinstance(protocol.scale, str):
        return inverse_depth / method.metres_per_unit
    return inverse_depth


def _in_metres(protocol: DepthProtocol) -> DepthProtocol:
    """The protocol for a predictor that is in metres already: factors meant for a network's unit do not apply."""
    return protocol if isinstance(protocol.scale, str) else dataclasses.replace(protocol, scale="none")


def _status(method: Method) -> str:
    return "metric" if method.scale == "metric" else "unscaled"


def _result(
    run: LoadedRun, manifest: Manifest, protocol: DepthProtocol, flip: bool, predictors: list[Scores]
) -> dict[str, Any]:
    rows = [scores.summary() for scores in predictors if scores.errors]
    images = rows[0]["images"] if rows else 0
    first = manifest[0]
    height, width = network_size(run.config.frames.options, first.width or 1, first.height or 1)
    size = f"{width}x{height}"
    stamp = " · ".join(
        [
            protocol.describe(),
            f"network input {size}" + ("" if run.config.frames.options.fit == "stretch" else " (aspect kept)"),
            f"flip {'on' if flip else 'off'}",
            f"{images} images",
            f"data {manifest.digest()}",
            f"step {run.step}",
            f"depth {_status(run.method)}",
        ]
    )
    return {
        "name": protocol.name,
        "protocol": protocol.describe(),
        "stamp": stamp,
        "data": manifest.digest(),
        "images": images,
        "size": size,
        "scale": protocol.scale,
        "scale_status": _status(run.method),
        "metres_per_unit": run.method.metres_per_unit if run.method.scale == "metric" else None,
        "flip": flip,
        "step": run.step,
        "rows": rows,
    }
