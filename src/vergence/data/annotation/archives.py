"""Archives of strangers, unpacked within limits: plain files only, never outside of their folder."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from vergence.data.annotation.formats import FOLDERS
from vergence.errors import InputError

GB = 1 << 30
FILES = 200_000
BYTES = 20 * GB
"""Most files and bytes of one archive."""
RATIO, SMALL = 100, GB
"""An archive unpacks into no more than so many times its own size, or into the bytes of a small one."""
_PIECE = 1 << 20
_PACKERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(OSError, EOFError, RuntimeError, NotImplementedError, ValueError, MemoryError),
)


@contextlib.contextmanager
def unpacked(export: Path) -> Iterator[Path]:
    """The folder of a set of annotations; an archive is unpacked for the time being, without its pictures.

    Raises:
        InputError: there is no such folder or file; the archive is damaged or encrypted, too large once it is unpacked
            (counted while it is read), or holds links, devices, paths that leave it, or one file twice.
    """
    if export.is_dir() or (export.is_file() and export.suffix.lower() == ".json"):
        yield export
        return
    if not export.exists():
        raise InputError(f"{export} does not exist; give the folder or archive that the annotator exported.")
    if not export.is_file():
        raise InputError(f"{export} is no regular file; give the folder or archive that the annotator exported.")
    unpack = _unpack_zip if zipfile.is_zipfile(export) else _unpack_tar
    with tempfile.TemporaryDirectory(prefix="vergence-labels-") as folder:
        try:
            unpack(export, _Target(export, Path(folder)))
        except InputError:
            raise
        except _DAMAGED as error:
            reason = str(error) or type(error).__name__
            raise InputError(f"{export} cannot be unpacked ({reason}); export it again.") from error
        yield _inner(Path(folder))


class _Target:
    """Where the files of an archive go; it counts them and their bytes."""

    def __init__(self, export: Path, folder: Path) -> None:
        self.export, self.folder = export, folder
        self.limit = min(BYTES, max(SMALL, RATIO * export.stat().st_size))
        self._files = self._bytes = 0

    def path_of(self, name: str) -> Path | None:
        """Where a file of this name belongs; None for pictures, which are not needed."""
        self._files += 1
        if self._files > FILES:
            raise InputError(f"{self.export} holds more than {FILES} files; unpack it and give the folder.")
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
            raise InputError(f"{self.export} holds {name!r}, a path that leaves the archive; pack it again.")
        return None if _is_picture(parts) else self.folder.joinpath(*parts)

    def refuse(self, name: str, fault: str) -> None:
        raise InputError(f"{self.export} holds {name!r}, {fault}; pack plain files only.")

    def write(self, stream: IO[bytes], path: Path) -> None:
        """Copy a file piece by piece: what a header says of its size is not believed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self.refuse(str(path.relative_to(self.folder)), "a file that it has twice")
        with path.open("xb") as file:
            while piece := stream.read(_PIECE):
                self._bytes += len(piece)
                self.check(self._bytes)
                file.write(piece)

    def check(self, count: int) -> None:
        """InputError where so many bytes are too many."""
        if count > self.limit:
            raise InputError(
                f"{self.export} unpacks into more than {self.limit / GB:.0f} GB, which no annotations do; unpack it "
                "yourself and give the folder."
            )


def _unpack_zip(export: Path, target: _Target) -> None:
    with zipfile.ZipFile(export) as archive:
        for member in archive.infolist():
            mode = member.external_attr >> 16
            path = target.path_of(member.filename)
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                target.refuse(member.filename, "a link or device")
            if path is None or member.is_dir():
                continue
            with archive.open(member) as stream:
                target.write(stream, path)


def _unpack_tar(export: Path, target: _Target) -> None:
    """Unpack a tar archive, plain or packed by gzip, bzip2 or xz."""
    with export.open("rb") as file:
        head = file.read(512)
    packer = next((opener for mark, opener in _PACKERS.items() if head.startswith(mark)), open)
    if packer is open and head[257:262] != b"ustar":
        raise InputError(
            f"{export} is no folder, no .zip, no .tar and no .json; give what the annotator exported (CVAT: "
            "Segmentation mask 1.1)."
        )
    with packer(export, "rb") as file:
        stream = _Bounded(file, target)
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as archive:
            for member in archive:
                path = target.path_of(member.name)
                if not member.isdir() and (not member.isreg() or member.issparse()):
                    target.refuse(member.name, "a link, device or sparse file")
                content = None if path is None or member.isdir() else archive.extractfile(member)
                if content is not None and path is not None:
                    target.write(content, path)
        if stream.last != bytes(tarfile.BLOCKSIZE):  # a damaged header ends the loop, too
            raise tarfile.ReadError("it ends early")
        while stream.read(_PIECE):  # the sums that packers add come last
            pass


class _Bounded(io.RawIOBase):
    """A stream that is read in small pieces and to the limit only: headers of tar say how much of it is a header."""

    def __init__(self, stream: Any, target: _Target) -> None:
        self._stream, self._target = stream, target
        self.last = b""
        """What was read last."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _PIECE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        block: bytes = self._stream.read(size)
        self._target.check(self._stream.tell())
        self.last = block
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            self._target.check(offset)
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())


def _is_picture(parts: list[str]) -> bool:
    """Whether a file of an archive is below the folder of images; masks may be in a folder of that name themselves."""
    return next((part in ("images", "JPEGImages") for part in parts[:-1][:2] if part in FOLDERS), False)


def _inner(folder: Path) -> Path:
    """Archives often hold one folder that holds everything."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(("__MACOSX", "."))]
    alone = len(entries) == 1 and entries[0].is_dir() and entries[0].name not in FOLDERS
    return entries[0] if alone else folder
