"""Which results of an earlier call stay: those of the same weights, settings and pictures, and no others."""

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from vergence.data.digests import text_digest
from vergence.data.structured import read_json
from vergence.errors import InputError
from vergence.inference.class_files import ClassFiles
from vergence.inference.depth_files import SAMPLED, DepthFiles
from vergence.inference.frame_streams import FrameStream, ManifestStream
from vergence.inference.inputs import evenly_spaced
from vergence.inference.journal import Entry, Journal, Origin, picture_digest, picture_digests, survey_digest
from vergence.inference.tracker_files import TrackerFiles

_log = logging.getLogger("vergence")

SIDECAR = "predictions.json"
Files = DepthFiles | ClassFiles | TrackerFiles
_VIDEO = ""
"""The name under which the digest of a video stands."""


class Results:
    """The results of a call, and what of an earlier one can stay. Building it reads only.

    Args:
        source: the frames.
        out: folder of the results.
        files: which are asked for.
        made_by: weights and settings.
        overwrite: nothing stays.
        journal: of the results; default the folder's.
        known: what is there is known to be of predict.
        pictures: digest and camera of each frame, by name, where they need not be found.

    Raises:
        InputError: files of the same names are there that predict has not made; ``predictions.json`` is broken; a
            picture is missing.
    """

    def __init__(
        self, stream: FrameStream, out: Path, files: list[Files], made_by: dict[str, Any], overwrite: bool,
        journal: Journal | None = None, known: bool = False, pictures: dict[str, tuple[str, str]] | None = None,
    ) -> None:  # fmt: skip
        self.stream, self.out, self.files, self.overwrite = stream, out, files, overwrite
        self.made_by = made_by
        self.made = text_digest(json.dumps(made_by, sort_keys=True))
        self.record = {} if overwrite else _record(out)
        if not (self.record or overwrite or known):
            self._refuse_foreign()
        self.pictures = picture_digests(stream) if pictures is None else pictures
        self.journal = journal or Journal(out)
        names = list(self.pictures)
        self.looked_at = {name: self.pictures[name][0] for name in evenly_spaced(names, SAMPLED)}
        self.same = all(self.record.get(key) == value for key, value in made_by.items())
        """Whether the earlier call had the same weights and settings."""
        self._scale = ""
        self._earlier: dict[str, Entry] = {}

    def earlier_survey(self, kind: DepthFiles) -> dict[str, Any] | None:
        """Scale and colours of the earlier call, where its settings are the same and the pictures they are from are
        all among these, unchanged."""
        looked_at = self.record.get("surveyed")
        if not self.same or not isinstance(looked_at, dict):
            return None
        now = {name: self.pictures.get(name, ("",))[0] for name in looked_at} | self.looked_at
        if any(now[name] != digest for name, digest in looked_at.items()):
            return None
        keys = (*kind.told, "unit", "scale", "png", "surveyed")
        return {key: self.record[key] for key in keys} if all(key in self.record for key in keys) else None

    def of_earlier(self, key: str) -> dict[str, Any]:
        """A value of the earlier call's record, where its weights and settings are the same."""
        return {key: self.record[key]} if self.same and key in self.record else {}

    def all_right(self) -> bool:
        """Whether the earlier call has left all frames, as they would be made now."""
        self._scale = survey_digest(self.record)
        return all(self.journal.right(name, self._origin(name), self.paths) for name in self.pictures)

    def begin(self, record: dict[str, Any], whole: bool = False) -> frozenset[str]:
        """Names of the frames that stay; the journal's lines of all others are taken out before files are touched.

        Args:
            whole: all stay or none, because each frame depends on those before it.
        """
        self._scale = survey_digest(record)
        known = self.journal.entries if self.stream.is_video else self.pictures
        names = [name for name in known if self._wanted(name)]
        right = [
            name for name in names if not self.overwrite and self.journal.right(name, self._origin(name), self.paths)
        ]
        if whole and (self.stream.is_video or len(right) < len(names)):
            right = []
        again = [name for name in names if name in self.journal.entries and name not in set(right)]
        self._earlier = {name: self.journal.entries[name] for name in again}
        differing = [name for name in again if self._earlier[name].origin != self._origin(name)]
        if differing:
            _log.warning(
                "%s holds results of %d frames that are of other weights, settings or pictures (first %s): they are "
                "made again", self.out, len(differing), differing[0],
            )  # fmt: skip
        self.journal.forget(again)
        return frozenset(right)

    def written(self, name: str, picture: str | None = None) -> None:
        """The files of a frame are whole; ``picture`` is its digest, where that was found meanwhile."""
        if picture is not None:
            self.pictures[name] = (picture, self.pictures[name][1])
        self.journal.add(name, self._origin(name), self._earlier.get(name), self.paths)

    def left_over(self, names: Collection[str]) -> int:
        """How many files in the folder are of no frame of this call; they are told."""
        left = self.journal.left_over(names)
        if left:
            _log.warning(
                "%s also holds %d files of earlier predictions that this call does not make (first %s): they are not "
                "counted, and predictions.json is not about them; remove them, or give another folder",
                self.out, len(left), left[0].relative_to(self.out),
            )  # fmt: skip
        return len(left)

    def still_of(self, label: Path, image: Path) -> bool:
        """Whether a label file in the folder is what these weights and settings say of an image as it is now."""
        try:
            return self.journal.picture_of(label, self.made) == picture_digest(image)
        except (InputError, ValueError):
            return False

    def paths(self, name: str) -> list[Path]:
        """The files of a frame that are asked for."""
        return [path for kind in self.files for path in kind.paths(self.out, name).values()]

    def _origin(self, name: str) -> Origin:
        picture, camera = self.pictures[_VIDEO if self.stream.is_video else name]
        guess = next((f"{kind.field_of_view:g}" for kind in self.files if not isinstance(kind, ClassFiles)), "")
        return Origin(self.made, self._scale, camera or guess, picture)

    def _wanted(self, name: str) -> bool:
        if isinstance(self.stream, ManifestStream):
            return True
        return name.isdigit() and (self.stream.limit is None or int(name) < self.stream.limit)

    def _refuse_foreign(self) -> None:
        names = (
            self.stream.names if isinstance(self.stream, ManifestStream)
            else [f"{number:06d}" for number in range(len(self.stream))]
        )  # fmt: skip
        for path in (path for name in names for path in self.paths(name) if path.exists()):
            raise InputError(
                f"{path} is there and no earlier prediction says that it made it; give another folder, or "
                "--overwrite true."
            )


def _record(out: Path) -> dict[str, Any]:
    """What ``predictions.json`` of an earlier call says; empty where there is none."""
    path = out / SIDECAR
    if not path.is_file():
        return {}
    try:
        record = read_json(path, finite=False)
    except InputError:
        record = None
    if not isinstance(record, dict) or "run" not in record:
        raise InputError(f"{path} cannot be read as a record of predictions; give another folder, or --overwrite true.")
    return record
