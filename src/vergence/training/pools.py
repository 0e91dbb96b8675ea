"""From a run's settings to its data: manifests of splits, one loader a role, the frames to evaluate on."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.batch import IGNORED_LABEL
from vergence.data.buckets.addresses import is_address
from vergence.data.caching.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.estimate_files import read_estimate
from vergence.data.file_contents import FILES, contents_digest
from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.images import frame_depth
from vergence.data.layouts import resolve_input
from vergence.data.loading import FrameLoader, build_loader
from vergence.data.manifest import Manifest
from vergence.data.masks.rare_classes import RareClassSampler, class_counts
from vergence.data.measured.inverse_depth import check_metres, near_is_dark
from vergence.data.rows.frame_row import PSEUDO_COLUMNS
from vergence.data.rows.split_rows import has_split, has_splits, in_split
from vergence.data.rows.subsets import Subset, labelled_subset
from vergence.errors import InputError
from vergence.evaluation.label_free import can_be_judged
from vergence.inference.depth_port import with_estimates
from vergence.inference.frame_shapes import settle_aspect
from vergence.inference.inputs import evenly_spaced
from vergence.inference.label_port import with_pseudo_labels
from vergence.methods.role import LABELLED_POOLS, Role
from vergence.runs.checkpoint import read_settings
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint
from vergence.runs.processes import ALONE, Processes
from vergence.training.motion_advice import advise_offsets
from vergence.training.runtime import count_workers

_log = logging.getLogger("vergence")
_LABELS_SEEN = 32
_DEPTHS_SEEN = 8


@dataclass(frozen=True)
class TrainingData:
    """The manifests of a run."""

    roles: dict[str, Manifest]
    """What each role of the method draws from."""
    evaluation: Manifest | None
    """Frames with truth to evaluate on meanwhile."""
    labelled: Subset | None
    """Which frames are the labelled ones, for methods that draw from these."""
    digests: dict[str, str]
    """Digests of the frames that are read: "training" (the split), "evaluated" where there is any, each role's, of the
    frames beside these that the role reads too, as "ROLE neighbour", and of what lies in the files of all these, as
    "ROLE files"."""


def open_training_data(config: RunConfig, device: str = "cpu", processes: Processes = ALONE) -> TrainingData:
    """Manifests of the roles, and what to evaluate on (None, said in the log, where there is no truth).

    The split of the settings is taken; all frames where the data have no splits. Labels of frames that are not among
    the labelled ones are closed: no role can read them. Where frames have several shapes, ``frames.options.aspect`` of
    the settings is set. What ports have not made yet is made, by each process of a run its share.

    Raises:
        InputError: no data given, nothing there, no such split, no labelled frames, or settings of the method that
            contradict each other.
    """
    pools = Pools(config)
    config.section.check()
    evaluation = _evaluation(config, pools.data)
    judged = {"evaluated": evaluation} if evaluation else {}
    config.frames.options.aspect = settle_aspect(config.frames.options, pools.training, *judged.values())
    drawn = {name: pools.of(role) for name, role in config.section.roles.items()}
    offsets = {name: role.frame_options(config.frames.options).offsets for name, role in config.section.roles.items()}
    digests = _digests({**judged, **drawn, "training": pools.training}, offsets)
    roles = {
        name: _with_ports(config, role, drawn[name], pools.training, device, processes)
        for name, role in config.section.roles.items()
    }
    return TrainingData(roles, evaluation, pools.subset, digests)


def open_role(config: RunConfig, role: Role, pools: "Pools", device: str = "cpu") -> Manifest:
    """The frames of one role alone; raises as :func:`open_training_data` does."""
    return _with_ports(config, role, pools.of(role), pools.training, device, ALONE)


def _digests(pools: dict[str, Manifest], offsets: Mapping[str, Sequence[int | str]]) -> dict[str, str]:
    """What is known of each before ports add to it what they estimate."""
    once = {id(manifest): manifest.digest() for manifest in pools.values()}
    digests = {name: once[id(manifest)] for name, manifest in pools.items()}
    for name, manifest in pools.items():
        if near := offsets.get(name, ()):
            digests[f"{name} neighbour"] = manifest.neighbour_digest(near)
        if name in offsets or name == "evaluated":
            digests[f"{name} {FILES}"] = contents_digest(manifest, near)
    return digests


def _with_ports(
    config: RunConfig, role: Role, manifest: Manifest, training: Manifest, device: str, processes: Processes
) -> Manifest:
    """The frames of a role with what its ports make of them."""
    if role.depth_port:
        options = role.frame_options(config.frames.options)
        size = (options.height, options.width)
        manifest = with_estimates(manifest, role.depth_port, size, device, processes=processes)
    if role.label_port:
        manifest = _pseudo_labelled(manifest, role, config, device, training, processes)
    return manifest


class Pools:
    """Where roles draw their frames from, each opened when it is first asked for.

    Raises:
        InputError: no data given, nothing there, or no such split.
    """

    def __init__(self, config: RunConfig) -> None:
        frames = config.frames
        if not frames.source:
            raise InputError("there are no frames to train on; name a manifest, a folder or a video with --data.")
        self.config = config
        self.data = resolve_input(frames.source, allow_truncated=frames.allow_truncated)
        self.training = in_split(self.data, frames.train_split, "frames.train_split")
        self.subset: Subset | None = None
        """The labelled frames, once a role has asked for them."""

    def of(self, role: Role) -> Manifest:
        """The frames of a role's pool."""
        if role.pool == "training":
            return self.training
        if role.pool == "source_domain":
            return _source_domain(self.config)
        chosen = self._labelled()
        if role.pool == "unlabelled":
            return _unlabelled(self.config, self.data, self.training, chosen)
        return self.training.select(where=_among(self.training, chosen))

    def _labelled(self) -> set[Path]:
        """Pictures of the labelled frames."""
        if self.subset is None:
            wanted = self.config.frames.labelled
            seed = self.config.train.seed if wanted.seed is None else wanted.seed
            self.subset = labelled_subset(self.training, wanted.count, seed, wanted.file)
            _log.info("labelled: %s", self.subset.describe)
        return {self.training.path(row) for row in self.subset.rows}


def role_options(config: RunConfig, role: Role, manifest: Manifest) -> FrameOptions:
    """How frames of a role are read: another domain's frames have a shape of their own."""
    options = role.frame_options(config.frames.options)
    if role.pool != "source_domain":
        return options
    return replace(options, aspect=settle_aspect(replace(options, aspect=0.0), manifest))


def _unlabelled(config: RunConfig, data: Manifest, training: Manifest, chosen: set[Path]) -> Manifest:
    """The unlabelled frames: labels outside the subset are taken out of the manifest."""
    frames = config.frames
    manifest = (
        training
        if frames.unlabelled_split is None
        else in_split(data, frames.unlabelled_split, "frames.unlabelled_split")
    )
    if frames.unlabelled == "labelled":
        manifest = manifest.select(where=_among(manifest, chosen))
    if frames.unlabelled == "rest":
        manifest = manifest.select(where=~_among(manifest, chosen))
        if len(manifest) == 0:
            raise InputError(
                f"{training.name} has no frames beside the labelled ones; set frames.unlabelled to all, or fewer "
                "labelled frames in frames.labelled.count."
            )
    # of carried labels only parts are there; the teacher speaks of whole frames
    pictures = manifest.values("image")
    known = {manifest.root / pictures[row] for row in np.flatnonzero(manifest.judging())} & chosen
    open_ = _among(manifest, known)
    return manifest.with_values(
        {"label": [label if keep else "" for label, keep in zip(manifest.values("label"), open_, strict=True)]}
    )


def _among(manifest: Manifest, pictures: set[Path]) -> NDArray[np.bool_]:
    """Which of all rows have one of these pictures."""
    names = {str(path) for path in pictures}
    return np.array([str(manifest.root / image) in names for image in manifest.values("image")], np.bool_)


def _pseudo_labelled(
    manifest: Manifest, role: Role, config: RunConfig, device: str, training: Manifest, processes: Processes
) -> Manifest:
    """The frames of a role with pseudo-labels; only for the port "truth" closed labels are opened, and only for it."""
    unlabelled, port, options = manifest, role.label_port, role.frame_options(config.frames.options)
    if port == "truth":
        labels = {training.root / row.image: row for row in training.rows if row.judges}
        unlabelled = manifest.changed(lambda row: labels.get(manifest.root / row.image, row))
    offsets = options.offsets if role.pseudo_labels == "all" else ()
    size, noise = (options.height, options.width), config.frames.label_noise
    labelled = with_pseudo_labels(unlabelled, port, size, device, noise, offsets=offsets, processes=processes)
    return manifest.with_values({name: labelled.values(name) for name in PSEUDO_COLUMNS})


def _source_domain(config: RunConfig) -> Manifest:
    """The labelled frames of the domain that is adapted from."""
    frames = config.frames
    if not frames.source_domain:
        raise InputError(
            f"method {config.method} learns from labels of another domain as well; name its manifest or folder in "
            "frames.source_domain."
        )
    whole = resolve_input(frames.source_domain, allow_truncated=frames.allow_truncated)
    manifest = in_split(whole, frames.train_split, "frames.train_split")
    labelled = manifest.select(where=manifest.given("label"))
    if len(labelled) == 0:
        raise InputError(f"{manifest.name} has no labels, and frames.source_domain must; add the column label to it.")
    return labelled


def _evaluation(config: RunConfig, data: Manifest) -> Manifest | None:
    frames, val = config.frames, data
    if frames.val is not None and not is_address(frames.val) and not Path(frames.val).exists():
        raise InputError(f"frames.val is {frames.val}, which does not exist; name a manifest, a folder or a video.")
    if config.train.evaluate_every == 0:
        return None
    if frames.val is not None:
        val = resolve_input(frames.val, allow_truncated=frames.allow_truncated)
    wanted = config.evaluate.split or frames.val_split
    if frames.val is None and has_splits(val) and not has_split(val, wanted):
        remedy = "give some frames that split, or name other data in frames.val"
        _log.warning("%s has no split %r: no evaluation during training; %s", val.name, wanted, remedy)
        return None
    evaluation = in_split(val, wanted, "evaluate.split")
    if frames.val is None and not has_splits(val):
        _log.warning("%s has no splits: evaluation during training is on frames that are trained on", val.name)
    tasks = config.section.tasks
    measured, judging = evaluation.given("depth") | evaluation.given("disparity"), evaluation.judging()
    depth = "depth" in tasks and measured[: len(evaluation)].any()
    if not depth and not ("segmentation" in tasks and judging[: len(evaluation)].any()):
        missing = "labels" if "segmentation" in tasks else "measured depth"
        if not can_be_judged(config):
            _log.warning("%s has no %s: no evaluation during training", evaluation.name, missing)
            return None
        by = "how far classes agree under flips" if "segmentation" in tasks else "photometric error"
        _log.info("%s has no %s: checkpoints are judged by %s instead", evaluation.name, missing, by)
    return evaluation


def build_loaders(
    config: RunConfig, roles: dict[str, Manifest], checkpoint: Checkpoint | None, accelerator: Any
) -> dict[str, FrameLoader]:
    """One endless loader a role of the method, each with its own order; this process's equal share of every batch."""
    frames, seed, world = config.frames, config.train.seed, accelerator.num_processes
    size = int(frames.batch_size)
    if size % world:
        raise InputError(
            f"frames.batch_size {size} cannot be shared equally by {world} processes; give a multiple of {world}."
        )
    start = 0 if checkpoint is None else read_settings(checkpoint)[1] * config.train.accumulate
    workers = count_workers(frames.workers, accelerator.device.type == "cuda", world)
    share, rank = size // world, accelerator.process_index
    described: dict[str, Role] = config.section.roles
    read = {name: role_options(config, described[name], manifest) for name, manifest in roles.items()}
    if checkpoint is None and rank == 0 and "depth" in config.section.tasks:
        advise_offsets({name: (manifest, read[name]) for name, manifest in roles.items()})
    loaders = {}
    for number, (name, manifest) in enumerate(roles.items()):
        role, options = described[name], read[name]
        cache = FrameCache(default_cache_folder(), options.height, options.width) if frames.cache else None
        dataset = FrameDataset(manifest, options, train=True, seed=seed + number, cache=cache)
        if role.labels and role.pool in LABELLED_POOLS:
            _check_labels(dataset)
        if options.load_inverse_depth:
            _check_depth(dataset)
        if options.load_pseudo_label:
            _check_pseudo_labels(dataset)
        count = share * role.samples
        order = {"rank": rank, "world": world, "start_step": start}
        sampler = None
        if role.rare_classes:
            sampler = RareClassSampler(class_counts(dataset), role.rare_classes, count, seed + number, **order)
        loaders[name] = build_loader(dataset, count, workers, seed + number, **order, sampler=sampler)
    return loaders


def _check_labels(dataset: FrameDataset) -> None:
    """InputError where no label that is looked at says anything; labels that alone are empty are said in the log."""
    rows = evenly_spaced(dataset.rows, _LABELS_SEEN)
    empty = [row for row in rows if bool((dataset.label(row) == IGNORED_LABEL).all())]
    if len(empty) == len(rows):
        raise InputError(
            f"{dataset.manifest.name} has labels without a single class: all pixels of the {len(rows)} that were "
            f"looked at are ignored, the first is {dataset.manifest.path(rows[0], 'label')}; check the label files "
            "and their label space."
        )
    if empty:
        _log.warning("%d of %d labels that were looked at are all ignored pixels", len(empty), len(rows))


def _check_pseudo_labels(dataset: FrameDataset) -> None:
    """InputError where no pseudo-label that is looked at says anything, or one cannot be used."""
    rows = evenly_spaced(dataset.rows, _DEPTHS_SEEN)
    if all(bool((dataset.pseudo_label(row) == IGNORED_LABEL).all()) for row in rows):
        raise InputError(
            f"{dataset.manifest.name} has pseudo-labels without a single class: all pixels of the {len(rows)} that "
            f"were looked at are ignored, the first is {dataset.manifest.path(rows[0], 'pseudo_label')}; check the "
            "label port and frames.options.label_space."
        )


def _check_depth(dataset: FrameDataset) -> None:
    """InputError where depth supervision is missing, in another unit than it says, or of one value everywhere."""
    manifest, column = dataset.manifest, dataset.options.load_inverse_depth
    with_depth = [row for row in dataset.rows if manifest[row].depth or manifest[row].disparity]
    if column == "estimate":
        with_depth = [row for row in dataset.rows if manifest[row].estimate]
    if not with_depth:
        named = "measured depth (columns depth, disparity)" if column == "measured" else "estimates (column estimate)"
        raise InputError(f"{manifest.name} has no {named} to learn from; add them, or name another depth port.")
    if len(with_depth) < len(dataset.rows):
        _log.warning(
            "%d of %d frames have no depth to learn from", len(dataset.rows) - len(with_depth), len(dataset.rows)
        )
    seen = evenly_spaced(with_depth, _DEPTHS_SEEN)
    if column == "estimate":
        estimates = [read_estimate(manifest.path(row, "estimate")) for row in seen]
        if near_is_dark(estimates):
            _log.warning(
                "estimates of %s are darker below than above in all %d frames that were looked at, as depth is; they "
                "must be inverse depth, near and bright: metres belong in the column depth",
                manifest.name,
                len(seen),
            )
        return
    maps = [depth for row in seen if (depth := frame_depth(manifest, row)) is not None]
    check_metres(maps, f"measured depth of {manifest.name}")
