"""Names of frames in annotators: one flat name a frame, and back from a file's name to the row of a manifest."""

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from vergence.data.layouts.files import composed
from vergence.data.rows.frame_row import FrameRow

_log = logging.getLogger("vergence")
_LONGEST = 120
_UPLOAD = re.compile(r"^[0-9a-f]{8}-|_(jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9A-Za-z]+$")
"""What Label Studio puts before a name that is uploaded, and Roboflow behind it."""


def frame_name(row: FrameRow) -> str:
    """The name of a frame's files: ``SEQUENCE__CAMERA__STEM``, empty parts left out.

    It depends on the row alone, so that a part of a manifest can be exported and brought back into the whole, and
    differs for rows that differ in sequence, position or camera: where the words alone could not tell (letters that
    file names should not have, ambiguous underscores), eight digits of a hash follow; where the picture's file name
    does not carry the row's position, the position does.
    """
    stem = Path(row.image).stem
    parts = [part for part in (row.sequence, row.camera, stem) if part]
    if _number(stem) != row.position:
        parts.append(f"p{row.position}")
    name = "__".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part) for part in parts)
    doubtful = (
        any(re.search(r"[^A-Za-z0-9._-]|__|^[_.]|_$", part) for part in parts)
        or (row.camera and not row.sequence)
        or len(name) > _LONGEST
    )
    if not doubtful:
        return name
    words = repr((row.sequence, row.camera, stem, row.position)).encode()
    return f"{name[:_LONGEST].lstrip('._')}-{hashlib.sha256(words).hexdigest()[:8]}"


def _number(stem: str) -> int | None:
    """The number that a file name carries: the last of its longest groups of digits."""
    groups = re.findall(r"[0-9]+", stem)
    return int(max(reversed(groups), key=len)) if groups else None


def _one_ends_the_other(path: str, other: str) -> bool:
    path, other = (f"/{text.lstrip('./')}" for text in (path, other))
    return path.endswith(other) or other.endswith(path)


class FrameNames:
    """Finds the row that an annotator's file belongs to.

    A file may be called as :func:`frame_name` does; or as the image itself (any part of its path that ends it), where
    only one row has an image of that name. Paths may be of Windows, and have what tools make of a name when it is
    uploaded: Label Studio (``90fbb0c0-drive_0000``), Roboflow (``drive_0000_jpg.rf.1a2b``). CVAT's names of video
    frames (``frame_000005``) count the frames of the one sequence that there is.
    """

    def __init__(self, rows: Sequence[FrameRow]) -> None:
        self.exact = {frame_name(row): index for index, row in enumerate(rows)}
        self._rows = rows
        self._counted = False
        self._images = [composed(PurePosixPath(row.image).with_suffix("").as_posix()) for row in rows]
        self._others = _indices_by_name(Path(row.image).stem for row in rows)
        self._uploaded = _indices_by_name(_uploaded(Path(row.image).stem) for row in rows)

    def find(self, name: str) -> int:
        """Index of the row; LookupError with a reason ("is the name of ...") where there is none or several."""
        try:
            return self._find(name)
        except LookupError:
            if unquote(name) == name:
                raise
        return self._find(unquote(name))  # servers write my%20drive.jpg

    def _find(self, name: str) -> int:
        path = PurePosixPath(composed(name.replace("\\", "/")))
        sent = _UPLOAD.sub("", path.name)
        original = path.with_name(_uploaded(sent) or sent) if sent else path
        for known, wanted in ((self._others, path), (self._uploaded, original)):
            if wanted.name in self.exact:
                return self.exact[wanted.name]
            indices = known.get(wanted.name, [])
            if len(indices) > 1:
                indices = [index for index in indices if _one_ends_the_other(self._images[index], wanted.as_posix())]
            if len(indices) == 1:
                return indices[0]
            if indices or wanted.name in known:
                raise LookupError("is the name of several frames; keep the names of the export")
        number = re.fullmatch(r"frame_([0-9]{6,9})", path.name)
        if number and self._rows:
            return self._of_video(int(number[1]))
        raise LookupError("is the name of no frame in the manifest")

    def _of_video(self, number: int) -> int:
        """The row of a video's frame, which CVAT counts from 0: by position where the frames are decoded from a video
        (they may be chosen ones), else by order, if none is left out."""
        if len({(row.sequence, row.camera) for row in self._rows}) != 1:
            raise LookupError("is a frame of a video, but the manifest has several sequences; give that of this video")
        index_of = {row.position: index for index, row in enumerate(self._rows)}
        positions = sorted(index_of)
        decoded = all(_is_decoded(row) for row in self._rows)
        first = 0 if decoded else positions[0]
        if not decoded and positions[-1] - first + 1 != len(positions):
            raise LookupError(
                "is a frame of a video, but the manifest leaves out frames of its sequence, so that they cannot be "
                "counted; give all of them"
            )
        if first + number not in index_of:
            raise LookupError(f"is frame {number} of a video, of which the manifest has {len(positions)} frames")
        if not self._counted:
            self._counted = True
            image = self._rows[index_of[first + number]].image
            _log.warning("frames of a video are matched by counting: frame %d is %s", number, image)
        return index_of[first + number]


def _uploaded(name: str) -> str:
    """A name without the letters that Label Studio's upload takes out."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _indices_by_name(names: Iterable[str]) -> dict[str, list[int]]:
    indices: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        indices.setdefault(composed(name), []).append(index)
    return indices


def _is_decoded(row: FrameRow) -> bool:
    """Whether a row looks like one of a video file: 000005.jpg, the camera called like the sequence."""
    return Path(row.image).stem == f"{row.position:06d}" and row.camera == row.sequence
