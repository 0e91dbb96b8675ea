"""Films whose motion is known."""

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 192, 96


def texture(width=WIDTH + 200, height=HEIGHT + 40, seed=0) -> Image.Image:
    """Smooth random colours with detail of several sizes."""
    generator = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cell in (4, 8, 24):
        small = generator.uniform(0, 255, (height // cell + 2, width // cell + 2, 3)).astype(np.uint8)
        total += np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), float) / 3
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))


def view(picture: Image.Image, x: float, y: float = 0.0, zoom: float = 1.0) -> Image.Image:
    """The part of a picture that a camera at (x, y) sees."""
    data = (zoom, 0, x, 0, zoom, y)
    return picture.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)


def film(folder: Path, frames, quality: int = 95) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        frame.save(folder / f"{number:06d}.jpg", quality=quality)
    return folder


def travelling(count=40, speed=2.0):
    """Two layers at different depths pass by: the lower half moves twice as fast."""
    far, near = texture(seed=1), texture(seed=2)
    for k in range(count):
        frame = view(far, speed * k * 0.5)
        frame.paste(view(near, speed * k * 1.5).crop((0, 0, WIDTH, HEIGHT // 2)), (0, HEIGHT // 2))
        yield frame


def only(report):
    assert len(report.sequences) == 1
    return report.sequences[0]


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), np.float32)
