"""Read what belongs to one frame at working size: pixels (through the cache), label, depth, camera."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.batch import IGNORED_LABEL
from vergence.data.caching.cache import FrameCache
from vergence.data.estimate_files import read_estimate, read_sigmoid
from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.images import frame_depth, open_image
from vergence.data.imaging.transforms import Placement
from vergence.data.labels import label_mapping, label_space
from vergence.data.lenses import straight_image, straight_label
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.masks.pseudo_label_files import read_confidence, read_pseudo_label
from vergence.data.measured.inverse_depth import INVALID, from_metres, from_sigmoid
from vergence.data.pictures import picture_size
from vergence.data.rows.frame_row import FrameRow
from vergence.data.stored_size import check_size
from vergence.errors import InputError
from vergence.geometry.camera import Camera

_SPARE = 1.25
"""A JPEG that is decoded smaller is still larger than needed by this factor, for the filter."""
_NEARLY = 0.01
"""Frames larger by at most this share are cut, where a fast reader is asked for."""
LEGACY_SIZE = (2048, 1024)
"""Width and height whose pixels the official Three Ways program measures intrinsics in, whatever the working size."""


class FrameReader:
    """Reads rows of a manifest at the working size of the options; see :class:`~vergence.data.dataset.FrameDataset`.

    ``paths`` are those of a sample: the target, then its sources in the order of the offsets, None where missing.
    """

    def __init__(self, manifest: Manifest, options: FrameOptions, cache: FrameCache | None = None) -> None:
        self.manifest, self.options, self.cache = manifest, options, cache
        self._resizing = options.fit if options.fit == "stretch" else f"{options.fit}-{options.crop_anchor}"
        if options.resampling != "lanczos":
            self._resizing += f"-{options.resampling}" + ("-cut" if options.resampling == "fast" else "")
        if options.aspect:
            self._resizing += f"-aspect{options.aspect}"

    def paths(self, row: int) -> list[Path | None]:
        """The sample's image files."""
        return [self.manifest.path(row), *(self._source_path(row, offset) for offset in self.options.offsets)]

    def _source_path(self, row: int, offset: int | str) -> Path | None:
        if isinstance(offset, str):
            return self.manifest.path(row, "stereo") if self.manifest[row].stereo else None
        neighbour = self.manifest.neighbour(row, offset)
        return None if neighbour is None else self.manifest.path(neighbour)

    def announce(self, rows: Sequence[int]) -> None:
        """Say in the log where the cache has no room for the frames of these samples."""
        if self.cache is not None:
            offsets = self.options.offsets
            there = len(self.manifest.rows) * (2 if "s" in offsets else 1)
            self.cache.expect(min(there, len(rows) * (1 + len(offsets))))

    def frames(self, row: int, paths: list[Path | None]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Frames (F, 3, H, W) at working size, missing ones filled with the target, and the stored (H, W)."""
        frames = np.empty((len(paths), 3, self.options.height, self.options.width), dtype=np.uint8)
        stored_size = (0, 0)
        for k, path in enumerate(paths):
            if path is None:
                frames[k] = frames[0]
                continue
            size = self._read_frame(path, frames[k], self._lens_row(row, k))
            if k == 0:
                stored_size = size
                check_size(self.manifest[row], path, size)
            elif size != stored_size:
                raise InputError(
                    f"{path} is {size[1]}x{size[0]}, but {paths[0]} is {stored_size[1]}x{stored_size[0]}; "
                    "frames of one sample must have one size: make them another sequence or camera."
                )
        return frames, stored_size

    def _lens_row(self, row: int, slot: int) -> FrameRow:
        """The row whose lens took a frame of a sample; stereo partners have none."""
        offset = 0 if slot == 0 else self.options.offsets[slot - 1]
        neighbour = self.manifest.neighbour(row, offset) if isinstance(offset, int) else None
        return self.manifest[row if neighbour is None else neighbour]

    def _form(self, row: FrameRow) -> str:
        """How a stored frame of this row becomes a cached one, beside its size."""
        return f"{self._resizing}|{row.lens}|{(row.fx, row.fy, row.cx, row.cy)}" if row.lens else self._resizing

    def _read_frame(self, path: Path, out: NDArray[np.uint8], row: FrameRow) -> tuple[int, int]:
        name = None
        if self.cache is not None:
            name = self.cache.name(path, self._form(row))
            stored_size = self.cache.load(name, out)
            if stored_size is not None:
                return stored_size
        image, stored_size = self._opened(path, row)
        out[:] = self.placement(stored_size).image(image, self.options.resampling).transpose(2, 0, 1)
        if self.cache is not None and name is not None:
            self.cache.store(name, out, stored_size)
        return stored_size

    def _opened(self, path: Path, row: FrameRow) -> tuple[Image.Image, tuple[int, int]]:
        """The image of a file, and the size (H, W) of the frame: a fast reader may decode the image smaller."""
        if self._may_draft(row, row.height, row.width):
            height, width = picture_size(path)[::-1]
            if self._may_draft(row, height, width):
                shrinks = self.placement((height, width)).shrinks
                return open_image(path, math.ceil(_SPARE * width / shrinks)), (height, width)
        image = straight_image(row, open_image(path))
        return image, (image.height, image.width)

    def _may_draft(self, row: FrameRow, height: int, width: int) -> bool:
        """Whether a frame of this size, 0 unknown, is so large that a JPEG may be decoded smaller."""
        if self.options.resampling != "fast" or row.lens:
            return False
        placement = self.placement((height, width)) if width else None
        return placement is None or (placement.whole and placement.shrinks >= 2 * _SPARE)

    def placement(self, stored_size: tuple[int, int]) -> Placement:
        """How a stored frame of size (H, W) becomes a working frame."""
        return placement(self.options, stored_size)

    def label(self, row: int, placement: Placement) -> Tensor:
        """Class ids (H, W) uint8 of the options' label space; all ignored where the row has no label.

        Without a label space in the options ids stay those of the file.
        """
        entry = self.manifest[row]
        if not entry.label:
            return torch.full((placement.height, placement.width), IGNORED_LABEL, dtype=torch.uint8)
        target = self.options.label_space
        stored = entry.label_space or target
        space = label_space(stored) if stored else None
        size = (placement.stored_height, placement.stored_width)
        ids = placement.label(straight_label(entry, read_label(self.manifest.path(row, "label"), size, space)))
        return torch.from_numpy(label_mapping(stored, target)[ids] if target else ids)

    def label_confidence(self, row: int, placement: Placement) -> Tensor:
        """How sure the label is, (H, W) uint8, value / 255; all 255 where nothing is said of it."""
        if not self.manifest[row].label_confidence:
            return torch.full((placement.height, placement.width), 255, dtype=torch.uint8)
        size = (placement.stored_height, placement.stored_width)
        sure = straight_label(self.manifest[row], read_confidence(self.manifest.path(row, "label_confidence"), size))
        return torch.from_numpy(placement.label(sure))

    def pseudo_label(self, row: int, paths: list[Path | None], placement: Placement) -> tuple[Tensor, Tensor]:
        """Guessed class ids (F, H, W) of the options' label space and confidence (F, H, W), both uint8.

        F is 1 unless the options ask for all of the sample's ``paths``. A source that is not there or has no label
        is all ignored, its confidence 0; InputError where the target has none.
        """
        if not self.manifest[row].pseudo_label:
            raise InputError(
                f"{self.manifest.path(row)} has no pseudo-label (column pseudo_label); name a label port, such as a "
                "segmentation run, in the settings of the method."
            )
        wanted = paths if self.options.load_pseudo_label == "all" else paths[:1]
        labels = torch.full((len(wanted), placement.height, placement.width), IGNORED_LABEL, dtype=torch.uint8)
        confidence = torch.zeros_like(labels)
        for k, path in enumerate(wanted):
            offset = 0 if k == 0 else self.options.offsets[k - 1]
            maps = None if path is None else self._pseudo_label(row, offset, placement)
            if maps is not None:
                labels[k], confidence[k] = (torch.from_numpy(values) for values in maps)
        return labels, confidence

    def _pseudo_label(
        self, row: int, offset: int | str, placement: Placement
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
        stereo = "stereo_" if isinstance(offset, str) else ""
        index = row if isinstance(offset, str) else self.manifest.neighbour(row, offset)
        if index is None or not getattr(self.manifest[index], f"{stereo}pseudo_label"):
            return None
        entry, target = self.manifest[index], self.options.label_space
        stored = entry.pseudo_label_space or target
        confidence = f"{stereo}confidence"
        ids, sure = read_pseudo_label(
            self.manifest.path(index, f"{stereo}pseudo_label"),
            self.manifest.path(index, confidence) if getattr(entry, confidence) else None,
            (placement.stored_height, placement.stored_width),
            label_space(stored) if stored else None,
        )
        ids = label_mapping(stored, target)[ids] if target else ids
        sure = np.where(ids == IGNORED_LABEL, np.uint8(0), sure)
        return placement.nearest(ids), placement.nearest(sure)

    def depth(self, row: int, placement: Placement) -> Tensor:
        """Metres (1, H, W) float32, 0 = none."""
        depth = frame_depth(self.manifest, row)
        if depth is None:
            return torch.zeros(1, placement.height, placement.width)
        return torch.from_numpy(placement.depth(depth))[None]

    def estimate(self, row: int, placement: Placement) -> Tensor:
        """Estimated inverse depth (1, H, W), normalised over the stored map; InputError where the row has none."""
        return torch.from_numpy(placement.estimate(read_estimate(self._estimate_file(row))))[None]

    def inverse_depth(self, row: int, placement: Placement) -> Tensor:
        """Depth supervision (1, H, W) in CorDA's unit, exactly 1.0 = none; resized as labels are.

        All none where measured depth is asked for and the row has none; InputError where it lacks an estimate.
        """
        if self.options.load_inverse_depth == "estimate":
            stored = read_sigmoid(self._estimate_file(row)).astype(np.float32)
            return torch.from_numpy(from_sigmoid(placement.nearest(stored).astype(np.uint16)))[None]
        depth = frame_depth(self.manifest, row)
        if depth is None:
            return torch.full((1, placement.height, placement.width), INVALID)
        return torch.from_numpy(from_metres(placement.nearest(depth)))[None]

    def _estimate_file(self, row: int) -> Path:
        if not self.manifest[row].estimate:
            raise InputError(
                f"{self.manifest.path(row)} has no estimated depth (column estimate); name a depth port, such as a "
                "depth run, in the settings of the method."
            )
        return self.manifest.path(row, "estimate")

    def intrinsics(self, row: int, paths: list[Path | None], placement: Placement) -> Tensor:
        """(F, 3, 3) at working size; a missing frame, or one of unknown camera, has the target's."""
        target = self.manifest[row]
        matrices = [self._matrix(target, placement)]
        for offset, path in zip(self.options.offsets, paths[1:], strict=True):
            source = target
            if path is not None and isinstance(offset, str) and not math.isnan(target.stereo_cx):
                source = replace(target, cx=target.stereo_cx)
            elif path is not None and not isinstance(offset, str):
                neighbour = self.manifest.neighbour(row, offset)
                if neighbour is not None and target.intrinsics_known and self.manifest[neighbour].intrinsics_known:
                    source = self.manifest[neighbour]
            matrices.append(matrices[0] if source is target else self._matrix(source, placement))
        return torch.stack(matrices)

    def _matrix(self, row: FrameRow, placement: Placement) -> Tensor:
        width, height = placement.stored_width, placement.stored_height
        if not row.intrinsics_known:
            camera = Camera.from_field_of_view(self.options.field_of_view, width, height)
        elif self.options.legacy_intrinsics:
            return Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, *LEGACY_SIZE).matrix()
        else:
            camera = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, width, height)
        return placement.camera(camera).matrix()

    def stereo_transform(self, row: int) -> Tensor:
        """Points of the target camera to its partner at x = baseline: X' = X - baseline."""
        transform = torch.eye(4)
        if "s" in self.options.offsets and self.manifest[row].stereo:
            transform[0, 3] = -self.manifest[row].baseline
        return transform


def placement(options: FrameOptions, stored_size: tuple[int, int]) -> Placement:
    """How a stored frame of size (H, W) becomes a working frame of these options."""
    size, nearly = (options.height, options.width), _NEARLY if options.resampling == "fast" else 0.0
    return Placement.fit(stored_size, size, options.fit, options.crop_anchor, options.aspect, nearly)
