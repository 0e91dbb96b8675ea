"""Labels that the label port makes and keeps in the cache: what a run says of pictures, and worse copies of labels."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.imaging.images import open_image
from vergence.data.label_space import LabelSpace
from vergence.data.labels import label_mapping, label_space
from vergence.data.lenses import lens_mark
from vergence.data.masks.label_corruption import corrupted
from vergence.data.masks.pseudo_label_files import read_pseudo_label
from vergence.data.measured.depth_files import write_picture
from vergence.data.pictures import is_whole_png
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference.class_files import Classes, classes_of, write_label_png
from vergence.inference.inputs import prefetched
from vergence.inference.port_runs import BATCH, looked_at, make_missing, weights_identity
from vergence.inference.predictor import load
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.port_files import digest, entry, port_cache
from vergence.runs.processes import ALONE, Processes
from vergence.settings.label_corruption import LabelCorruption

_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Wanted:
    """One picture that is to have labels."""

    image: Path
    row: int
    """Its number in the manifest."""
    stereo: bool
    """Whether it is the partner of the row's image."""
    key: str
    """Name of the frame, the same wherever the data lie."""
    said: FrameRow = field(compare=False)
    """The row."""


@dataclass(frozen=True)
class Found:
    """Labels of one picture."""

    label: Path
    confidence: Path | None
    space: str


def predicted_labels(
    path: Path,
    wanted: list[Wanted],
    size: tuple[int, int],
    device: str,
    progress: Progress | None,
    processes: Processes = ALONE,
) -> dict[Wanted, Found]:
    """What a segmentation run says of each picture, as whole; each process of a run labels its share."""
    cache = port_cache("pseudo_labels") / digest(f"run|{weights_identity(path)}|{size}")
    names = {one.image: f"{entry(one.image)}{lens_mark(one.said)}" for one in wanted}
    rows = {one.image: one.said for one in wanted}
    images = list(names)
    run = load_run(path, device)
    space = run.method.label_space
    if "segmentation" not in run.method.tasks or space is None:
        raise InputError(f"{path} predicts no classes; name a segmentation run as label port.")

    def make(missing: list[int]) -> None:
        _log.info("labelling %d frames by %s", len(missing), path)
        pictures = [images[index] for index in missing]
        wanted = [(image, rows[image]) for image in pictures]
        _predict(run, space, wanted, [names[image] for image in pictures], cache, size, progress)

    make_missing(list(names.values()), lambda name: _is_kept(cache, name), make, processes)
    return {one: _kept(cache, names[one.image], space) for one in wanted}


def _kept(cache: Path, name: str, space: LabelSpace, sure: bool = True) -> Found:
    """Where the labels of one picture are kept."""
    confidence = cache / "confidence" / f"{name}.png" if sure else None
    return Found(cache / "labels" / f"{name}.png", confidence, space.text())


def _is_kept(cache: Path, name: str, sure: bool = True) -> bool:
    """Whether labels, and confidence where it is kept, are there and undamaged."""
    return all(
        is_whole_png(cache / kind / f"{name}.png") for kind in (["labels", "confidence"] if sure else ["labels"])
    )


def _predict(
    run: LoadedRun,
    space: LabelSpace,
    images: list[tuple[Path, FrameRow]],
    names: list[str],
    cache: Path,
    size: tuple[int, int],
    progress: Progress | None,
) -> None:
    """Label pictures and write labels and confidence under their names below ``cache``."""
    predictor = load(run, batch_size=BATCH)

    def predicted() -> Iterator[tuple[str, Classes]]:
        for index, own, maps in looked_at(predictor, images):
            yield names[index], classes_of(maps["logits"], kept_size(own, size))

    def write(pair: tuple[str, Classes]) -> None:
        _write(cache, pair[0], pair[1].ids, pair[1].confidence, space)

    for done, _ in enumerate(prefetched(write, predicted(), ahead=4)):
        if progress is not None:
            progress(done + 1, len(images))


def _write(
    cache: Path, name: str, ids: NDArray[np.uint8], confidence: NDArray[np.uint8] | None, space: LabelSpace
) -> None:
    if confidence is not None:
        write_picture(cache / "confidence" / f"{name}.png", confidence)
    write_label_png(cache / "labels" / f"{name}.png", ids, space)  # last: where it exists, the other does too


def kept_size(picture: tuple[int, int], working: tuple[int, int]) -> tuple[int, int]:
    """Size (H, W) of the picture's aspect that just covers the working size, at most the picture's own."""
    scale = min(1.0, max(want / have for want, have in zip(working, picture, strict=True)))
    return max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))


# -- corruption --------------------------------------------------------------------------------------------------------


def corrupted_labels(
    given: dict[Wanted, Found], size: tuple[int, int], corruption: LabelCorruption, processes: Processes = ALONE
) -> dict[Wanted, Found]:
    """Worse copies at about the working size; confidence stays what it was, whoever erred did not know."""
    cache = port_cache("pseudo_labels") / digest(f"{corruption}|{size}")

    def copy_of(one: Wanted, labels: Found) -> tuple[Found, LabelSpace, str]:
        stored = label_space(labels.space) if labels.space else None
        if stored is None:
            raise InputError(
                f"pseudo-label {labels.label} does not say what its ids mean, and frames.label_noise must know the "
                "classes; fill the column of its label space."
            )
        sure = "" if labels.confidence is None else entry(labels.confidence)
        name = digest(f"{entry(labels.label)}|{sure}|{one.key}|{labels.space}")
        return _kept(cache, name, stored.trained(), labels.confidence is not None), stored, name

    def corrupt(index: int) -> None:
        (one, labels), (copy, stored, name) = items[index], copies[index]
        picture, space = open_image(one.image), stored.trained()
        size_of_picture = (picture.height, picture.width)
        ids, confidence = read_pseudo_label(labels.label, labels.confidence, size_of_picture, stored)
        ids = _nearest(label_mapping(stored.text(), space.text())[ids], kept_size(size_of_picture, size))
        kept = None if copy.confidence is None else _nearest(confidence, kept_size(size_of_picture, size))
        _write(cache, name, corrupted(ids, corruption, len(space), one.key), kept, space)

    def make(missing: list[int]) -> None:
        for _ in prefetched(corrupt, missing):
            pass

    items = list(given.items())
    copies = [copy for _, copy in prefetched(lambda item: copy_of(*item), items)]
    make_missing(copies, lambda copy: _is_kept(cache, copy[2], copy[0].confidence is not None), make, processes)
    return {one: copy for one, (copy, _, _) in zip(given, copies, strict=True)}


def _nearest(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(values).resize((size[1], size[0]), Image.Resampling.NEAREST))
