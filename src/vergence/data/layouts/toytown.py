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
        train: number of streets to train on.
        val: number of streets held back.
        seed: another seed is another town.
        style: "clear" or "dusk" (fog, other light and colours over the same geometry).
        width: of the images in pixels.
        height: of the images in pixels.
        fps: frames per second.
        baseline: metres to the right-hand camera.
        stereo: render the right-hand camera too.
    """
    options = TownOptions(seed, style, width, height, fps, baseline, stereo)
    return Manifest.read(write_toytown(Path(root), options, {"train": train, "val": val}, frames))
