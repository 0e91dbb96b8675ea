"""Pictures beside their maps."""

import numpy as np
from PIL import Image

SIZE = (24, 14)


SPACE = "three:road#804080,sky#4682b4,car#00008e"


def photo(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*SIZE[::-1], 3), np.uint8)).save(path)


def ids(path, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.zeros(SIZE[::-1], np.uint8)
    label[7:], label[9:, 12:] = 1, 2
    image = Image.fromarray(label)
    if mode == "P":
        image.putpalette([128, 64, 128, 70, 130, 180, 0, 0, 142])
    if mode == "RGB":
        image = Image.fromarray(np.array([[128, 64, 128], [70, 130, 180], [0, 0, 142]], np.uint8)[label])
    image.save(path)


def deep(path, value=5000):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SIZE[::-1], value, np.uint16)).save(path)


NAMES = [f"{k:06d}" for k in range(4)]
