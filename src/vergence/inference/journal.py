"""What each frame's results were made of, so that those of other weights, settings or pictures are made again."""

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vergence.data.atomic import appending, write_text
from vergence.data.buckets.anywhere import size_of
from vergence.data.digests import file_digest, text_digest
from vergence.data.imaging.deep_pictures import range_mark
from vergence.data.lenses import lens_mark
from vergence.data.structured import iter_json_lines
from vergence.errors import InputError
from vergence.inference.frame_streams import FrameStream, ManifestStream, NormalisedCamera
from vergence.inference.inputs import prefetched

JOURNAL = "results.jsonl"
FOLDERS = ("depth", "array", "colour", "cloud", "depth_confidence", "labels", "overlay", "confidence", "tracker")
_RESULTS = (".png", ".jpg", ".npy", ".ply", ".npz")

Paths = Callable[[str], Collection[Path]]
"""A frame's name to the files that are asked for."""


@dataclass(frozen=True)
class Origin:
    """What one frame's results are made of: all that could change them."""

    made: str
    """Digest of weights and settings."""
    scale: str
    """Digest of the scale and the colours that are one for all frames; "" for classes alone."""
    camera: str
    picture: str
    """Digest of the file's content."""


@dataclass
class Entry:
    """A line of the journal."""

    origin: Origin
    files: dict[str, int] = field(default_factory=dict)
    """Sizes in bytes by path below the folder."""


class Journal:
    """``results.jsonl`` of a folder of predictions, one line a frame; the last line of a name counts.

    A frame's line is taken out before its files are touched, and written when they are whole. Lines that cannot be
    read count as absent.

    Args:
        path: where it is written; default in the folder, whose lines count beside those of another place.
        others: journals that are read, too; the later ones count.
        names: of the frames that it is about, default all: a shard says nothing of frames that others make meanwhile.

    Raises:
        InputError: a journal is there and cannot be read.
    """

    def __init__(
        self, out: Path, path: Path | None = None, others: Sequence[Path] = (), names: Collection[str] | None = None
    ) -> None:
        self.out, self.path = out, path or out / JOURNAL
        self.entries: dict[str, Entry] = {}
        for file in dict.fromkeys((out / JOURNAL, self.path, *others)):
            self.entries |= {name: entry for name, entry in _read(file) if names is None or name in names}

    def write(self) -> None:
        """Write all lines."""
        write_text(self.path, "".join(_line(name, entry) for name, entry in self.entries.items()))

    def right(self, name: str, origin: Origin, paths: Paths) -> bool:
        """Whether the files of a frame are there, whole, and of this origin."""
        entry = self.entries.get(name)
        if entry is None or entry.origin != origin:
            return False
        return all(self._size(path) == entry.files.get(self._relative(path), -1) for path in paths(name))

    def picture_of(self, file: Path, made: str) -> str | None:
        """The digest of the picture that a file was made of by these weights and settings, or None."""
        relative = self._relative(file)
        for entry in self.entries.values():
            if entry.origin.made == made and entry.files.get(relative) == self._size(file):
                return entry.origin.picture
        return None

    def forget(self, names: Collection[str]) -> None:
        """Take out the lines of frames whose files are about to be written; those of other kinds go with them."""
        if gone := [name for name in names if name in self.entries]:
            for name in gone:
                del self.entries[name]
            self.write()

    def add(self, name: str, origin: Origin, earlier: Entry | None, paths: Paths) -> None:
        """Write a frame's line; files of other kinds that an ``earlier`` call made of the same stay listed."""
        files = dict(earlier.files) if earlier is not None and earlier.origin == origin else {}
        files |= {self._relative(path): self._size(path) for path in paths(name)}
        self.entries[name] = Entry(origin, files)
        try:
            with appending(self.path) as file:
                file.write(_line(name, self.entries[name]))
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}); free some space.") from error

    def left_over(self, names: Collection[str]) -> list[Path]:
        """Result files in the folder that are of none of the frames, or of something earlier."""
        known = {path for name in names if name in self.entries for path in self.entries[name].files}
        files = (file for folder in FOLDERS for file in sorted((self.out / folder).rglob("*")))
        return [
            file
            for file in files
            if file.suffix in _RESULTS and not file.name.startswith(".") and self._relative(file) not in known
        ]

    def _relative(self, path: Path) -> str:
        return path.absolute().relative_to(self.out.absolute()).as_posix()

    @staticmethod
    def _size(path: Path) -> int:
        size = size_of(path)
        return -2 if size is None else size


def _read(path: Path) -> Iterator[tuple[str, Entry]]:
    if not os.path.exists(path):
        return
    for values in iter_json_lines(path, "restore it, or remove it and all of it is made again"):
        try:
            name, files = values["name"], values["files"]
            origin = Origin(*(str(values[key]) for key in ("made", "scale", "camera", "picture")))
            yield str(name), Entry(origin, {str(file): int(size) for file, size in files.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


def _line(name: str, entry: Entry) -> str:
    return json.dumps({"name": name, **vars(entry.origin), "files": entry.files}) + "\n"


def picture_digests(stream: FrameStream) -> dict[str, tuple[str, str]]:
    """Digest of the picture, and camera, by the frame's name; of a video of all frames together, under ``""``."""
    if not isinstance(stream, ManifestStream):
        return {"": (file_digest(stream.path), _camera(stream.camera))}
    rows = list(zip(stream.names, stream.indices, strict=True))
    digests = prefetched(lambda row: picture_digest(stream.manifest.path(row[1])), rows)
    return {name: (digest, _camera_of_row(stream, index)) for (name, index), digest in digests}


def cameras(stream: ManifestStream) -> dict[str, str]:
    """What a journal says of the camera, by the frame's name."""
    return {name: _camera_of_row(stream, index) for name, index in zip(stream.names, stream.indices, strict=True)}


def survey_digest(record: dict[str, Any]) -> str:
    """Digest of what is one for all frames of depth; "" where there is none."""
    return (
        text_digest(json.dumps([record["factor"], record["png_factor"], record["colour"]]))
        if "factor" in record
        else ""
    )


def picture_digest(path: Path) -> str:
    """Digest of a picture's file, and how it is scaled where its file does not say it."""
    return "|".join(filter(None, (file_digest(path), range_mark(path))))


def _camera_of_row(stream: ManifestStream, index: int) -> str:
    """The camera, and the lens that the picture is straightened by."""
    return _camera(stream.camera_of(index)) + lens_mark(stream.manifest[index])


def _camera(camera: NormalisedCamera | None) -> str:
    return "" if camera is None else ",".join(f"{value:.9g}" for value in camera)
