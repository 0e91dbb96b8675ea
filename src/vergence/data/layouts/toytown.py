"""Toy town, rendered on the spot: the data set that needs no download."""

from pathlib import Path

from vergence.data.manifest import Manifest
from vergence.data.toytown import TownOptions, write_toytown


def toytown(
    root: Path | str,
    frames: int = 40,
    train: int = 24,
    val: int = 6,
    seed: int = 0,
    style: str = "clear",
    width: int = 192,
    height: int = 96,
    fps: float = 10.0,
    baseline: float = 0.5,
    stereo: bool = True,
) -> Manifest:
    """Render a town into ``root/STYLE`` (resuming where it stopped) and return its manifest.

    Args:
        root: folder of the files; made if missing.
        frames: of each street.
        train, val: number of streets of each split.
        seed, style, width, height, fps, baseline, stereo: see :class:`vergence.data.toytown.TownOptions`.
    """
    options = TownOptions(seed, style, width, height, fps, baseline, stereo)
    return Manifest.read(write_toytown(Path(root), options, {"train": train, "val": val}, frames))
