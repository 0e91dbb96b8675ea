"""The depth port: estimated inverse depth for every frame, from whatever estimates it, once and for all.

A port is a text: a depth run's folder, a folder of depth files, "truth" (measured depth), "hf:MODEL", "onnx:FILE" or
"onnx-depth:FILE" (see :mod:`vergence.inference.foreign_depth`).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.buckets.anywhere import run_here
from vergence.data.digests import file_state
from vergence.data.estimate_files import write_estimate, write_sigmoid
from vergence.data.imaging.images import frame_depth, open_image, read_depth
from vergence.data.lenses import lens_mark
from vergence.data.manifest import Manifest
from vergence.data.pictures import is_whole_png
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference.exported_engines import exported_file
from vergence.inference.exported_network import ExportedNetwork
from vergence.inference.networks import ForeignNetwork, RunNetwork, foreign_name
from vergence.inference.port_runs import BATCH, looked_at, make_missing, weights_identity
from vergence.inference.predictor import Maps, Predictor
from vergence.progress import Progress
from vergence.runs.checkpoint import load_run
from vergence.runs.folder import is_run
from vergence.runs.port_files import NamedFiles, digest, entry, port_cache
from vergence.runs.processes import ALONE, Processes

_log = logging.getLogger("vergence")

Estimator = Callable[[Manifest, list[int]], Iterator[tuple[int, NDArray[np.floating]]]]
"""Rows of a manifest to (row, inverse depth (h, w)), near is large."""
Measured = Callable[[Manifest, int], str]
"""A text that changes with the depth file of a row, and with what its values mean."""
Write = Callable[[Path, NDArray[np.floating]], Path]
_DEPTH_SUFFIXES = (".png", ".npy", ".npz")
_ASPECT = 1.02
"""Estimates of a folder may be larger or smaller than the image, but not of another shape."""


def with_estimates(
    manifest: Manifest,
    port: str,
    size: tuple[int, int],
    device: str = "cpu",
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> Manifest:
    """The manifest with the column ``estimate`` filled for its samples.

    Estimates are kept in the cache folder, one picture of 16 bits a frame, and made again only for a changed image or
    port; an interrupted call goes on where it stopped. A depth run's pictures hold its sigmoid output, 65535 sigma, the
    others' are min-max normalised.

    Args:
        port: see the module.
        size: (H, W) at which models without a size of their own see the frames ("onnx:").
        progress: called with (done, total).
        processes: of a run; all of them call this, and each estimates its share.

    Raises:
        InputError: the port cannot be had, lacks a frame, or gives maps that are not finite or of another shape.
    """
    if port == "manifest" and manifest.given("estimate")[: len(manifest)].all():
        return manifest
    folder, estimator, write, measured = _open_port(port, size, device)
    files = [folder / f"{_entry(manifest, index, measured)}.png" for index in range(len(manifest))]

    def make(missing: list[int]) -> None:
        _log.info("estimating the depth of %d frames by %s", len(missing), port)
        for done, (index, inverse_depth) in enumerate(estimator(manifest, missing)):
            _check(inverse_depth, manifest.path(index), port)
            write(files[index], inverse_depth)
            if progress is not None:
                progress(done + 1, len(missing))

    make_missing(files, is_whole_png, make, processes)
    estimates = {row.image: str(file) for row, file in zip(manifest, files, strict=True)}
    return manifest.changed(lambda row: _named(row, estimates))


def _entry(manifest: Manifest, index: int, measured: Measured | None) -> str:
    """Name of one frame's estimate: of the picture, and of the depth file where one is what it is made from."""
    name = f"{entry(manifest.path(index))}{lens_mark(manifest[index])}"
    return name if measured is None else digest(f"{name}|{measured(manifest, index)}")


def _named(row: FrameRow, names: dict[str, str]) -> FrameRow:
    return replace(row, estimate=names[row.image]) if row.image in names else row


def _open_port(port: str, size: tuple[int, int], device: str) -> tuple[Path, Estimator, Write, Measured | None]:
    """Where a port's estimates are kept, what makes them, what writes them, and which depth file they are made from."""
    cache = port_cache("estimates")
    if port == "truth":
        return cache / "truth", _truth, write_estimate, _truth_file
    kind, _, name = (foreign_name(port) or port).partition(":")
    if kind in DEPTH_PORTS and name:
        identity, estimator = DEPTH_PORTS[kind](name, size, device)
        return cache / digest(identity), estimator, write_estimate, None
    path = Path(run_here(port)).expanduser()
    if is_run(path):
        identity = f"run, sigmoid|{weights_identity(path)}"
        return cache / digest(identity), partial(_by_run, path, device), write_sigmoid, None
    if path.is_dir():
        named = _depth_files(path)
        identity = f"files|{path.absolute()}"
        return cache / digest(identity), partial(_from_files, named), write_estimate, partial(_file_state, named)
    raise InputError(
        f"{port!r} is no depth port: give a depth run, a folder of depth files, truth, hf:MODEL or onnx:FILE."
    )


def _foreign(kind: str, name: str, size: tuple[int, int], device: str) -> tuple[str, Estimator]:
    if file := exported_file(f"{kind}:{name}"):
        ours = ExportedNetwork(file, device)
        if "depth" not in ours.tasks:
            raise InputError(f"{file} predicts no depth; name a file of a depth run as depth port.")
        return f"exported|{ours.facts.digest()}", partial(_by_model, ours)
    network = ForeignNetwork(f"{kind}:{name}", device, size=size)
    return network.model.identity, partial(_by_model, network)


DEPTH_PORTS: dict[str, Callable[[str, tuple[int, int], str], tuple[str, Estimator]]] = {
    kind: partial(_foreign, kind) for kind in ("hf", "onnx", "onnx-depth")
}
"""Kinds of ports KIND:NAME: from NAME, the (H, W) of training frames and a device to a text that changes with the
estimates, and what makes them."""


def _truth(manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    for index in rows:
        depth = frame_depth(manifest, index)
        if depth is None:
            raise InputError(
                f"{manifest.path(index)} has no measured depth, and the depth port is truth; add the column depth to "
                "the manifest, or name another port."
            )
        yield index, _inverse(depth)


def _by_model(
    network: ForeignNetwork | ExportedNetwork, manifest: Manifest, rows: list[int]
) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """The inverse depth of a model of others; the map of the whole frame, perhaps of another size and stretched."""
    images = [(manifest.path(row), manifest[row]) for row in rows]
    for index, _, maps in looked_at(Predictor(network, BATCH), images):
        yield rows[index], maps["inverse_depth"][0].numpy()


def _by_run(path: Path, device: str, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """The disparity of a depth run at its own working size."""
    network = RunNetwork(load_run(path, device))
    if "depth" not in network.tasks:
        raise InputError(f"{path} predicts no depth; name a depth run as depth port.")
    images = [(manifest.path(row), manifest[row]) for row in rows]

    def look(batch: Sequence[Tensor]) -> Maps:
        return {"disparity": network.method.predict(network.images(batch))["disparity"]}

    for number, _, maps in looked_at(Predictor(network, BATCH), images, look):
        yield rows[number], maps["disparity"][0].cpu().numpy()


def _depth_files(folder: Path) -> NamedFiles:
    """Depth files below a folder; InputError where there are none."""
    named = NamedFiles(folder, _DEPTH_SUFFIXES)
    if not named.files:
        raise InputError(
            f"{folder} is neither a run nor holds depth files ({', '.join(_DEPTH_SUFFIXES)}); name a depth run or a "
            "folder of depth files as depth port."
        )
    return named


def _from_files(named: NamedFiles, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Depth files that end like the image's path: the longest common ending decides, and must be the only one."""
    for index in rows:
        image, file = manifest.path(index), _depth_file(named, manifest.path(index))
        depth = read_depth(file)
        opened = open_image(image)
        change = (depth.shape[1] / depth.shape[0]) / (opened.width / opened.height)
        if not 1 / _ASPECT < change < _ASPECT:
            raise InputError(
                f"{file} is {depth.shape[1]}x{depth.shape[0]} and its image {opened.width}x{opened.height}; "
                "give depth of the same picture, whole and of the same aspect."
            )
        yield index, _inverse(depth)


def _depth_file(named: NamedFiles, image: Path) -> Path:
    names = named.of(image)
    if len(names) != 1:
        raise InputError(
            f"{named.folder} has {'no' if not names else 'more than one'} depth file for {image}; name it as the "
            f"image, such as {image.stem}.png."
        )
    return named.files[names[0]]


def _file_state(named: NamedFiles, manifest: Manifest, index: int) -> str:
    names = named.of(manifest.path(index))
    return file_state(named.files[names[0]]) if len(names) == 1 else ""  # the estimator says what is wrong


def _truth_file(manifest: Manifest, index: int) -> str:
    """The measured depth of a row: its file, and the columns that say what its values mean."""
    row = manifest[index]
    file = next((name for name in ("depth", "disparity") if getattr(row, name)), None)
    meaning = [(one.name, getattr(row, one.name)) for one in fields(row) if one.name.startswith(("depth_", "dispar"))]
    camera = (row.fx, row.cx, row.stereo_cx, row.baseline) if file == "disparity" else ()
    return f"{file_state(manifest.path(index, file)) if file else ''}|{meaning}|{camera}"


def _inverse(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse depth; what has none counts as infinitely far."""
    return np.divide(1, depth, out=np.zeros_like(depth), where=depth > 0)


def _check(inverse_depth: NDArray[np.floating], image: Path, port: str) -> None:
    if inverse_depth.ndim != 2 or not np.isfinite(inverse_depth).all():
        raise InputError(
            f"the depth port {port} gives a map for {image} that is not finite or has shape {inverse_depth.shape}, "
            "expected (H, W); check the model or the files."
        )
