"""Small pictures."""

from pathlib import Path

import numpy as np
from PIL import Image


def tiff(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path
