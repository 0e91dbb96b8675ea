"""Data sets as they lie, in little: the real frames of a clip, or toy town's, under the names of published layouts."""

import csv
import functools
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vergence.data.labels import CAMVID_11, LabelSpace
from vergence.data.toytown.options import TownOptions
from vergence.data.toytown.render import render_street

av = pytest.importorskip("av")
CLIP = Path(__file__).parents[2] / "shared" / "data" / "driving_video" / "kitti_0001" / "left"
WIDTH, HEIGHT, FRAMES = 160, 64, 40


@functools.cache
def clip() -> tuple[Image.Image, ...]:
    """Consecutive frames of the real clip, or of toy town where the real data are absent."""
    if CLIP.is_dir():
        found = sorted(CLIP.glob("*.jpg"))[:FRAMES]
        assert len(found) == FRAMES
        return tuple(Image.open(path).convert("RGB").resize((WIDTH, HEIGHT)) for path in found)
    town = render_street(TownOptions(width=WIDTH, height=HEIGHT, stereo=False), 0, FRAMES)
    return tuple(Image.fromarray(frame.image) for frame in town)


def write_video(name: str, frames: int = FRAMES) -> None:
    """The clip as a video file."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    with av.open(name, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in clip()[:frames]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode())


def save(path: str, array: NDArray[np.generic] | Image.Image) -> None:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(place)


def halves(above: int, below: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Ids (H, W): one class above the middle, another below."""
    return np.repeat(np.where(np.arange(height) < height // 2, above, below), width).reshape(height, width).astype("u1")


def towards(far: float, near: float) -> NDArray[np.uint16]:
    """16 bits (H, W) from what is above and far to what is below and near."""
    return np.repeat(np.linspace(far, near, HEIGHT), WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)


def ids(space: LabelSpace, above: str = "sky", below: str = "road") -> NDArray[np.uint8]:
    return halves(space.classes.index(above), space.classes.index(below))


def cityscapes(root: str, space: LabelSpace) -> None:
    """Snippets of three frames, that in the middle labelled and a still, with disparity of stereo and estimates."""
    for snippet in range(8):
        part = "train" if snippet < 6 else "val"
        for frame in range(3):
            name = f"{part}/aachen/aachen_{snippet:06d}_{frame + 18:06d}"
            picture = clip()[3 * snippet + frame]
            save(f"{root}/leftImg8bit_sequence/{name}_leftImg8bit.png", picture)
            if frame == 1:
                save(f"{root}/leftImg8bit/{name}_leftImg8bit.png", picture)
                save(f"{root}/gtFine/{name}_gtFine_labelIds.png", ids(space))
                save(f"{root}/disparity/{name}_disparity.png", towards(0.6 * 256, 9 * 256))
                save(f"{root}/disparity/{name}_leftImg8bit.png", towards(3000, 30000))


def gta5(root: str, space: LabelSpace) -> None:
    """Stills with ids and 16-bit estimates."""
    for number in range(4):
        save(f"{root}/images/{number + 1:05d}.png", clip()[number])
        save(f"{root}/labels/{number + 1:05d}.png", ids(space))
        save(f"{root}/disparity/{number + 1:05d}.png", towards(3000, 30000))


def synthia(root: str, space: LabelSpace) -> None:
    """Stills with ids and depth in centimetres."""
    for number in range(4):
        save(f"{root}/RGB/{number:07d}.png", clip()[number])
        save(f"{root}/synthia_mapped_to_cityscapes/{number:07d}.png", ids(space))
        save(f"{root}/Depth/{number:07d}.png", towards(6000, 400))


def camvid(root: str) -> None:
    """SegNet's form: stills a second apart."""
    for split, first, count in (("train", 0, 4), ("val", 10, 2), ("test", 20, 2)):
        names = [f"0001TP_{30 * number:06d}.png" for number in range(first, first + count)]
        for number, name in enumerate(names):
            save(f"{root}/{split}/{name}", clip()[first + number])
            save(f"{root}/{split}annot/{name}", ids(CAMVID_11))
        lines = (f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}" for name in names)
        Path(root, f"{split}.txt").write_text("\n".join(lines))


def mapillary(root: str, space: LabelSpace) -> None:
    """Frames with palette ids."""
    for part, count in (("training", 4), ("validation", 2)):
        for number in range(count):
            save(f"{root}/{part}/images/{part}{number}.jpg", clip()[number])
            save(f"{root}/{part}/labels/{part}{number}.png", ids(space, "Sky", "Road"))


def simulator(root: str, table: str, frames: int) -> None:
    """Toy town's frames in the places that the rows of a table (CSV) say, on and on, with labels and centimetres."""
    first, second = list(csv.DictReader(io.StringIO(table)))[:2]
    street = render_street(TownOptions(width=WIDTH, height=HEIGHT, stereo=False), 0, frames)
    rows = []
    for number, frame in enumerate(street):
        place = f"{number:05d}"
        row = {key: value.replace("00000", place) for key, value in first.items()} | {"position": str(number)}
        assert number != 1 or row == second, "the table of the page goes on as its first line does"
        save(f"{root}/{row['image']}", frame.image)
        save(f"{root}/{row['label']}", frame.label)
        save(f"{root}/{row['depth']}", np.rint(100 * frame.depth).astype(np.uint16))
        rows.append(row)
    with Path(root, "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows(rows)
