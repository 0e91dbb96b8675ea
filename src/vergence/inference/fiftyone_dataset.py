"""Predictions as a folder that FiftyOne imports as a ``FiftyOneDataset``: samples with classes and depth as labels.

The layout is that of https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonedataset in its form without a
version, which every FiftyOne reads: it holds no document of FiftyOne's own data base, whose fields change.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vergence.data.atomic import write_text, writing
from vergence.data.buckets.addresses import is_remote
from vergence.data.measured.depth_files import write_picture
from vergence.data.pictures import open_picture
from vergence.data.structured import read_json
from vergence.errors import InputError
from vergence.inference.frame_streams import Frame, FrameStream, ManifestStream

FOLDER = "fiftyone"
_MADE_BY = "vergence predict"
_LARGEST = 65535
_SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".png")


def check_folder(out: Path) -> None:
    """InputError where the folder of the data set holds something else."""
    folder = out / FOLDER
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        known = read_json(folder / "metadata.json")["info"]["made_by"] == _MADE_BY
    except (InputError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError(f"{folder} is there and is no data set that predict has made; give another --out.")


def write_dataset(out: Path, stream: FrameStream, record: dict[str, Any]) -> Path:
    """Write ``fiftyone/`` of the files that a prediction has written; gives the folder.

    ``data/`` holds the pictures (links to image files where the file system has links, else copies; frames of videos
    as JPEG), ``samples.json`` for each frame ``filepath`` below the folder and the labels ``segmentation`` (class ids
    plus one in ``masks/``, for FiftyOne leaves 0 unpainted), ``confidence``, ``depth`` (the 16-bit file, with the range
    of the colours) and ``depth_confidence``; paths of masks and maps are absolute, as FiftyOne wants them.
    ``metadata.json`` names the classes and says what values of depth mean.

    Args:
        out: the folder of the files.
        stream: the frames.
        record: what ``predictions.json`` says.

    Raises:
        InputError: a picture cannot be read, or the folder cannot be written.
    """
    folder = out.absolute() / FOLDER
    # first: a folder that an interrupted call leaves is known as ours
    write_text(folder / "metadata.json", json.dumps(_metadata(record), indent=2) + "\n")
    sources = _image_files(stream)
    samples = [_sample(folder, frame, sources.get(frame.name), record) for frame in stream.frames()]
    write_text(folder / "samples.json", json.dumps({"samples": samples}, indent=1) + "\n")
    return folder


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    info: dict[str, Any] = {"made_by": _MADE_BY, "run": str(record.get("run", ""))}
    info |= {key: record[key] for key in ("unit", "scale", "png", "png_factor") if key in record}
    if "classes" in record:
        info["default_classes"] = [one["name"] for one in record["classes"]]
        info["default_mask_targets"] = {str(one["id"] + 1): one["name"] for one in record["classes"]}
    return {"media_type": "image", "info": info}


def _image_files(stream: FrameStream) -> dict[str, Path]:
    """Image files of frames by their names; videos have none."""
    if not isinstance(stream, ManifestStream):
        return {}
    root = stream.manifest.root
    return {name: root / stream.manifest[k].image for name, k in zip(stream.names, stream.indices, strict=True)}


def _sample(folder: Path, frame: Frame, file: Path | None, record: dict[str, Any]) -> dict[str, Any]:
    out, picture = folder.parent, _picture(folder / "data", frame, file)
    width, height = frame.image.size
    sample: dict[str, Any] = {
        "filepath": picture.relative_to(folder).as_posix(),
        "tags": [],
        "metadata": {"_cls": "ImageMetadata", "width": width, "height": height, "num_channels": 3},
        "name": frame.name,
    }
    files = {kind: out / kind / f"{frame.name}.png" for kind in ("labels", "confidence", "depth", "depth_confidence")}
    if files["labels"].is_file():
        ids = np.asarray(open_picture(files["labels"])).astype(np.uint8)
        mask = folder / "masks" / f"{frame.name}.png"
        write_picture(mask, ids + np.uint8(1))  # no class, 255, becomes 0
        sample["segmentation"] = {"_cls": "Segmentation", "mask_path": str(mask)}
    if files["depth"].is_file():
        farthest = record["png_factor"] / max(record["colour"]["low"], 1e-9)
        sample["depth"] = _heatmap(files["depth"], min(_LARGEST, max(1, round(farthest))))
    for kind in ("confidence", "depth_confidence"):
        if files[kind].is_file():
            sample[kind] = _heatmap(files[kind], 255)
    return sample


def _heatmap(path: Path, largest: int) -> dict[str, Any]:
    return {"_cls": "Heatmap", "map_path": str(path), "range": [0, largest]}


def _picture(folder: Path, frame: Frame, file: Path | None) -> Path:
    """The frame's picture in ``data/``: a link to its file where that shows the same to a browser, else a JPEG."""
    if file is not None and file.suffix.lower() in _SHOWN_BY_BROWSERS and _is_as_stored(file, frame.image):
        path = folder / f"{frame.name}{file.suffix.lower()}"
        if path.exists() and not path.is_symlink() and path.samefile(file):
            return path
        with writing(path) as temporary:
            try:
                os.symlink(file.resolve(), temporary)
            except OSError:  # a file system without links
                shutil.copyfile(file, temporary)
        return path
    path = folder / f"{frame.name}.jpg"
    with writing(path) as temporary:
        frame.image.convert("RGB").save(temporary, format="JPEG", quality=95, subsampling=0)
    return path


def _is_as_stored(file: Path, image: Image.Image) -> bool:
    """Whether the file holds the frame as it was looked at, neither turned nor straightened nor cut."""
    if is_remote(file) or not file.is_file():  # a copy of an object does not stay
        return False
    return np.array_equal(np.asarray(open_picture(file).convert("RGB")), np.asarray(image.convert("RGB")))
