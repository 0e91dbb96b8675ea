"""Whether a depth run learned from video of the camera that labels are carried by."""

import math
from collections.abc import Iterable
from pathlib import Path

from vergence.data.buckets.remote import given
from vergence.data.frame_options import FrameOptions
from vergence.data.frame_reader import placement
from vergence.data.manifest import Manifest
from vergence.data.pictures import picture_size
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.runs.checkpoint import LoadedRun

CLEARLY = 1.25
"""Ratio of focal lengths above which two cameras are not the same one calibrated twice."""

Angles = tuple[float, float]
"""Fields of view of the frames that a network sees, degrees across and down."""


def other_camera(run: LoadedRun, manifest: Manifest, rows: Iterable[int], field_of_view: float) -> str:
    """How the camera of the rows clearly differs from all that a run learned from; "" where it does not.

    Compared are fields of view across and down of the frames as the run's network sees them, so another aspect shows,
    too. Nothing is said where the run's training frames are gone, or where it learned the cameras itself.

    Args:
        field_of_view: horizontal degrees that are taken for rows without intrinsics.
    """
    learned = _learned(run)
    for here in _cameras(manifest, rows, run.config.frames.options, field_of_view) if learned else ():
        nearest = min(learned, key=lambda there: _ratio(here, there))
        if _ratio(here, nearest) > CLEARLY:
            return (
                f"{run.path} learned from a camera that sees {_said(nearest)}, and frames of {manifest.name} see "
                f"{_said(here)}"
            )
    return ""


def _learned(run: LoadedRun) -> list[Angles]:
    """Cameras of the training frames, as far as they are told and still there."""
    frames, data = run.config.frames, str(run.config.frames.source or "")
    learned_by_itself = getattr(run.method, "intrinsics_head", None) is not None
    if learned_by_itself or Path(data).suffix.lower() not in (".parquet", ".csv"):
        return []
    try:
        manifest = Manifest.read(given(data)).select(frames.train_split)
        return _cameras(manifest, range(len(manifest)), frames.options, frames.options.field_of_view)
    except InputError:  # no frames of training are asked for here
        return []


def _cameras(manifest: Manifest, rows: Iterable[int], options: FrameOptions, guess: float) -> list[Angles]:
    """The different cameras of rows."""
    different: dict[tuple[float | str, ...], int] = {}
    for index in rows:
        row = manifest[index]
        different.setdefault((row.fx, row.fy, row.width, row.height) if row.intrinsics_known else
                             (row.width, row.height, row.sequence, row.camera), index)  # fmt: skip
    angles = []
    for index in different.values():
        row = manifest[index]
        width, height = (row.width, row.height) if row.width else picture_size(manifest.path(index))
        camera = (
            Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, width, height)
            if row.intrinsics_known
            else Camera.from_field_of_view(guess, width, height)
        )
        fx, fy, *_ = placement(options, (height, width)).camera(camera).normalized()
        angles.append((_angle(fx), _angle(fy)))
    return angles


def _angle(focal: float) -> float:
    return math.degrees(2 * math.atan(0.5 / focal))


def _ratio(one: Angles, other: Angles) -> float:
    """The larger ratio of their focal lengths."""
    logs = (
        math.log(math.tan(math.radians(a / 2)) / math.tan(math.radians(b / 2))) for a, b in zip(one, other, strict=True)
    )
    return math.exp(max(abs(value) for value in logs))


def _said(angles: Angles) -> str:
    return f"{angles[0]:.0f} degrees across and {angles[1]:.0f} down"
