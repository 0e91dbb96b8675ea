"""Names of frames in annotators: one flat name a frame, and back from a file's name to the row of a manifest."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vergence.data.frame_row import FrameRow

_LONGEST = 120


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
    only one row has an image of that name.
    """

    def __init__(self, rows: Sequence[FrameRow]) -> None:
        self.exact = {frame_name(row): index for index, row in enumerate(rows)}
        self.others: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            self.others.setdefault(Path(row.image).stem, []).append(index)
        self._images = [PurePosixPath(row.image).with_suffix("").as_posix() for row in rows]

    def find(self, name: str) -> int:
        """Index of the row; LookupError with a reason ("is the name of ...") where there is none or several."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.name in self.exact:
            return self.exact[path.name]
        found = self.others.get(path.name, [])
        if len(found) > 1:
            found = [index for index in found if _one_ends_the_other(self._images[index], path.as_posix())]
        if len(found) == 1:
            return found[0]
        if found or path.name in self.others:
            raise LookupError("is the name of several frames; keep the names of the export")
        raise LookupError("is the name of no frame in the manifest")
