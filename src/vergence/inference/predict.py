"""Depth and classes of images, folders and videos as files, at the input's own resolution."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vergence
from vergence.data.atomic import write_text
from vergence.data.images import read_image
from vergence.data.manifest import Manifest
from vergence.data.video_writer import write_video
from vergence.errors import InputError, nearest
from vergence.inference.class_files import ClassFiles
from vergence.inference.depth_files import DepthFiles, survey
from vergence.inference.earlier_results import SIDECAR, Files, Results
from vergence.inference.frame_sources import Frame, ManifestSource, Source, open_source
from vergence.inference.inputs import prefetched
from vergence.inference.predicted_manifest import with_partners, write_predicted
from vergence.inference.predictor import Predictor, load
from vergence.inference.tracker_files import TrackerFiles, write_index
from vergence.runs.checkpoint import LoadedRun

Progress = Callable[[int, int], None]


def predict(
    run: LoadedRun | Path | str,
    input: Manifest | Path | str,
    out: Path | str,
    *,
    depth: bool = True,
    array: bool = False,
    colour: bool = True,
    cloud: bool = False,
    labels: bool = True,
    overlay: bool = True,
    confidence: bool = False,
    partners: bool = False,
    tracker: bool = False,
    video: bool | None = None,
    side_by_side: bool = True,
    scale: float | str | None = None,
    camera_height: float | None = None,
    flip: bool = False,
    window: str | None = None,
    overlap: float | None = None,
    split: str | None = None,
    limit: int | None = None,
    batch_size: int = 4,
    field_of_view: float | None = None,
    colour_map: str = "magma",
    overwrite: bool = False,
    allow_truncated: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict at the input's own resolution, write files below ``out``, and return what ``predictions.json`` says.

    Where the method predicts depth: ``depth/NAME.png`` holds round(depth * ``png_factor``) in 16 bits (factor 256
    where depth is in metres, KITTI's convention; where it is unscaled, the factor that fits the network's range),
    ``array/NAME.npy`` float32 depth, ``colour/NAME.png`` inverse depth in colours whose range is one for all frames,
    ``cloud/NAME.ply`` coloured points, ``colour.mp4`` the colours as a video. Where it predicts classes:
    ``labels/NAME.png`` holds their ids (8 bits, with a palette), ``overlay/NAME.png`` the picture painted in their
    colours, ``confidence/NAME.png`` the largest probability times 255, ``manifest.parquet`` the frames with the columns
    ``pseudo_label`` and ``confidence``, ``overlay.mp4`` the overlays as a video. For
    trackers, ``tracker/NAME.npz`` holds all of it without loss, with the camera. ``results.jsonl`` says of what each
    frame's files were made: those of the same weights, settings and picture are kept, so an interrupted call can be
    repeated; the others are made again. Files that are of no frame of the input are told, not counted.

    Args:
        input: image, folder, video, or manifest.
        depth, array, colour, cloud: which files of depth to write.
        labels, overlay, confidence: which files of classes to write.
        partners: predict the images of stereo partners too.
        tracker: write :class:`vergence.inference.tracker_files.TrackerFiles` and their index.
        video: write ``colour.mp4`` and ``overlay.mp4``; default for video files only.
        side_by_side: the input above the colours in the video.
        scale: None (metres where the run knows them, else unscaled), "metric", a factor on the network's unit, "truth"
            (median over frames with measured depth).
        camera_height: metres above level ground; gives one factor for all frames.
        flip: average with the prediction of the mirrored picture.
        window: ``WIDTHxHEIGHT`` of a box that slides over the network's input, for classes; "none" for whole pictures;
            default the run's ``evaluate.window``. ``overlap`` is the share of its side by which neighbours overlap.
        field_of_view: horizontal degrees, for point clouds of cameras without intrinsics; default the run's guess.
        overwrite: write again what exists, also what predict has not made.
        allow_truncated: use what can be read of a video that is damaged or cut off.

    Raises:
        InputError: unreadable input, impossible scale, depth asked of a method without it, ``out`` holds files
            of the same names that are no predictions, or cannot be written.
    """
    _check_colour_map(colour_map)
    scale = _number(scale)
    if batch_size < 1 or not 0 <= (0 if overlap is None else overlap) < 1:
        raise InputError("predict needs a batch_size of 1 or more and an overlap of 0 or more, less than 1.")
    if field_of_view is not None and not 1 <= field_of_view < 180:
        raise InputError(f"field_of_view is {field_of_view:g}; give horizontal degrees from 1 to less than 180.")
    predictor = load(run, device, flip=flip, window=window, overlap=overlap, batch_size=batch_size)
    network, space = predictor.network, predictor.network.label_space
    source, out = open_source(input, split, limit, allow_truncated), Path(out)
    data = source.manifest if isinstance(source, ManifestSource) else None
    if partners:
        if not isinstance(source, ManifestSource):
            raise InputError(f"{input} is a video, which has no stereo partners; leave --partners out.")
        source = with_partners(source)
    guess = field_of_view if field_of_view is not None else network.field_of_view
    video = source.is_video if video is None else video
    _check_tasks(
        predictor, {"array": array, "cloud": cloud, "scale": scale, "camera_height": camera_height}, confidence
    )
    files: list[Files] = []
    if "depth" in predictor.tasks:
        files.append(DepthFiles(depth, array, colour or video, cloud, colour_map, guess))
    if space is not None:
        files.append(ClassFiles(space, labels, overlay or video, confidence))
    if tracker:
        files.append(TrackerFiles("depth" in predictor.tasks, space, guess))
    if not any(kind.paths(out, "") for kind in files):
        raise InputError("there is nothing to write; leave one kind of file switched on.")
    made_by = network.made_by() | {
        "scale_asked": scale, "camera_height": camera_height, "colour_map": colour_map,
        "vergence": vergence.__version__,
    }  # fmt: skip
    results = Results(source, out, files, made_by, overwrite)
    record = made_by | results.of_earlier("tracker")
    for kind in files:
        if isinstance(kind, DepthFiles):
            record |= results.earlier_survey(kind) or {
                **survey(predictor, source, scale, camera_height, guess), "surveyed": results.looked_at,
            }  # fmt: skip
        else:
            record |= kind.record()
    record["camera"] = "known" if source.intrinsics_known else f"guessed from a field of view of {guess:g} degrees"
    skipped = results.begin(record)
    _write_record(out, record)

    names = _write_frames(predictor, source, out, files, record, skipped, results, progress)
    record["frames"] = len(names)
    for kind in files:
        if isinstance(kind, ClassFiles) and kind.labels and isinstance(source, ManifestSource) and data is not None:
            record["manifest"] = write_predicted(out, data, source, frozenset(names), kind, results.still_of).name
    if left := results.left_over(names):
        record["left_over"] = left
    if tracker:
        write_index(out, source, names, record)
    if video:
        shown = [kind for kind in files if kind.picture]
        for kind in shown:
            pictures = _video_pictures(source, out / kind.picture, side_by_side)
            write_video(out / f"{kind.picture}.mp4", pictures, source.fps)
        record["videos"] = [f"{kind.picture}.mp4" for kind in shown]
    _write_record(out, record)
    return record


def _check_colour_map(name: str) -> None:
    from matplotlib import colormaps

    if name not in colormaps:
        raise InputError(f"colour map {name!r} is unknown{nearest(name, list(colormaps))}; use one of matplotlib's.")


def _check_tasks(predictor: Predictor, of_depth: dict[str, Any], confidence: bool) -> None:
    """InputError where something was asked for that is not predicted."""
    asked = [name for name, value in of_depth.items() if value not in (None, False)]
    if "depth" not in predictor.tasks and asked:
        raise InputError(f"{predictor.network.name} predicts no depth, so {asked[0]} is not possible; leave it out.")
    if "segmentation" not in predictor.tasks and confidence:
        raise InputError(f"{predictor.network.name} predicts no classes, so confidence is not possible; leave it out.")


def _number(scale: float | str | None) -> float | str | None:
    """A factor given as a word, as on a command line, is the same factor."""
    if scale is not None:
        with contextlib.suppress(TypeError, ValueError):
            return float(scale)
    return scale


def _write_record(out: Path, record: dict[str, Any]) -> None:
    write_text(out / SIDECAR, json.dumps(record, indent=2) + "\n")


def _write_frames(
    predictor: Predictor, source: Source, out: Path, files: list[Files], record: dict[str, Any],
    skipped: frozenset[str], results: Results, progress: Progress | None,
) -> list[str]:  # fmt: skip
    """Predict and write frame after frame; gives the names of all frames, written now or before."""
    names = sorted(skipped)

    def predicted() -> Iterator[tuple[Frame, list[Any]]]:
        frames = ((frame, predictor.network.prepare(frame.image)) for frame in source.frames(skipped))
        for frame, maps in predictor.looked_at(frames):
            yield frame, [kind.prepare(frame, maps) for kind in files]

    def write(pair: tuple[Frame, list[Any]]) -> None:
        for kind, found in zip(files, pair[1], strict=True):
            kind.write(pair[0], found, out, record)

    for (frame, _), _ in prefetched(write, predicted(), ahead=4):
        results.written(frame.name)
        names.append(frame.name)
        if progress is not None:
            progress(len(names), max(len(source), len(names)))
    return names


def _video_pictures(source: Source, folder: Path, side_by_side: bool) -> Iterator[NDArray[np.uint8]]:
    """The coloured pictures in order, each below its input; read from disk, so frames of an earlier call are in."""
    for frame in source.frames():
        colours = read_image(folder / f"{frame.name}.png")
        yield np.concatenate((np.asarray(frame.image), colours)) if side_by_side else colours


def summary(record: dict[str, Any]) -> str:
    """One line about what was written."""
    found = [f"{record['frames']} frames"]
    if "unit" in record:
        origin = "" if record["scale"] == record["unit"] else f" ({record['scale']})"
        found.append(f"depth {record['unit']}{origin}")
    if "classes" in record:
        found.append(f"{len(record['classes'])} classes of {record['label_space'].partition(':')[0]}")
    return ", ".join(found)
