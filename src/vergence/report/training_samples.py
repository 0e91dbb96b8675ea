"""What a method shows of training, drawn for the report: one batch of each of its roles as a step sees it."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.measured.depth_files import ColourRange, colour_range
from vergence.errors import InputError
from vergence.methods import Method
from vergence.methods.panels import Shown
from vergence.report.pictures import (
    ColourBar,
    Panel,
    Picture,
    class_ids,
    class_picture,
    colour_bar,
    colour_picture,
    depth_bar,
    image_pixels,
    photograph,
    removed_picture,
)
from vergence.runs.checkpoint import TRAINING_ONLY, LoadedRun, build_method, load_weights, read_tensors
from vergence.training.pools import Pools, open_role, role_options

_SAMPLES = 3
_UNIT = ColourRange(0.0, 1.0)
_LOADING = (InputError, OSError)


def training_panels(run: LoadedRun, seen: set[int]) -> tuple[list[Panel], str]:
    """What the method shows of one batch of its roles, and a caption; no panels, with the reason, where it cannot.

    Ids of the classes that are shown are added to ``seen``.
    """
    if not run.config.section.shown:
        return [], ""
    log, level = logging.getLogger("vergence"), logging.getLogger("vergence").level
    log.setLevel(logging.ERROR)  # what is said of frames was said when the run began
    try:
        batches, missing = _batches(run)
        method = training_method(run)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(run.config.train.seed)
            exhibit = method.training_pictures(batches)
        if not exhibit.pictures:
            return [], ""
        panels = [drawn(exhibit.pictures, index, seen, f"sample {index + 1}") for index in range(_SAMPLES)]
    except (*_LOADING, ValueError) as error:
        return [], f"What training sees cannot be shown: {error}"
    finally:
        log.setLevel(level)
    return panels, " ".join([exhibit.caption, "One draw, with the run's seed.", *missing])


def training_method(run: LoadedRun) -> Method:
    """The method with what only training needs (its teacher), in training mode; InputError where it was not stored."""
    checkpoint = run.files()
    method = build_method(run.config, "resuming")
    weights = {**read_tensors(checkpoint.weights)}
    prefix = f"method/{TRAINING_ONLY}"
    for name, tensor in read_tensors(checkpoint.state).items():
        if name.startswith(prefix):
            weights[name.removeprefix("method/")] = tensor
    load_weights(method, weights, checkpoint.path)
    return method.to(run.device)


def _batches(run: LoadedRun) -> tuple[dict[str, Batch], list[str]]:
    """A batch of each role that is shown, and what is to be said of those that are not at hand."""
    pools, roles = Pools(run.config), run.config.section.roles
    batches: dict[str, Batch] = {}
    missing = []
    for name in run.config.section.shown:
        try:
            batches[name] = _batch(run, name, pools)
        except _LOADING as error:
            if not batches:
                raise
            missing.append(f"The frames of the role {name} ({roles[name].pool}) are not at hand: {error}")
    return batches, missing


def _batch(run: LoadedRun, name: str, pools: Pools) -> Batch:
    """A few samples of a role, evenly spaced, cropped and mirrored as in training; always the same number of them."""
    config, role, device = run.config, run.config.section.roles[name], run.device
    manifest = open_role(config, role, pools, device.type)
    dataset = FrameDataset(manifest, role_options(config, role, manifest), train=True, seed=config.train.seed)
    indices = [int((index + 0.5) * len(dataset) / _SAMPLES) for index in range(_SAMPLES)]
    return prepare_batch(collate([dataset[index] for index in indices]), device)


# --- pictures


def drawn(pictures_of_method: Sequence[Shown], index: int, seen: set[int], name: str = "") -> Panel:
    """The pictures of sample ``index`` of a batch, and the bars that explain their colours.

    Ids of the classes that are shown are added to ``seen``.
    """
    pictures, bars = [], dict[str, ColourBar]()
    limits: ColourRange | None = None
    for one in pictures_of_method:
        values = one.maps[index].detach().float().cpu()
        note = one.notes[index] if one.notes else ""
        if one.kind == "inverse_depth":
            inverse = _flat(values)
            if limits is None:
                limits = colour_range(inverse)
                bars["depth"] = depth_bar(limits, metric=False)
            pictures.append(colour_picture(one.title, inverse, limits, note=note))
            continue
        pictures.append(_picture(one, values, note, index, seen))
        if one.legend is not None:
            bars[one.legend.name] = colour_bar(one.legend.name, _UNIT, one.colours, one.legend.words)
    return Panel(name, pictures, list(bars.values()))


def _picture(one: Shown, values: Tensor, note: str, index: int, seen: set[int]) -> Picture:
    if one.kind == "photograph":
        return photograph(one.title, image_pixels(values), note)
    if one.kind == "share":
        return colour_picture(one.title, _flat(values), _UNIT, one.colours, note)
    if one.kind == "left_out":
        assert one.under is not None
        under = image_pixels(one.under[index].detach().float().cpu())
        return removed_picture(one.title, under, _flat(values) > 0.5)
    assert one.space is not None
    label = values.long().numpy()
    seen |= class_ids(label, one.space)
    return class_picture(one.title, label, one.space, note)


def _flat(values: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return values.reshape(values.shape[-2:]).double().numpy()
