"""Samples for training and evaluation: a target frame with its sources, cameras and truth, from any manifest."""

import logging
from array import array
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from vergence.data.caching.cache import FrameCache
from vergence.data.frame_options import FrameOptions
from vergence.data.frame_reader import LEGACY_SIZE, FrameReader
from vergence.data.imaging.images import open_image
from vergence.data.imaging.transforms import (
    View,
    crop_view,
    draw_jitter,
    flip_view,
    flip_view_vertically,
    legacy_flip_intrinsics,
    no_jitter,
)
from vergence.data.manifest import Manifest
from vergence.errors import InputError

__all__ = ["FrameDataset", "FrameOptions"]

_log = logging.getLogger("vergence")


class FrameDataset(Dataset[dict[str, Tensor]]):
    """Samples of a manifest. ``dataset[epoch, i]`` (or ``dataset[i]``, epoch 0) depends on seed, epoch and row only.

    A sample holds ``frames`` (F, 3, H, W) uint8, ``jitter`` (8,) (the colour draw; it is applied after loading, on the
    device), ``intrinsics`` (F, 3, 3), ``stereo_transform`` (4, 4), ``available`` (F,), ``intrinsics_known``, ``index``,
    ``flipped`` and, where asked for, ``label`` (H, W) int64 with ``labelled``, and where some labels are more sure than
    others ``label_confidence`` (H, W) uint8, ``depth``, ``estimate`` and
    ``inverse_depth`` (1, H, W) float32, ``pseudo_label`` and ``confidence`` (F, H, W) uint8.

    Args:
        manifest: frames; a selection's other rows serve as sources.
        options: see :class:`FrameOptions`.
        train: with flips, jitter and random crops, or without.
        seed: of all randomness.
        cache: of decoded frames, made for this working size; None decodes every time.

    Raises:
        InputError: no sample is usable, or "s" is asked for and a partner lacks its baseline. In use: a file is
            missing or broken, or sizes disagree.
    """

    def __init__(
        self, manifest: Manifest, options: FrameOptions, train: bool, seed: int = 0, cache: FrameCache | None = None
    ) -> None:
        if options.height < 1:
            raise ValueError("a data set needs its working height; 0 stands for it in recipes only")
        if cache is not None and (cache.height, cache.width) != (options.height, options.width):
            raise ValueError(f"cache is for {cache.height}x{cache.width}, options say {options.height}x{options.width}")
        self.manifest, self.options, self.train, self.seed = manifest, options, train, abs(seed)
        self.rows = self._usable_rows()
        """Manifest row of each sample; numbers side by side, which loading processes share."""
        self._reader = FrameReader(manifest, options, cache)
        self._reader.announce(self.rows)
        self._announce()
        self._weighted = options.load_label and bool(manifest.given("label_confidence")[: len(manifest)].any())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Tensor]:
        epoch, position = key if isinstance(key, tuple) else (0, key)
        row = self.rows[position]
        reader = self._reader
        paths = reader.paths(row)
        images, stored_size = reader.frames(row, paths)
        placement = reader.placement(stored_size)
        view = View(
            images=torch.from_numpy(images),
            intrinsics=reader.intrinsics(row, paths, placement),
            stereo_transform=reader.stereo_transform(row),
            label=reader.label(row, placement) if self.options.load_label else None,
            depth=reader.depth(row, placement) if self.options.load_depth else None,
            estimate=reader.estimate(row, placement) if self.options.load_estimate else None,
            inverse_depth=reader.inverse_depth(row, placement) if self.options.load_inverse_depth else None,
        )
        if self._weighted:
            view = replace(view, label_confidence=reader.label_confidence(row, placement))
        if self.options.load_pseudo_label:
            pseudo_label, confidence = reader.pseudo_label(row, paths, placement)
            view = replace(view, pseudo_label=pseudo_label, confidence=confidence)
        rng = np.random.default_rng([self.seed, epoch, row])
        flip, jitter = rng.uniform(size=2)
        colours = draw_jitter(
            rng, self.options.brightness, self.options.contrast, self.options.saturation, self.options.hue
        )
        corner = rng.uniform(size=2)
        flipped = self.train and flip < self.options.flip
        if flipped:
            view = self._flipped(view)
        if self.train and rng.uniform() < self.options.flip_vertical:  # drawn last: other draws stay what they were
            view = flip_view_vertically(view)
        if self.train and self.options.random_crop is not None:
            view = self._cropped(view, corner)
        sample = {
            "frames": view.images.contiguous(),
            "jitter": colours if self.train and jitter < self.options.jitter else no_jitter(),
            "intrinsics": view.intrinsics,
            "stereo_transform": view.stereo_transform,
            "available": torch.tensor([path is not None for path in paths]),
            "intrinsics_known": torch.tensor(self.manifest[row].intrinsics_known),
            "index": torch.tensor(row),
            "flipped": torch.tensor(flipped),
        }
        if view.label is not None:
            sample["label"] = view.label.long()
            sample["labelled"] = torch.tensor(bool(self.manifest[row].label))
        if view.label_confidence is not None:
            sample["label_confidence"] = view.label_confidence.contiguous()
        if view.depth is not None:
            sample["depth"] = view.depth.contiguous()
        if view.estimate is not None:
            sample["estimate"] = view.estimate.contiguous()
        if view.inverse_depth is not None:
            sample["inverse_depth"] = view.inverse_depth.contiguous()
        if view.pseudo_label is not None and view.confidence is not None:
            sample["pseudo_label"] = view.pseudo_label.contiguous()
            sample["confidence"] = view.confidence.contiguous()
        return sample

    def label(self, row: int) -> Tensor:
        """The label (H, W) of a manifest's row, at working size, neither flipped nor cropped."""
        image = open_image(self.manifest.path(row))
        return self._reader.label(row, self._reader.placement((image.height, image.width)))

    def pseudo_label(self, row: int) -> Tensor:
        """The guessed label (H, W) of a manifest's row, at working size, neither flipped nor cropped."""
        path = self.manifest.path(row)
        image = open_image(path)
        return self._reader.pseudo_label(row, [path], self._reader.placement((image.height, image.width)))[0][0]

    def _usable_rows(self) -> "array[int]":
        manifest, offsets = self.manifest, self.options.offsets
        if len(manifest) == 0:
            raise InputError(f"{manifest.name} has no frames; choose another split or make the manifest again.")
        if not offsets:
            return array("q", range(len(manifest)))
        least = {"none": 0, "any": 1, "all": len(offsets)}[self.options.require]
        rows = np.flatnonzero(np.sum([manifest.sourced(offset) for offset in offsets], axis=0) >= least)
        if not len(rows):
            raise InputError(f"{manifest.name} has no usable sample: {self._why_none()}")
        if "s" in offsets:
            lacking = rows[manifest.given("stereo")[rows] & ~manifest.given("baseline")[rows]]
            if len(lacking):
                raise InputError(
                    f"{manifest.path(int(lacking[0]))} has a stereo partner but no baseline; add the baseline in "
                    "metres to the manifest, or take 's' out of offsets."
                )
        return array("q", rows.astype(np.int64).tobytes())

    def _why_none(self) -> str:
        manifest = self.manifest
        lengths = Counter((row.sequence, row.camera) for row in manifest.rows)
        asked = ", ".join(str(offset) for offset in self.options.offsets)
        if "s" in self.options.offsets and not manifest.given("stereo")[: len(manifest)].any():
            return f"sources {asked} are wanted and no frame has a stereo partner; take 's' out of offsets."
        if max(lengths.values()) == 1:
            return (
                f"sources {asked} are wanted and each of its {len(lengths)} sequences has only one frame; "
                "give video, frames in time order with positions 0, 1, 2, ... in one sequence."
            )
        return (
            f"sources {asked} are wanted and no frame has {'any' if self.options.require == 'any' else 'all'} of them; "
            "check the positions in the manifest, or choose other offsets."
        )

    def _announce(self) -> None:
        unknown = int((~self.manifest.given("fx")[np.array(self.rows)]).sum())
        if unknown:
            _log.warning(
                "%d of %d frames have no intrinsics: a horizontal field of view of %g degrees is assumed",
                unknown,
                len(self.rows),
                self.options.field_of_view,
            )
        dropped = len(self.manifest) - len(self.rows)
        if dropped:
            _log.info("%d of %d frames lack the sources they need and are left out", dropped, len(self.manifest))

    def _flipped(self, view: View) -> View:
        flipped = flip_view(view)
        if self.options.legacy_intrinsics:
            flipped = replace(flipped, intrinsics=legacy_flip_intrinsics(view.intrinsics, *LEGACY_SIZE))
        return flipped

    def _cropped(self, view: View, corner: NDArray[np.float64]) -> View:
        assert self.options.random_crop is not None
        height, width = self.options.random_crop
        top = int(corner[0] * (self.options.height - height + 1))
        left = int(corner[1] * (self.options.width - width + 1))
        return crop_view(view, top, left, height, width)
