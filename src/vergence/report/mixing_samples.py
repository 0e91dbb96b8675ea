"""What training mixes, for the report: one batch as a step sees it, of one domain or of two."""

import logging

import numpy as np
import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.dataset import FrameDataset
from vergence.data.depth_files import ColourRange
from vergence.data.labels import LabelSpace
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.baselines import training_frames
from vergence.inference.estimates import with_estimates
from vergence.methods import Method
from vergence.report.hint_samples import NOTE, hint_panel
from vergence.report.pictures import (
    ColourBar,
    Panel,
    Picture,
    class_ids,
    class_picture,
    colour_bar,
    colour_picture,
    image_pixels,
    photograph,
)
from vergence.runs.checkpoint import TRAINING_ONLY, LoadedRun, build_method, load_weights, read_tensors
from vergence.runs.folder import find_checkpoint
from vergence.training.sources import open_sources, role_options

_MIXED = 3
"""Samples that are shown."""
_CONFIDENCE_MAP = "viridis"
_DIFFICULTY_MAP = "magma"
_UNIT = ColourRange(0.0, 1.0)
_LOADING = (InputError, OSError)


def mixing_panels(run: LoadedRun, space: LabelSpace, seen: set[int]) -> tuple[list[Panel], str]:
    """What training mixes, of one batch of its frames without labels: empty, with the reason, where it cannot be shown.

    Ids of the classes that are shown are added to ``seen``.
    """
    roles = getattr(run.config.section, "roles", ())
    show = _domains if {"source", "target"} <= set(roles) else _unlabelled if "unlabelled" in roles else None
    if show is None:
        return [], ""
    log, level = logging.getLogger("vergence"), logging.getLogger("vergence").level
    log.setLevel(logging.ERROR)  # what is said of frames was said when the run began
    try:
        return show(run, space, seen)
    except (*_LOADING, NotImplementedError, ValueError) as error:
        return [], f"What training mixes cannot be shown: {error or 'this method does not say'}"
    finally:
        log.setLevel(level)


def training_method(run: LoadedRun) -> Method:
    """The method with what only training needs (its teacher), in training mode; InputError where it was not stored."""
    checkpoint = find_checkpoint(run.path)
    method = build_method(run.config, "resuming")
    weights = {**read_tensors(checkpoint.weights)}
    prefix = f"method/{TRAINING_ONLY}"
    for name, tensor in read_tensors(checkpoint.state).items():
        if name.startswith(prefix):
            weights[name.removeprefix("method/")] = tensor
    load_weights(method, weights, checkpoint.path)
    return method.to(_device(run))


def _diagnosed(run: LoadedRun, batch: Batch, **others: Batch) -> dict[str, Tensor]:
    """What the method says of a batch, one draw with the run's seed."""
    method = training_method(run)
    with torch.random.fork_rng():
        torch.manual_seed(run.config.train.seed)
        return {key: value.detach().float().cpu() for key, value in method.diagnose(batch, **others).items()}


def _device(run: LoadedRun) -> torch.device:
    return next(run.method.parameters()).device


def _batch(run: LoadedRun, manifest: Manifest, role: str) -> Batch:
    """A few samples of a role, evenly spaced, cropped and mirrored as in training; always the same number of them."""
    config = run.config
    options = role_options(config, role, manifest)
    dataset = FrameDataset(manifest, options, train=True, seed=config.train.seed)
    places = [int((place + 0.5) * len(dataset) / _MIXED) for place in range(_MIXED)]
    return prepare_batch(collate([dataset[place] for place in places]), _device(run))


# --- one domain (Three Ways)


def _unlabelled(run: LoadedRun, space: LabelSpace, seen: set[int]) -> tuple[list[Panel], str]:
    batch = _batch(run, open_sources(run.config, _device(run).type).roles["unlabelled"], "unlabelled")
    found = _diagnosed(run, batch)
    frames = batch["frames"][:, 0].cpu()
    if "refined" in found:
        return [hint_panel(found, frames, place, space, seen) for place in range(len(frames))], NOTE
    if "mixed" not in found:
        return [], ""
    panels = [_unlabelled_panel(found, frames, place, space, seen) for place in range(len(frames))]
    return (
        panels,
        "Frames of the training data, cut and mixed in pairs as a step does; one draw, with the run's seed.",
    )


def _unlabelled_panel(found: dict[str, Tensor], frames: Tensor, place: int, space: LabelSpace, seen: set[int]) -> Panel:
    """Own frame, partner, mask, mixed image, its pseudo-label and confidence."""
    partner = (place + 1) % len(frames)
    pictures = [
        photograph("own frame", image_pixels(frames[place])),
        photograph("partner", image_pixels(frames[partner])),
    ]
    bars: list[ColourBar] = []
    if "depth" in found:
        pictures.append(
            colour_picture("own inverse depth", found["depth"][place, 0].numpy(), _UNIT, note="bright is near")
        )
    if "mask" in found:
        mask = found["mask"][place].reshape(frames.shape[-2:]).numpy()
        note = f"{mask.mean():.0%} of the own frame (white)"
        pictures.append(colour_picture("mask", mask.astype(np.float64), _UNIT, "gray", note))
    pictures.append(photograph("mixed, colours changed", image_pixels(found["mixed"][place])))
    if "pseudo_label" in found:
        pictures.append(_classes("pseudo-label", found["pseudo_label"][place], space, seen))
    if "confidence" in found:
        pictures.append(_confidence(found["confidence"][place]))
        bars.append(_confidence_bar())
    return Panel(f"sample {place + 1}", pictures, bars)


# --- two domains (CorDA)


def _domains(run: LoadedRun, space: LabelSpace, seen: set[int]) -> tuple[list[Panel], str]:
    """Target frames with what the teacher and both depth decoders say of them, under pieces of source frames.

    Without the source domain at hand the target is shown alone.
    """
    section, options = run.config.section, run.config.frames.options
    frames = training_frames(run)
    if port := section.depth_port_of("target"):
        frames = with_estimates(frames, port, (options.height, options.width), _device(run).type)
    target = _batch(run, frames, "target")
    note = "Target frames, the pseudo-labels of their teacher, and what a step mixes of them and labelled source frames"
    others: dict[str, Batch] = {}
    try:
        others["source"] = _batch(run, open_sources(run.config, _device(run).type).roles["source"], "source")
        note += "; one draw, with the run's seed."
    except _LOADING as error:
        note = f"Target frames and their pseudo-labels. The source domain is not at hand, so nothing is mixed: {error}"
    found = _diagnosed(run, target, **others)
    if "difficulty" in found:
        note += " Difficulty: where the depth decoders of both domains disagree, pseudo-labels teach less."
    images = {role: batch["frames"][:, 0].cpu() for role, batch in {"target": target, **others}.items()}
    return [_domains_panel(found, images, place, space, seen) for place in range(_MIXED)], note


def _domains_panel(
    found: dict[str, Tensor], images: dict[str, Tensor], place: int, space: LabelSpace, seen: set[int]
) -> Panel:
    """Source, target, mixed image and its label; pseudo-label, its confidence, difficulty of target and mixed image."""
    pictures = [photograph(role, image_pixels(images[role][place])) for role in ("source", "target") if role in images]
    if "mixed" in found:
        share = found["mask"][place].mean()
        pictures.append(
            photograph("mixed, colours changed", image_pixels(found["mixed"][place]), f"{share:.0%} source")
        )
        pictures.append(_classes("label of the mixed image", found["mixed_label"][place], space, seen))
    pictures.append(_classes("pseudo-label of the target", found["pseudo_label"][place], space, seen))
    pictures.append(_confidence(found["confidence"][place]))
    bars = [_confidence_bar()]
    for name, title in {
        "difficulty": "difficulty of the target",
        "mixed_difficulty": "difficulty of the mixed image",
    }.items():
        if name in found:
            hard = 1 - found[name][place, 0].double().numpy()
            pictures.append(colour_picture(title, hard, _UNIT, _DIFFICULTY_MAP, f"mean {hard.mean():.2f}"))
    if "difficulty" in found:
        bars.append(colour_bar("difficulty", _UNIT, _DIFFICULTY_MAP, ("easy", "", "hard")))
    return Panel(f"sample {place + 1}", pictures, bars)


# --- pictures


def _classes(title: str, ids: Tensor, space: LabelSpace, seen: set[int]) -> Picture:
    label = ids.long().numpy()
    seen |= class_ids(label, space)
    return class_picture(title, label, space)


def _confidence(values: Tensor) -> Picture:
    known = values.reshape(values.shape[-2:]).double().numpy()
    return colour_picture("confidence", known, _UNIT, _CONFIDENCE_MAP, f"mean {known.mean():.2f}")


def _confidence_bar() -> ColourBar:
    return colour_bar("confidence", _UNIT, _CONFIDENCE_MAP, ("0", "0.5", "1"))
