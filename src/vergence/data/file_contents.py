"""Whether the files that a manifest names hold what they held, told without reading all of them."""

import hashlib
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vergence.data.buckets.addresses import is_remote
from vergence.data.buckets.remote import state
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PATH_COLUMNS

FILES = "files"
"""What a digest of contents is called, beside that of the rows."""
_PIECE = 4096
_READ, _SIZED, _REMOTE = 4096, 16_384, 64
"""Most files of which pieces are read, most whose size is asked for, and most objects of stores of which it is."""
_THREADS, _AT_ONCE = 8, 256


def contents_digest(manifest: Manifest, offsets: Sequence[int | str] = ()) -> str:
    """Twelve hexadecimal digits of what lies in the samples' files, the same wherever copies of the data lie; before
    them, of more than 16,384 files, how many were asked for their size, and a colon.

    It is made of the size of each file and of 4 KiB from its middle and from its end; of more than 4,096 files so many
    evenly spaced ones are read, and of more than 16,384 so many are asked for their size: a file takes a millisecond
    where disks are far. A picture that is encoded anew differs in these. Of objects in stores only sizes are asked for,
    of 64. A file that is not there counts as such.

    Args:
        offsets: the pictures of neighbours at these offsets that are no samples count, too.
    """
    names = list(dict.fromkeys(_files(manifest, offsets)))
    read, sized, asked = (_spread(len(names), most) for most in (_READ, _SIZED, _REMOTE))
    looked_at = sorted(read | sized | asked)
    jobs = [(manifest.root / names[number], number in read, number in asked) for number in looked_at]
    pieces = [jobs[start : start + _AT_ONCE] for start in range(0, len(jobs), _AT_ONCE)]
    hasher = hashlib.blake2b(digest_size=6)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="contents") as pool:
        for piece_digest in pool.map(lambda some: b"".join(_said(*one) for one in some), pieces):
            hasher.update(piece_digest)
    return hasher.hexdigest() if len(names) <= _SIZED else f"{_SIZED}:{hasher.hexdigest()}"


def comparable(one: str, other: str) -> bool:
    """Whether two digests of contents are made of as many files: earlier versions asked all for their size."""
    return one.rpartition(":")[0] == other.rpartition(":")[0]


def _spread(count: int, most: int) -> set[int]:
    return set(np.linspace(0, count - 1, min(most, count)).astype(int).tolist())


def _files(manifest: Manifest, offsets: Sequence[int | str]) -> Iterator[str]:
    for column in PATH_COLUMNS:
        given = manifest.given(column)[: len(manifest)]
        if given.any():
            values = manifest.values(column)
            yield from (values[row] for row in np.flatnonzero(given))
    if len(beside := manifest.beside(offsets)):
        pictures, keys = manifest.values("image"), [manifest.values(key) for key in ("sequence", "camera", "position")]
        for row in sorted(beside.tolist(), key=lambda row: tuple(values[row] for values in keys)):
            yield pictures[row]


def _said(path: Path, read: bool, asked: bool) -> bytes:
    """What counts of one file."""
    if is_remote(path):
        known = state(path) if asked else None
        return b"" if known is None else b"%d;" % known[0]
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for without end
            return b"-;"
        pieces = b""
        if read:
            with path.open("rb", buffering=0) as file:
                for start in (status.st_size // 2, max(0, status.st_size - _PIECE)):
                    file.seek(start)
                    pieces += file.read(_PIECE)
        return b"%d;" % status.st_size + pieces
    except OSError:
        return b"-;"
