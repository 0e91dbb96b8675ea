"""Predictions as a Rerun recording: camera, picture, depth, classes, cloud and the camera's path over time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.data.imaging.images import read_image
from vergence.data.measured.depth_files import read_depth_png
from vergence.data.measured.pointcloud import depth_to_points
from vergence.data.pictures import open_picture
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.pose import invert_transform, transform_from_parameters
from vergence.inference.frame_streams import Frame, FrameStream
from vergence.inference.networks import Network, RunNetwork
from vergence.inference.prediction import CLOUD_REACH

RECORDING = "recording.rrd"
_POINTS = 40_000
"""Points of a frame's cloud: more make a recording large and no clearer."""


def check_rerun() -> None:
    """InputError where Rerun is not installed."""
    _rerun()


def write_recording(out: Path, stream: FrameStream, network: Network, record: dict[str, Any], guess: float) -> Path:
    """Write ``recording.rrd`` of the files that a prediction has written.

    Args:
        out: the folder of the files.
        stream: the frames.
        network: tells the camera's motion where it learned from video.
        record: what ``predictions.json`` says.
        guess: field of view in degrees of cameras that are not known.

    Raises:
        InputError: Rerun is not installed, or the recording cannot be written.
    """
    rr = _rerun()
    path = out / RECORDING
    with writing(path) as temporary:
        recording = rr.RecordingStream("vergence", recording_id=path.resolve().parent.name)
        recording.save(temporary)
        recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Y_DOWN, static=True)
        if "classes" in record:
            classes = [rr.AnnotationInfo(one["id"], one["name"], one["colour"]) for one in record["classes"]]
            recording.log("world", rr.AnnotationContext(classes), static=True)
        travelled: list[NDArray[np.float64]] = []
        for number, (frame, pose) in enumerate(_with_poses(stream, network, float(record.get("factor", 1.0)))):
            recording.set_time("frame", sequence=number)
            recording.set_time("video", duration=number / stream.fps)
            if not frame.follows:
                travelled = []
            travelled.append(pose[:3, 3])
            _log_frame(rr, recording, out, frame, pose, record, guess)
            recording.log("world/path", rr.LineStrips3D([np.array(travelled)], colors=[(240, 138, 36)]))
        recording.flush()
        recording.disconnect()
    return path


def _log_frame(
    rr: Any, recording: Any, out: Path, frame: Frame, pose: NDArray[np.float64], record: dict[str, Any], guess: float
) -> None:
    width, height = frame.image.size
    normalised = frame.camera_or_guess(guess)
    camera = Camera.from_normalized(*normalised, width, height)
    picture = np.asarray(frame.image.convert("RGB"))
    recording.log("world/camera", rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
    recording.log(
        "world/camera/image", rr.Pinhole(image_from_camera=camera.matrix().numpy(), resolution=[width, height])
    )
    recording.log("world/camera/image", rr.Image(picture).compress(jpeg_quality=85))
    depth_file, label_file = out / "depth" / f"{frame.name}.png", out / "labels" / f"{frame.name}.png"
    sure_file = out / "depth_confidence" / f"{frame.name}.png"
    if depth_file.is_file():
        depth = read_depth_png(depth_file, record["png_factor"])
        recording.log("world/camera/image/depth", rr.DepthImage(depth, meter=1.0))
        known = depth[depth > 0]
        farthest = CLOUD_REACH * float(np.median(known)) if known.size else None
        cloud = depth_to_points(depth, normalised, picture, farthest)
        step = max(1, len(cloud.points) // _POINTS)
        colours = None if cloud.colours is None else cloud.colours[::step]
        recording.log("world/camera/cloud", rr.Points3D(cloud.points[::step], colors=colours))
    if label_file.is_file():
        recording.log("world/camera/image/classes", rr.SegmentationImage(np.asarray(open_picture(label_file))))
    if sure_file.is_file():
        recording.log("depth_confidence", rr.Image(np.asarray(read_image(sure_file))).compress(jpeg_quality=85))


def _with_poses(stream: FrameStream, network: Network, factor: float) -> Iterator[tuple[Frame, NDArray[np.float64]]]:
    """Frames in order, each with its camera-to-world transform; the first of a clip is the world."""
    motion = _motion_of(network, factor)
    pose, last = np.eye(4), None
    for frame in stream.frames():
        prepared = network.prepare(frame.image) if motion is not None else None
        same = last is not None and prepared is not None and last.shape == prepared.shape
        if not frame.follows or motion is None or not same:
            pose = np.eye(4)
        else:
            pose = pose @ motion(last, prepared)
        last = prepared
        yield frame, pose


def _motion_of(network: Network, factor: float) -> Callable[[Any, Any], NDArray[np.float64]] | None:
    """Two prepared pictures to the transform of points of the later camera to the earlier one's; None without pose
    network."""
    pose: Any = getattr(getattr(network, "method", None), "pose", None)
    if not isinstance(network, RunNetwork) or pose is None:
        return None

    @torch.no_grad()
    def motion(before: Any, now: Any) -> NDArray[np.float64]:
        images = network.images([before, now])
        axis_angle, translation, *_ = pose(images[None])
        transform = transform_from_parameters(axis_angle.double(), translation.double() * factor).reshape(4, 4)
        return invert_transform(transform).cpu().numpy()

    return motion


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise InputError(
            "--to rerun needs the Rerun SDK, which is not installed; pip install 'vergence[rerun]'."
        ) from error
    return rerun
