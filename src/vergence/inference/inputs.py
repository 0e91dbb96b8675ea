"""Pictures at the size a network wants, and the measured depth beside them, one image at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.frame_options import FrameOptions
from vergence.data.imaging.images import frame_depth, open_frame
from vergence.data.imaging.transforms import Placement, resize_image, unlike
from vergence.data.labels import LabelSpace, label_mapping, label_space
from vergence.data.lenses import straight_label
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import check_aspect, read_label
from vergence.data.stored_size import stored_size
from vergence.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
_MULTIPLE = 32


def network_size(options: FrameOptions, width: int, height: int) -> tuple[int, int]:
    """Height and width at which a network sees a whole picture of this size.

    With ``fit="stretch"`` the working size. With ``fit="crop"`` training saw the scene at the scale that covers the
    working size: the picture keeps its aspect at that scale, rounded to multiples of 32, and nothing is cut off. A
    picture of another shape than ``aspect`` has the scales of its rows and columns that a cut one had in training.
    """
    if options.fit == "stretch" and not unlike(width, height, options.aspect):
        return options.height, options.width
    aspect = options.width / options.height if options.fit == "crop" else options.aspect
    box_width, box_height = min(width, height * aspect), min(height, width / aspect)
    scaled = (height * options.height / box_height, width * options.width / box_width)
    rows, columns = (max(2 * _MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE) for side in scaled)
    return rows, columns


def to_network(image: Image.Image, options: FrameOptions) -> Tensor:
    """A whole picture as a network sees it: (3, h, w) uint8, resized by the same filter as in training."""
    height, width = network_size(options, image.width, image.height)
    return torch.from_numpy(np.array(resize_image(image, height, width, options.resampling))).permute(2, 0, 1)


def working_image(manifest: Manifest, index: int, options: FrameOptions) -> Tensor:
    """The image of a row at network size, (3, h, w) uint8; InputError where it cannot be read."""
    return to_network(open_frame(manifest, index), options)


def on_device(images: Sequence[Tensor], device: torch.device) -> Tensor:
    """A batch (B, 3, h, w) float in [0, 1] of uint8 images of one size."""
    batch = torch.stack(list(images)).to(device, non_blocking=True).float().div_(255)
    return batch.contiguous(memory_format=torch.channels_last)


def has_truth(manifest: Manifest, index: int) -> bool:
    """Whether a row has measured depth."""
    row = manifest[index]
    return bool(row.depth or row.disparity)


def ground_truth(manifest: Manifest, index: int) -> NDArray[np.float32]:
    """Measured depth (H, W) metres at its own size, 0 = none; ValueError where the row has none."""
    depth = frame_depth(manifest, index)
    if depth is None:
        raise ValueError(f"row {index} has no measured depth")
    return depth


def has_label(manifest: Manifest, index: int) -> bool:
    """Whether a row has a label that may judge: carried ones only teach."""
    return manifest[index].judges


def ground_truth_label(manifest: Manifest, index: int, space: LabelSpace) -> NDArray[np.uint8]:
    """Class ids (H, W) of a label space, at the label's own size; 255 = none.

    InputError where the file is broken, holds what is not of its space, shares no class with this one, or has another
    aspect than its image.
    """
    return straight_label(manifest[index], stored_label(manifest, index, space))


def stored_label(manifest: Manifest, index: int, space: LabelSpace) -> NDArray[np.uint8]:
    """The same beside the frame as its file has it: as bent as its lens makes it."""
    row, path = manifest[index], manifest.path(index, "label")
    stored = label_space(row.label_space) if row.label_space else space
    label = read_label(path, space=stored)
    check_aspect((label.shape[0], label.shape[1]), stored_size(manifest, index), path)
    return label_mapping(stored.text(), space.text())[label]


def resize_label(label: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Class ids (h, w) at another size (height, width), by the nearest neighbour."""
    return Placement.fit((label.shape[0], label.shape[1]), (height, width)).label(label)


def evenly_spaced(items: Sequence[Item], most: int | None) -> list[Item]:
    """At most ``most`` of the items, evenly spaced, the first and the last among them.

    Example:
        >>> evenly_spaced("abcdefg", 3)
        ['a', 'd', 'g']
    """
    if most is not None and most < 1:
        raise InputError(f"limit is {most}; give 1 or more, or leave it out for all.")
    if most is None or len(items) <= most:
        return list(items)
    return [items[int(index)] for index in np.linspace(0, len(items) - 1, most).round()]


def prefetched(
    load: Callable[[Item], Result], items: Iterable[Item], threads: int = 2, ahead: int = 8
) -> Iterator[tuple[Item, Result]]:
    """Pairs (item, load(item)) in order, loaded by threads at most ``ahead`` items early; the first error ends all."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(load, item)))
                if len(waiting) > ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
