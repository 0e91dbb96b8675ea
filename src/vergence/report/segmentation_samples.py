"""Frames for the report of a segmentation run: truth, prediction, errors, and what training mixes."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.dataset import FrameDataset
from vergence.data.depth_files import ColourRange
from vergence.data.labels import LabelSpace
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.engine.checkpoint import (
    TRAINING_ONLY,
    LoadedRun,
    build_method,
    find_checkpoint,
    load_weights,
    read_tensors,
)
from vergence.engine.evaluate_segmentation import best_class
from vergence.engine.inputs import (
    evenly_spaced,
    ground_truth_label,
    has_label,
    on_device,
    resize_label,
    working_image,
)
from vergence.engine.predict_maps import predict_maps, window_of
from vergence.engine.sources import open_sources
from vergence.errors import InputError
from vergence.methods import Method
from vergence.report.pictures import (
    ColourBar,
    Panel,
    Picture,
    absent,
    class_picture,
    colour_bar,
    colour_picture,
    photograph,
    wrong_picture,
)

_MIXED = 3
"""Samples of the strip of mixed images."""
_CONFIDENCE_MAP = "viridis"
_UNIT = ColourRange(0.0, 1.0)


class Swatch(NamedTuple):
    """A class of the legend: its name and its colour as CSS has it."""

    name: str
    colour: str


@dataclass
class ClassSamples:
    """Pictures of classes, and the reasons for those that are missing."""

    legend: list[Swatch] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    note: str = ""
    mixing: list[Panel] = field(default_factory=list)
    mixing_note: str = ""


def swatches(space: LabelSpace, seen: set[int] | None = None) -> list[Swatch]:
    """Classes with their colours; only those of the ids ``seen`` where they are given."""
    return [
        Swatch(name, "#{:02x}{:02x}{:02x}".format(*colour))
        for number, (name, colour) in enumerate(zip(space.classes, space.colours, strict=True))
        if seen is None or number in seen
    ]


def collect_classes(run: LoadedRun, manifest: Manifest | None, images: int) -> ClassSamples:
    """Pictures of a few evenly spaced frames (none without a manifest), and of one batch as training mixes it."""
    space = run.method.label_space
    assert space is not None
    samples, seen = ClassSamples(), set[int]()
    if manifest is not None:
        labelled = [index for index in range(len(manifest)) if has_label(manifest, index)]
        chosen = evenly_spaced(labelled or range(len(manifest)), images)
        for index in chosen:
            samples.panels.append(_panel(run, manifest, index, space, seen))
        samples.note = (
            f"{len(chosen)} of {len(manifest)} frames of {Path(manifest.name).name or 'the data'}, evenly spaced."
        )
    samples.mixing, samples.mixing_note = mixing_panels(run, space, seen)
    samples.legend = swatches(space, seen)
    return samples


def _panel(run: LoadedRun, manifest: Manifest, index: int, space: LabelSpace, seen: set[int]) -> Panel:
    """Input, labels, prediction, errors, at the network's size."""
    options, device = run.config.frames.options, next(run.method.parameters()).device
    image = working_image(manifest, index, options)
    size = (image.shape[-2], image.shape[-1])
    logits = predict_maps(run.method, on_device([image], device), window=window_of(run.config.evaluate))["logits"][0]
    predicted = best_class(logits, size).cpu().numpy()
    seen |= _ids(predicted, space)
    shown = image.permute(1, 2, 0).numpy()
    pictures = [photograph("input", shown)]
    if has_label(manifest, index):
        truth = resize_label(ground_truth_label(manifest, index, space), *size)
        seen |= _ids(truth, space)
        pictures.append(class_picture("labels", truth, space, "black: not labelled" if (truth == 255).any() else ""))
        errors: Picture = wrong_picture("errors", shown, predicted != truth, truth < len(space))
    else:
        pictures.append(absent("labels", "no label", size))
        errors = absent("errors", "no label", size)
    pictures += [class_picture("prediction", predicted, space), errors]
    row = manifest[index]
    return Panel(f"{row.sequence} · {row.position}" if row.sequence else Path(row.image).name, pictures, [])


def mixing_panels(run: LoadedRun, space: LabelSpace, seen: set[int]) -> tuple[list[Panel], str]:
    """What training mixes, of one batch of its unlabelled frames: empty, with the reason, where it cannot be shown."""
    if "unlabelled" not in getattr(run.config.section, "roles", ()):
        return [], ""
    log, level = logging.getLogger("vergence"), logging.getLogger("vergence").level
    log.setLevel(logging.ERROR)  # what is said of frames was said when the run began
    try:
        method = training_method(run)
        batch = prepare_batch(_unlabelled_batch(run), next(method.parameters()).device)
        with torch.random.fork_rng():
            torch.manual_seed(run.config.train.seed)
            found = {key: value.detach().float().cpu() for key, value in method.diagnose(batch).items()}
    except (InputError, OSError, NotImplementedError, ValueError) as error:
        return [], f"What training mixes cannot be shown: {error or 'this method does not say'}"
    finally:
        log.setLevel(level)
    if "mixed" not in found:
        return [], ""
    frames = batch["frames"][:, 0].cpu()
    panels = [_mixing_panel(found, frames, place, space, seen) for place in range(len(frames))]
    return (
        panels,
        "Frames of the training data, cut and mixed in pairs as a step does; one draw, with the run's seed.",
    )


def training_method(run: LoadedRun) -> Method:
    """The method with what only training needs (its teacher), in training mode; InputError where it was not stored."""
    folder = find_checkpoint(run.path)
    method = build_method(run.config, "resuming")
    weights = {**read_tensors(folder / "model.safetensors")}
    prefix = f"method/{TRAINING_ONLY}"
    for name, tensor in read_tensors(folder / "state.safetensors").items():
        if name.startswith(prefix):
            weights[name.removeprefix("method/")] = tensor
    load_weights(method, weights, folder)
    return method.to(next(run.method.parameters()).device)


def _unlabelled_batch(run: LoadedRun) -> dict[str, Tensor]:
    """A few samples of the role "unlabelled", evenly spaced, cropped and mirrored as in training."""
    config = run.config
    device = next(run.method.parameters()).device
    manifest = open_sources(config, device.type).roles["unlabelled"]
    options = config.section.frame_options("unlabelled", config.frames.options)
    dataset = FrameDataset(manifest, options, train=True, seed=config.train.seed)
    most = min(_MIXED, len(dataset))
    places = [int((place + 0.5) * len(dataset) / most) for place in range(most)]
    samples = [dataset[place] for place in places]
    return collate(samples if len(samples) > 1 else samples * 2)


def _mixing_panel(found: dict[str, Tensor], frames: Tensor, place: int, space: LabelSpace, seen: set[int]) -> Panel:
    """Own frame, partner, mask, mixed image, its pseudo-label and confidence."""
    partner = (place + 1) % len(frames)
    pictures = [photograph("own frame", _photo(frames[place])), photograph("partner", _photo(frames[partner]))]
    bars: list[ColourBar] = []
    if "depth" in found:
        pictures.append(
            colour_picture("own inverse depth", found["depth"][place, 0].numpy(), _UNIT, note="bright is near")
        )
    if "mask" in found:
        mask = found["mask"][place].reshape(frames.shape[-2:]).numpy()
        note = f"{mask.mean():.0%} of the own frame (white)"
        pictures.append(colour_picture("mask", mask.astype(np.float64), _UNIT, "gray", note))
    pictures.append(photograph("mixed, colours changed", _photo(found["mixed"][place])))
    if "pseudo_label" in found:
        ids = found["pseudo_label"][place].long().numpy()
        seen |= _ids(ids, space)
        pictures.append(class_picture("pseudo-label", ids, space))
    if "confidence" in found:
        values = found["confidence"][place].reshape(frames.shape[-2:]).double().numpy()
        pictures.append(colour_picture("confidence", values, _UNIT, _CONFIDENCE_MAP, f"mean {values.mean():.2f}"))
        bars.append(colour_bar("confidence", _UNIT, _CONFIDENCE_MAP, ("0", "0.5", "1")))
    return Panel(f"sample {place + 1}", pictures, bars)


def _ids(label: NDArray[np.integer], space: LabelSpace) -> set[int]:
    return {int(number) for number in np.unique(label) if 0 <= number < len(space)}


def _photo(image: Tensor) -> NDArray[np.uint8]:
    return (image.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
