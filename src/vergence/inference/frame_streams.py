"""What a prediction looks at: an image, a folder, a manifest, or a video that is read as a stream."""

import math
import re
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.buckets.remote import given
from vergence.data.imaging.images import frame_depth, open_frame
from vergence.data.layouts import resolve_input
from vergence.data.layouts.files import VIDEO_SUFFIXES, list_files
from vergence.data.layouts.intrinsics import UNKNOWN, read_intrinsics
from vergence.data.layouts.maps import bare, sort_pictures
from vergence.data.lenses import straight_image
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.split_rows import ALL, has_splits, in_split
from vergence.data.videos.video import VideoOptions, read_video
from vergence.data.videos.video_times import video_times
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.inference.inputs import evenly_spaced, prefetched

NormalisedCamera = tuple[float, float, float, float]
_DEFAULT_FPS = 10.0


@dataclass(frozen=True)
class Frame:
    """One picture to predict: where its results go (a relative path without suffix), and its camera if known."""

    name: str
    image: Image.Image
    camera: NormalisedCamera | None = None
    truth: NDArray[np.float32] | None = None
    """(H, W) metres, 0 = none; only where it was asked for."""
    follows: bool = False
    """Whether it is the next moment after the frame that came before it."""

    def camera_or_guess(self, field_of_view: float) -> NormalisedCamera:
        """Normalised intrinsics, guessed from a horizontal field of view in degrees where they are unknown."""
        if self.camera is not None:
            return self.camera
        return Camera.from_field_of_view(field_of_view, self.image.width, self.image.height).normalized()


class ManifestStream:
    """Frames of a manifest."""

    is_video = False

    def __init__(self, manifest: Manifest, limit: int | None = None) -> None:
        self.manifest = manifest
        self.indices = evenly_spaced(range(len(manifest)), limit)
        self.names = names_of([manifest[index] for index in self.indices])
        self.intrinsics_known = all(manifest[index].intrinsics_known for index in self.indices)
        rates = [manifest[index].rate for index in self.indices]
        self.fps = next((rate for rate in rates if rate), _DEFAULT_FPS)
        self.unread: dict[str, str] | None = None
        """Where this is a dict, a sample leaves out frames that cannot be read, and says here of each why."""

    def __len__(self) -> int:
        return len(self.indices)

    def piece(self, numbers: Iterable[int]) -> "ManifestStream":
        """Some of the frames, by their places here, under the same names."""
        piece, chosen = copy(self), list(numbers)
        piece.indices = [self.indices[number] for number in chosen]
        piece.names = [self.names[number] for number in chosen]
        return piece

    def frames(self, skip: frozenset[str] = frozenset()) -> Iterator[Frame]:
        """The frames in order, without those of the given names; InputError where one cannot be read."""
        wanted = [index for index, name in enumerate(self.names) if name not in skip]
        for _, frame in prefetched(self._load, wanted, ahead=4):
            yield frame

    def sample(self, most: int, truth: bool = False) -> Iterator[Frame]:
        """At most ``most`` frames, evenly spaced; with ``truth`` only those with measured depth, and it beside them."""
        truths = [
            k for k, i in enumerate(self.indices) if not truth or self.manifest[i].depth or self.manifest[i].disparity
        ]
        for _, frame in prefetched(lambda number: self._sampled(number, truth), evenly_spaced(truths, most), ahead=4):
            if frame is not None:
                yield frame

    def _sampled(self, number: int, truth: bool) -> Frame | None:
        try:
            return self._load(number, truth)
        except InputError as error:
            if self.unread is None:
                raise
            self.unread[self.names[number]] = str(error)
            return None

    def _load(self, number: int, truth: bool = False) -> Frame:
        index = self.indices[number]
        depth = frame_depth(self.manifest, index) if truth else None
        picture, camera = open_frame(self.manifest, index), self.camera_of(index)
        return Frame(self.names[number], picture, camera, depth, self._follows(number))

    def _follows(self, number: int) -> bool:
        before = self.manifest.neighbour(self.indices[number], -1)
        return number > 0 and before is not None and before == self.indices[number - 1]

    def camera_of(self, index: int) -> NormalisedCamera | None:
        """The camera of a row of the manifest, if it is known."""
        row = self.manifest[index]
        return (row.fx, row.fy, row.cx, row.cy) if row.intrinsics_known else None


class VideoStream:
    """Frames of a video file, decoded as they are needed, at the video's own size."""

    is_video = True

    def __init__(self, path: Path, limit: int | None = None, allow_truncated: bool = False) -> None:
        self.path, self.limit, self.allow_truncated = path, limit, allow_truncated
        beside = path.with_suffix(".json")
        camera = read_intrinsics(beside) if beside.is_file() else None
        self.camera = (camera.fx, camera.fy, camera.cx, camera.cy) if camera is not None and camera.known else None
        self._straight = UNKNOWN if camera is None else camera
        self.intrinsics_known = self.camera is not None
        times = video_times(path)
        self.expected = max(1, times.frames)
        self.rate = times.fps
        """Frames/s, NaN where the file does not say."""
        self.fps = _DEFAULT_FPS if math.isnan(times.fps) else times.fps

    def __len__(self) -> int:
        return self.expected if self.limit is None else min(self.limit, self.expected)

    def timed(self, stride: int = 1) -> Iterator[tuple[Image.Image, int]]:
        """Frames at every so many steps of the clock, each with the number of the step; see ``read_video``."""
        row = self._straight.onto(FrameRow(self.path.name, self.path.stem, 0))
        options = VideoOptions(width=0, stride=stride, allow_truncated=self.allow_truncated)
        for image, position in read_video(self.path, options):
            yield straight_image(row, image), position

    def frames(self, skip: frozenset[str] = frozenset()) -> Iterator[Frame]:
        """The frames in order; those to be skipped are decoded and dropped."""
        before: int | None = None
        for number, (image, position) in enumerate(self.timed()):
            if self.limit is not None and number >= self.limit:
                return
            name = f"{number:06d}"
            if name not in skip:
                yield Frame(name, image, self.camera, follows=before is not None and position == before + 1)
            before = position

    def sample(self, most: int, truth: bool = False) -> Iterator[Frame]:
        """At most ``most`` frames, evenly spaced; none with ``truth``, a video file has no measured depth."""
        if truth:
            return
        stride = max(1, math.ceil(len(self) / most))
        for number, (image, _) in enumerate(self.timed(stride)):
            if number >= most or (self.limit is not None and number * stride >= self.limit):
                return
            yield Frame(f"{number * stride:06d}", image, self.camera)


FrameStream = ManifestStream | VideoStream


def open_stream(
    data: Manifest | Path | str, split: str | None = None, limit: int | None = None, allow_truncated: bool = False
) -> FrameStream:
    """What the user gave, as frames; InputError where it is nothing that can be read.

    ``allow_truncated``: use what can be read of a video that is damaged or cut off.
    """
    if isinstance(data, Manifest):
        manifest = data
    else:
        path = given(data)
        if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
            if split not in (None, ALL):
                raise InputError(f"{path} is a video, which has no splits; leave --split out.")
            return VideoStream(path, limit, allow_truncated)
        manifest = resolve_input(_only_picture(path) or path, False, allow_truncated)
    if split not in (None, ALL) and len(manifest) and not has_splits(manifest):
        raise InputError(f"{manifest.name} has no splits, so none is {split!r}; leave --split out.")
    manifest = in_split(manifest, split)
    if len(manifest) == 0:
        raise InputError(f"{manifest.name} has no frames to predict; give another input.")
    return ManifestStream(manifest, limit)


def _only_picture(path: Path) -> Path | None:
    """The one picture of a folder, beside which there may be maps of it; None where there are more."""
    if len({bare(Path(name).stem) for name in list_files(path)}) != 1:
        return None
    frames = [path / name for name in sort_pictures(path).frames.get(path, [])]
    return frames[0] if len(frames) == 1 else None


def names_of(rows: list[FrameRow]) -> list[str]:
    """A relative path for each row's results, no two alike, not even where capital letters do not count.

    That of its image without suffix if all images lie below the root, with suffix where one picture is there in two
    forms, else its place in time.
    """
    paths = [PurePosixPath(row.image.replace("\\", "/")) for row in rows]
    below = not any(path.is_absolute() or ".." in path.parts for path in paths)
    timed = [f"{_safe(row.sequence)}/{_safe(row.camera)}/{row.position:06d}".replace("//", "/") for row in rows]
    candidates = [[str(path.with_suffix("")) for path in paths], [str(path) for path in paths]] if below else []
    for names in (*candidates, [name.lstrip("/") for name in timed]):
        if len({name.casefold() for name in names}) == len(names):
            return names
    return [f"{name.lstrip('/')}-{number:06d}" for number, name in enumerate(timed)]


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip(".")
