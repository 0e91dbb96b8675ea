"""The verbs as Python functions: the same names and arguments as the commands.

Everything heavy is imported inside the functions, so that the command line answers at once.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vergence.data.buckets.anywhere import results_anywhere
from vergence.errors import InputError
from vergence.inference.ray_pieces import pieces_on_ray
from vergence.labelling import labels_export, labels_import, labels_propagate, labels_pull, labels_push, select
from vergence.preparing import convert, demo, doctor, index, recipes, scan
from vergence.runs.overrides import Overrides

__all__ = [
    "Overrides", "convert", "demo", "doctor", "evaluate", "export", "index", "labels_export", "labels_import",
    "labels_propagate", "labels_pull", "labels_push", "predict", "recipes", "report", "resume", "scan", "select",
    "serve", "train",
]  # fmt: skip


@results_anywhere(out=lambda name: "/" not in name)
def train(
    recipe: str | Path,
    out: str | Path,
    data: str | Path | None = None,
    overrides: Overrides = (),
    callbacks: "Mapping[str, Callable[..., Any]] | None" = None,
) -> Path:
    """Train a recipe into a new run folder.

    Args:
        recipe: name of a recipe, or path of a YAML file.
        out: the run folder, which must not exist yet.
        data: manifest, folder or video; the same as the setting ``frames.source``.
        overrides: settings that differ from the recipe's.
        callbacks: functions by event (step, evaluation, checkpoint, end) that are called meanwhile.

    Returns:
        The run folder.

    Raises:
        InputError: something given cannot be used.
        Interrupted: SIGINT or SIGTERM came; a checkpoint is written.
    """
    from vergence.flywheel.settings import is_flywheel
    from vergence.runs.config import load_config
    from vergence.runs.folder import RunFolder
    from vergence.training.callbacks import Callbacks
    from vergence.training.train import train as run_training

    called = Callbacks.of(callbacks)
    if is_flywheel(recipe):
        from vergence.report.flywheel_page import start_flywheel_with_pages

        if callbacks:
            raise InputError(f"{recipe} is a chain of trainings, which takes no callbacks; leave them out.")
        return start_flywheel_with_pages(recipe, Path(out), data, overrides)
    RunFolder(Path(out)).check_new()
    return run_training(load_config(recipe, overrides, data), out, callbacks=called)


@results_anywhere(run=lambda name: True)
def resume(
    run: str | Path, overrides: Overrides = (), callbacks: "Mapping[str, Callable[..., Any]] | None" = None
) -> Path:
    """Go on with a run that was stopped or killed, from its newest checkpoint to the same numbers.

    Args:
        run: the run folder, or RUN/checkpoints/step-N to go on from there; later checkpoints and rows are dropped.
        overrides: settings to change, such as ``{"train.steps": 20000}`` to train longer.
        callbacks: functions by event, see :func:`train`.
    """
    from vergence.flywheel.settings import is_flywheel_folder
    from vergence.runs.config import load_config
    from vergence.runs.folder import named_checkpoint
    from vergence.training.callbacks import Callbacks
    from vergence.training.train import train as run_training

    called = Callbacks.of(callbacks)
    folder, checkpoint = named_checkpoint(Path(run))
    folder.check_resumable()
    if is_flywheel_folder(folder.path):
        from vergence.report.flywheel_page import resume_flywheel_with_pages

        return resume_flywheel_with_pages(folder.path, overrides)
    config = load_config(folder.recipe, overrides)
    return run_training(config, folder.path, resume=True, checkpoint=checkpoint, callbacks=called)


@pieces_on_ray
@results_anywhere()
def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    protocol: str | None = None,
    split: str | None = None,
    flip: bool | None = None,
    scale: str | float | None = None,
    resolution: str | None = None,
    classes: str | None = None,
    window: str | None = None,
    overlap: float | None = None,
    json: str | Path | None = None,
    baselines: bool = True,
    per_image: bool = False,
    limit: int | None = None,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    pieces: int = 16,
    checkpoint: str | int = "last",
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score a run on labels, measured depth and poses, beside answers that ignore the picture, and no training.

    Args:
        run: run folder.
        data: manifest, folder or video; default the run's.
        protocol: of depth: eigen, improved or plain; default the run's.
        split: rows of the manifest; default the run's evaluation split; all for every row.
        flip: average with the prediction of the mirrored picture; default the run's.
        scale: of depth: median, none, or a factor on the network's unit; default the protocol's.
        resolution: where classes are compared: working (the network's size), native (the labels' own) or WIDTHxHEIGHT.
        classes: classes that are averaged: all, synthia16, synthia13, synthia16_dropped, synthia13_dropped; default
            the run's.
        window: WIDTHxHEIGHT of a box that slides over the network's input, none for whole pictures; default the run's.
        overlap: share of its side by which neighbouring windows overlap; default the run's.
        json: file of the result; default RUN/evaluation/NAME.json, by protocol and resolution.
        baselines: also score the input-free answers and the untrained network.
        per_image: also write a CSV with one row an image beside the JSON file.
        limit: at most so many images, evenly spaced.
        shard: I/N: only the I-th of N pieces of the images, from 0; when all are done, the same call without it joins
            them; default under torchrun the process's own.
        engine: local (this process) or ray (on a cluster that sees the same paths; extra cluster).
        address: of the Ray cluster; default that of RAY_ADDRESS, or one on this machine.
        pieces: into how many pieces Ray shares the work; the same in calls that are repeated.
        checkpoint: best (by its score on held-back frames during training), last, or the number of a step.
        device: auto, cpu or cuda.
    """
    from vergence.data.shards import Shard
    from vergence.evaluation.evaluate import Scoring
    from vergence.evaluation.evaluate import evaluate as run_evaluation
    from vergence.runs.checkpoint import load_run
    from vergence.runs.folder import chosen

    scoring = Scoring(protocol, scale, flip, resolution, classes, window, overlap, baselines=baselines, limit=limit)
    loaded = load_run(chosen(run, checkpoint), device)
    return run_evaluation(
        loaded, data, scoring, split, json=json, per_image=per_image, shard=Shard.of(shard), progress=progress
    )


def _no_frame(name: str) -> bool:
    """Whether a file of predictions is of no single frame: of those it is enough to know that they are there."""
    from vergence.inference.journal import FOLDERS

    return name.partition("/")[0] not in FOLDERS


@results_anywhere(out=_no_frame)
def predict(
    run: str | Path,
    input: str | Path,
    out: str | Path,
    depth: bool = True,
    array: bool = False,
    colour: bool = True,
    cloud: bool = False,
    labels: bool = True,
    overlay: bool = True,
    confidence: bool = False,
    depth_confidence: bool = False,
    min_confidence: float | None = None,
    partners: bool = False,
    tracker: bool = False,
    video: bool | None = None,
    side_by_side: bool = True,
    legend: bool = True,
    scale: str | float | None = None,
    camera_height: float | None = None,
    speed: str | float | None = None,
    poses: str | Path | None = None,
    poses_from: float | None = None,
    steady: Literal["none", "scale", "filter"] = "none",
    flip: bool = False,
    window: str | None = None,
    overlap: float | None = None,
    split: str | None = None,
    limit: int | None = None,
    batch_size: int = 4,
    field_of_view: float | None = None,
    colour_map: str = "magma",
    overwrite: bool = False,
    to: Literal["files", "rerun", "fiftyone"] = "files",
    pictures: Literal["jpeg", "png"] = "jpeg",
    precision: Literal["no", "bf16", "fp16"] = "no",
    allow_truncated: bool = False,
    shard: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    checkpoint: str | int = "last",
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Predict depth and classes of an image, a folder or a video, at the input's own resolution.

    Args:
        run: run folder, a file that export wrote, or a depth model of others: hf:NAME, FILE.onnx or onnx-depth:FILE.
        input: image, folder, video or manifest.
        out: folder of the files.
        depth: write depth as 16-bit PNG files; predictions.json says what a value means.
        array: write depth as float32 .npy files.
        colour: write inverse depth in colours.
        cloud: write coloured point clouds (PLY).
        labels: write class ids as 8-bit PNG files with a palette.
        overlay: write the pictures painted in the colours of the classes.
        confidence: write the largest probability as 8-bit PNG files.
        depth_confidence: write how far depth can be trusted as 8-bit PNG files and into clouds; twice the time.
        min_confidence: leave points out of clouds whose depth is trusted less, from 0 to 1.
        partners: predict the images of stereo partners too.
        tracker: write depth, classes, confidence and camera of each frame as one .npz file, without loss.
        video: write colour.mp4 and overlay.mp4; default for videos.
        side_by_side: the input above the colours in the video.
        legend: what the colours mean below them in the video: the range of depth, the classes that occur.
        scale: metric, truth or poses (of the frames), or a factor on the network's unit; default metres where the run
            knows them.
        camera_height: metres above level ground: one factor for all frames.
        speed: of the camera in m/s, or as 50km/h: one factor for all frames of a clip.
        poses: file of the camera's motion (KITTI, TUM, or a table of GPS or odometry): one factor for all frames.
        poses_from: time in that file at which the first frame was taken, seconds; default 0.
        steady: against flicker of videos: none, scale (each frame's scale fits the one before it) or filter (also its
            depth is blended with the last one, brought here by the run's own motion).
        flip: average with the prediction of the mirrored picture.
        window: WIDTHxHEIGHT of a box that slides over the network's input, for classes; default the run's.
        overlap: share of its side by which neighbouring windows overlap.
        split: rows of a manifest.
        limit: at most so many frames.
        batch_size: frames predicted at once.
        field_of_view: horizontal degrees, for point clouds of cameras without intrinsics.
        colour_map: of matplotlib.
        overwrite: write again what exists.
        to: rerun: also write recording.rrd: camera, picture, depth, classes, cloud and the camera's path over time.
        pictures: format of colours and overlays, which are for people; what programs read is always without loss.
        precision: what the network computes in: no (single precision), bf16, or fp16 (on a GPU).
        allow_truncated: use what can be read of a video that is damaged or cut off.
        shard: I/N: only the I-th of N pieces of the frames, from 0; when all are done, the same call without it joins
            them; default under torchrun the process's own.
        engine: local (this process) or ray (Ray Data, on a cluster that sees the same paths; extra cluster).
        address: of the Ray cluster; default that of RAY_ADDRESS, or one on this machine.
        checkpoint: best (by its score on held-back frames during training), last, or the number of a step.
        device: auto, cpu or cuda.
    """
    from vergence.data.shards import Shard
    from vergence.inference.predict import Frames, Use, Written
    from vergence.inference.predict import predict as run_prediction
    from vergence.inference.ray_engine import ray_cluster
    from vergence.runs.folder import chosen

    written = Written(
        depth, array, colour, cloud, labels, overlay, confidence, depth_confidence, min_confidence, tracker, video,
        side_by_side, legend, colour_map, field_of_view, overwrite, to, pictures,
    )  # fmt: skip
    frames = Frames(split, limit, partners, allow_truncated, Shard.of(shard))
    use = Use(
        flip, window, overlap, batch_size, scale, camera_height, speed, poses, poses_from, steady, precision,
    )  # fmt: skip
    return run_prediction(
        chosen(run, checkpoint), input, out, written, frames, use, cluster=ray_cluster(engine, address, device),
        device=device, progress=progress,
    )  # fmt: skip


@results_anywhere()
def export(
    run: str | Path,
    to: str,
    out: str | Path,
    size: str | None = None,
    batch: str | int = 1,
    input: str = "uint8",
    precision: str = "fp32",
    logits: bool = True,
    scale: str | float | None = None,
    frames: str | Path | None = None,
    tolerance: float | None = None,
    checkpoint: str | int = "last",
) -> dict[str, Any]:
    """Write a run as one file for other programs, run that file and compare it with PyTorch before it takes its place.

    Args:
        run: run folder.
        to: onnx, torch (an exported program, .pt2) or openvino (.xml, with its .bin).
        out: the file; what it says of itself also goes to OUT.json.
        size: WIDTHxHEIGHT of the pictures, any for all multiples of 32; default the run's.
        batch: pictures at once, or any.
        input: what pictures are: uint8 (0 to 255) or float (0 to 1), RGB (B, 3, H, W), not normalised.
        precision: fp32, fp16, or int8 (onnx and openvino), whose ranges are measured on real frames.
        logits: give logits beside classes and their confidence.
        scale: of depth: metric, or a factor on the network's unit; default metres where the run knows them.
        frames: image, folder, video or manifest to compare on; default the run's own data.
        tolerance: largest difference to PyTorch that is taken, as a share of a map's largest value.
        checkpoint: best (by its score on held-back frames during training), last or a step.
    """
    from vergence.exporting.export import Wanted
    from vergence.exporting.export import export as write_export
    from vergence.runs.folder import chosen

    wanted = Wanted(size, batch, input, precision, logits, scale, frames, tolerance)
    return write_export(chosen(run, checkpoint), to, out, wanted)


@results_anywhere()
def report(
    run: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    data: str | Path | None = None,
    images: int = 4,
) -> Path:
    """Write one self-contained HTML page about a run, at any time of its life, or about several beside each other.

    Args:
        run: run folder, or several.
        out: the page; default RUN/report.html, of several comparison.html in the first.
        data: manifest, folder or video to take pictures from; default the (first) run's evaluation data.
        images: how many frames to show.
    """
    from vergence.report import report as write_page

    return write_page(run, out, data, images)


@results_anywhere()
def serve(
    run: str | Path,
    port: int = 7860,
    host: str = "127.0.0.1",
    page: bool = True,
    label_studio: str | None = None,
    flip: bool = False,
    window: str | None = None,
    overlap: float | None = None,
    scale: str | float | None = None,
    checkpoint: str | int = "last",
    depth_confidence: bool = False,
    max_megabytes: float = 64.0,
    max_megapixels: float = 25.0,
    max_seconds: float = 60.0,
    max_waiting: int = 32,
    max_frames: int = 120,
    device: str = "auto",
    started: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve a model: a page to drop pictures on, and an interface for machines, until it is interrupted.

    Args:
        run: run folder or checkpoint, or a depth model of others: hf:NAME, FILE.onnx or onnx-depth:FILE.
        port: where it listens; 0 for any port that is free.
        host: address where it listens; with another than the default other machines can ask, without a password.
        page: the page for people; without it only the interface.
        label_studio: address of a Label Studio whose tasks are answered.
        flip: average with the prediction of the mirrored picture.
        window: WIDTHxHEIGHT of a box that slides over the network's input, for classes; default the run's.
        overlap: share of its side by which neighbouring windows overlap.
        scale: metric, or a factor on the network's unit; default metres where the run knows them.
        checkpoint: of a run: best, last or a step.
        depth_confidence: also say how far each pixel's depth can be trusted; every picture is looked at twice.
        max_megabytes: size of a request.
        max_megapixels: million pixels of a picture or frame.
        max_seconds: for reading a request, and for answering it.
        max_waiting: requests that may wait.
        max_frames: frames of a video on the page.
        device: auto, cpu or cuda.
        started: called with the address when the server is about to answer.

    Raises:
        InputError: the extra ``serve`` is not installed, the port is taken, or the model cannot be loaded.
    """
    from vergence.serving.limits import Limits
    from vergence.serving.server import serve as run_server

    options = {
        "device": device, "flip": flip, "window": window, "overlap": overlap, "scale": scale, "checkpoint": checkpoint,
        "depth_confidence": depth_confidence,
    }  # fmt: skip
    limits = Limits(max_megabytes, max_megapixels, max_seconds, max_waiting, max_frames)
    run_server(
        str(run), options, host=host, port=port, page=page, limits=limits, label_studio=label_studio, started=started
    )  # fmt: skip
