"""Depth and classes of images, folders and videos as files, at the input's own resolution."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import vergence
from vergence.data.atomic import check_folder_place, write_text
from vergence.data.buckets.anywhere import all_here
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import Pictures, suffix_of
from vergence.data.outputs import keep_inputs
from vergence.data.shards import Shard
from vergence.errors import InputError, nearest
from vergence.inference.class_files import ClassFiles
from vergence.inference.depth_files import SAMPLED, DepthFiles, survey
from vergence.inference.earlier_results import SIDECAR, Files
from vergence.inference.fiftyone_dataset import check_folder, write_dataset
from vergence.inference.frame_pass import Films, FramePass, write_frames
from vergence.inference.frame_streams import FrameStream, ManifestStream, VideoStream, open_stream
from vergence.inference.journal import JOURNAL
from vergence.inference.looks import Looks
from vergence.inference.networks import Precision, RunNetwork
from vergence.inference.predicted_manifest import with_partners, write_predicted
from vergence.inference.prediction import checked_confidence
from vergence.inference.predictor import Predictor, load
from vergence.inference.ray_engine import Cluster, Job, connected, write_on_ray
from vergence.inference.rerun_recording import check_rerun, write_recording
from vergence.inference.scaling import Asked
from vergence.inference.shared_prediction import Work
from vergence.inference.steady import Steadier, Steady
from vergence.inference.tracker_files import TrackerFiles, write_index
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.folder import BEST
from vergence.runs.label_port_classes import PREDICTED

Target = Literal["files", "rerun", "fiftyone"]
"""What the files of a prediction are also put into."""


@dataclass(frozen=True)
class Frames:
    """Which frames are looked at."""

    split: str | None = None
    """Rows of a manifest."""
    limit: int | None = None
    """At most so many."""
    partners: bool = False
    """Also the images of stereo partners."""
    allow_truncated: bool = False
    """Use what can be read of a video that is damaged or cut off."""
    shard: Shard | None = None
    """Write the files of this piece of the frames only; None: of all, or, where shards have been done into the same
    folder, what is one for all of them."""

    def opened(self, data: Manifest | Path | str) -> tuple[FrameStream, Manifest | None]:
        """The frames, and the manifest that names them; InputError where they cannot be read."""
        stream = open_stream(data, self.split, self.limit, self.allow_truncated)
        if isinstance(stream, ManifestStream):
            return (with_partners(stream) if self.partners else stream), stream.manifest
        if self.partners:
            raise InputError(f"{data} is a video, which has no stereo partners; leave --partners out.")
        return stream, None


@dataclass(frozen=True)
class Use:
    """How the network is used, and what its depth means."""

    flip: bool = False
    """Average with the prediction of the mirrored picture."""
    window: str | None = None
    """``WIDTHxHEIGHT`` of a box that slides over the network's input, for classes; "none" for whole pictures; default
    the run's ``evaluate.window``."""
    overlap: float | None = None
    """Share of its side by which neighbouring boxes overlap."""
    batch_size: int = 4
    scale: float | str | None = None
    """None (metres where the run knows them, else unscaled), "metric", a factor on the network's unit, "truth" (median
    over frames with measured depth), "poses" (over segments of frames with poses)."""
    camera_height: float | None = None
    """Metres above level ground; gives one factor for all frames."""
    speed: float | str | None = None
    """The camera's, metres per second or as "50km/h"; the same."""
    poses: Path | str | None = None
    """File of the camera's motion, see :func:`vergence.data.known_motion.read_motion`; the same."""
    poses_from: float | None = None
    """Time in that file at which the first frame was taken, seconds."""
    steady: Steady = "none"
    """Against flicker of videos: "scale" fits each frame's scale to the one before it, "filter" also blends depths."""
    precision: Precision = "no"
    """What the network computes in: single precision, or mixed with "bf16" or (on a GPU) "fp16"."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= (0 if self.overlap is None else self.overlap) < 1:
            raise InputError("predict needs a batch_size of 1 or more and an overlap of 0 or more, less than 1.")
        if self.steady not in get_args(Steady):
            raise InputError(f"steady is {self.steady!r}; give none, scale or filter.")
        if self.scale is not None:
            with contextlib.suppress(TypeError, ValueError):  # a factor given as a word is the same factor
                object.__setattr__(self, "scale", float(self.scale))
        Asked(self.scale, self.camera_height, self.speed, self.poses, self.poses_from)  # says what is impossible

    @property
    def asked(self) -> Asked:
        """Which scale of depth."""
        return Asked(self.scale, self.camera_height, self.speed, self.poses, self.poses_from)


@dataclass(frozen=True)
class Written:
    """Which files are written, and how."""

    depth: bool = True
    array: bool = False
    colour: bool = True
    cloud: bool = False
    labels: bool = True
    overlay: bool = True
    confidence: bool = False
    depth_confidence: bool = False
    """How far depth can be trusted: PNG files, a channel of point clouds and of tracker files; a second look."""
    min_confidence: float | None = None
    """Points of clouds whose depth is trusted less are left out."""
    tracker: bool = False
    """:class:`vergence.inference.tracker_files.TrackerFiles` and their index."""
    video: bool | None = None
    """``colour.mp4`` and ``overlay.mp4``; default for video files only."""
    side_by_side: bool = True
    """The input above the colours in the video."""
    legend: bool = True
    """What the colours mean below them in the video: the range of depth, the classes that occur."""
    colour_map: str = "magma"
    field_of_view: float | None = None
    """Horizontal degrees, for point clouds of cameras without intrinsics; default the run's guess."""
    overwrite: bool = False
    """Write again what exists, also what predict has not made."""
    to: Target = "files"
    """"rerun": also ``recording.rrd`` of all that is written, for the Rerun viewer; "fiftyone": also ``fiftyone/``, a
    data set that FiftyOne imports."""
    pictures: Pictures = "jpeg"
    """Format of what is for people: colours and overlays."""

    def __post_init__(self) -> None:
        _check_colour_map(self.colour_map)
        checked_confidence(self.min_confidence)
        suffix_of(self.pictures)
        if self.to not in get_args(Target):
            raise InputError(f"to is {self.to!r}; give {', '.join(get_args(Target)[:-1])} or {get_args(Target)[-1]}.")
        if self.to == "rerun":
            check_rerun()
        if self.min_confidence is not None and not self.cloud:
            raise InputError("min_confidence is of point clouds; give --cloud too, or leave it out.")
        degrees = self.field_of_view
        if degrees is not None and not 1 <= degrees < 180:
            raise InputError(f"field_of_view is {degrees:g}; give horizontal degrees from 1 to less than 180.")

    @property
    def looks_twice(self) -> bool:
        """Whether confidence of depth is needed."""
        return self.depth_confidence or self.min_confidence is not None

    def kinds(self, predictor: Predictor, video: bool, guess: float) -> list[Files]:
        """Their writers, of what the network predicts; ``guess`` is the field of view of unknown cameras."""
        space, files = predictor.network.label_space, list[Files]()
        if "depth" in predictor.tasks:
            colour = self.colour or video
            maps = DepthFiles(self.depth, self.array, colour, self.cloud, self.colour_map, guess)
            files.append(
                replace(maps, depth_confidence=self.depth_confidence, min_confidence=self.min_confidence,
                        pictures=self.pictures)
            )  # fmt: skip
        if space is not None:
            files.append(ClassFiles(space, self.labels, self.overlay or video, self.confidence, self.pictures))
        if self.tracker:
            files.append(TrackerFiles("depth" in predictor.tasks, space, guess, predictor.network.depth_confidence))
        return files


_FRAMES, _USE = Frames(), Use()


def predict(
    run: LoadedRun | Path | str,
    input: Manifest | Path | str,
    out: Path | str,
    written: Written | None = None,
    frames: Frames = _FRAMES,
    use: Use = _USE,
    *,
    cluster: Cluster | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict at the input's own resolution, write files below ``out``, and return what ``predictions.json`` says.

    Where the method predicts depth: ``depth/NAME.png`` holds round(depth * ``png_factor``) in 16 bits (factor 256
    where depth is in metres, KITTI's convention; where it is unscaled, the factor that fits the network's range),
    ``array/NAME.npy`` float32 depth, ``colour/NAME.jpg`` inverse depth in colours whose range is one for all frames,
    ``cloud/NAME.ply`` coloured points, ``depth_confidence/NAME.png`` the probability that depth is within a factor of
    1.25 of the truth times 255, ``colour.mp4`` the colours as a video. Where it predicts classes:
    ``labels/NAME.png`` holds their ids (8 bits, with a palette), ``overlay/NAME.jpg`` the picture painted in their
    colours, ``confidence/NAME.png`` the largest probability times 255, ``manifest.parquet`` the frames with the columns
    ``pseudo_label`` and ``confidence``, ``overlay.mp4`` the overlays as a video. For
    trackers, ``tracker/NAME.npz`` holds all of it without loss, with the camera. ``results.jsonl`` says of what each
    frame's files were made: those of the same weights, settings and picture are kept, so an interrupted call can be
    repeated; the others are made again. Files that are of no frame of the input are told, not counted.

    Args:
        input: image, folder, video, or manifest.
        cluster: frames are predicted in the actors of a Ray cluster; None: in this process. There a frame that cannot
            be read ends the call only when all others are done; ``failed`` in the record says why each is not.

    Raises:
        InputError: unreadable input, impossible scale, depth asked of a method without it, ``out`` holds files
            of the same names that are no predictions, or cannot be written; shards that are missing or do not belong
            together.
    """
    written, shard = written or Written(), frames.shard
    opened = partial(
        load, flip=use.flip, window=use.window, overlap=use.overlap, batch_size=use.batch_size,
        depth_confidence=written.looks_twice, precision=use.precision,
    )  # fmt: skip
    predictor = opened(run, device)
    (stream, data), out = frames.opened(input), Path(out)
    guess = written.field_of_view if written.field_of_view is not None else predictor.network.field_of_view
    video = stream.is_video if written.video is None else written.video
    _check_tasks(predictor, written, use)
    files = written.kinds(predictor, video, guess)
    if not any(kind.paths(out, "") for kind in files):
        raise InputError("there is nothing to write; leave one kind of file switched on.")
    made_by = predictor.network.made_by() | {
        **use.asked.made_by(), "colour_map": written.colour_map,
        "vergence": vergence.__version__, **({} if use.steady == "none" else {"steady": use.steady}),
        **({"min_confidence": written.min_confidence} if written.looks_twice else {}),
    }  # fmt: skip
    check_folder_place(out)
    if written.to == "fiftyone":
        check_folder(out)
    films = Films(out, files, stream.fps, written.side_by_side, written.legend) if video else None
    outputs = _outputs(out, stream, files, [] if films is None else films.names)
    keep_inputs(outputs, data, stream.path if isinstance(stream, VideoStream) else None)
    looks = Looks(predictor, isinstance(stream, ManifestStream) or len(stream) <= SAMPLED)
    if cluster is not None and (use.steady != "none" or not isinstance(stream, ManifestStream)):
        raise InputError("--engine ray does frames in any order: it takes no video that is one file, and no --steady.")
    if shard is not None and use.steady != "none":
        raise InputError("steady joins each frame to the one before it, across shards; leave --steady or --shard out.")
    work = Work(stream, out, files, made_by, written.overwrite, shard, elsewhere=cluster is not None)
    results = work.results
    if work.done_before:
        return results.record | {"frames": len(work.stream), "shard": str(shard)}
    record = made_by | results.of_earlier("tracker")
    if isinstance(predictor.network, RunNetwork):
        record["checkpoint"] = predictor.network.run.checkpoint
    for kind in files:
        if isinstance(kind, DepthFiles):
            record |= work.survey(kind, lambda: survey(looks, stream, use.asked, guess), use.asked.each_time)
        else:
            record |= kind.record()
    record["camera"] = "known" if stream.intrinsics_known else f"guessed from a field of view of {guess:g} degrees"
    if cluster is not None and not work.joins:
        connected(cluster.address)  # or nothing is begun
    skipped = work.begin(record, whole=use.steady != "none")
    if shard is None:
        _write_record(out, record)

    steadier = None if use.steady == "none" else Steadier(predictor.network, use.steady, guess)
    frame_pass = FramePass(predictor, steadier, looks.maps, out, files, record)
    films = None if shard else films
    failed: dict[str, str] = {}
    if cluster is None or work.joins:
        names = write_frames(frame_pass, work.stream, skipped, results, None if skipped else films, progress)
    else:
        assert isinstance(work.stream, ManifestStream)
        again = partial(opened, run, cluster.device)
        job = Job.of(again, work.stream, results, skipped, record, use.batch_size)
        names, failed = write_on_ray(job, results, cluster, progress)
        record |= {"failed": failed} if failed else {}
    record["frames"] = len(names)
    if shard is not None:
        _check_failed(failed, len(work.stream))
        work.end(len(names))
        return record | {"shard": str(shard)}
    for kind in files:
        if isinstance(kind, ClassFiles) and kind.labels and isinstance(stream, ManifestStream) and data is not None:
            record["manifest"] = write_predicted(out, data, stream, frozenset(names), kind, results.still_of).name
    if left := results.left_over(names):
        record["left_over"] = left
    if written.tracker or films is not None or written.to != "files":
        all_here(out)
    if written.tracker:
        write_index(out, stream, names, record)
    if films is not None and not failed:
        if skipped or cluster:
            films.of_files(stream, record)
        record["videos"] = [f"{name}.mp4" for name in films.names]
    if written.to == "rerun":
        record["recording"] = write_recording(out, stream, predictor.network, record, guess).name
    if written.to == "fiftyone":
        record["fiftyone"] = write_dataset(out, stream, record).name
    record |= work.told
    _write_record(out, record)
    _check_failed(failed, len(stream))
    work.end(len(names))
    return record


def _check_failed(failed: dict[str, str], frames: int) -> None:
    """InputError where some frames could not be predicted."""
    if failed:
        name, error = next(iter(sorted(failed.items())))
        raise InputError(
            f"{len(failed)} of {frames} frames could not be predicted, all others are done; correct them and give the "
            f"same command again, which makes what is missing. The first, {name}: {error}"
        )


def _outputs(out: Path, stream: FrameStream, files: list[Files], videos: list[str]) -> Iterator[Path]:
    yield from (out / name for name in (SIDECAR, JOURNAL, PREDICTED))
    yield from (out / f"{name}.mp4" for name in videos)
    for name in stream.names if isinstance(stream, ManifestStream) else ():
        yield from (path for kind in files for path in kind.paths(out, name).values())


def _check_colour_map(name: str) -> None:
    from matplotlib import colormaps

    if name not in colormaps:
        raise InputError(f"colour map {name!r} is unknown{nearest(name, list(colormaps))}; use one of matplotlib's.")


def _check_tasks(predictor: Predictor, written: Written, use: Use) -> None:
    """InputError where something was asked for that is not predicted."""
    of_depth = {
        "array": written.array, "cloud": written.cloud, "scale": use.scale, "camera_height": use.camera_height,
        "speed": use.speed, "poses": use.poses, "steady": None if use.steady == "none" else use.steady,
    }  # fmt: skip
    asked = [name for name, value in of_depth.items() if value not in (None, False)]
    if "depth" not in predictor.tasks and asked:
        raise InputError(f"{predictor.network.name} predicts no depth, so {asked[0]} is not possible; leave it out.")
    if "segmentation" not in predictor.tasks and written.confidence:
        raise InputError(f"{predictor.network.name} predicts no classes, so confidence is not possible; leave it out.")


def _write_record(out: Path, record: dict[str, Any]) -> None:
    write_text(out / SIDECAR, json.dumps(record, indent=2) + "\n")


def summary(record: dict[str, Any]) -> str:
    """One line about what was written."""
    parts = [f"shard {record['shard']}"] if "shard" in record else []
    parts.append(f"{record['frames']} frames")
    if "unit" in record:
        origin = "" if record["scale"] == record["unit"] else f" ({record['scale']})"
        parts.append(f"depth {record['unit']}{origin}")
    if "classes" in record:
        parts.append(f"{len(record['classes'])} classes of {record['label_space'].partition(':')[0]}")
    if "checkpoint" in record:
        parts.append(f"step {record['step']}" + (" (best)" if record["checkpoint"] == BEST else ""))
    return ", ".join(parts)
