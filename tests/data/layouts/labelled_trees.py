"""Labels of stills, painted and read."""

import numpy as np
from PIL import Image

from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.labels import label_space


def paint(folder_, names, colours):
    folder_.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(colours).save(folder_ / name)


def ids_of(manifest, row=0, space=None):
    wanted = space or label_space(manifest[row].label_space).trained().text()
    options = FrameOptions(16, 32, (), label_space=wanted, load_label=True)
    return FrameDataset(manifest, options, train=False)[row]["label"].numpy()


def columns(count):
    """Ids 0, 1, ... in columns of a 32x16 label."""
    return np.broadcast_to(np.arange(32) % count, (16, 32)).astype(np.uint8)
