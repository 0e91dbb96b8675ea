"""Whether a video file ends before its own structure says so, and the length that a fragmented one states."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TOP = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"ssix", b"emsg", b"prft", b"free", b"skip",
     b"wide", b"meta", b"uuid", b"pdin"}
)  # fmt: skip
"""Boxes at the top of MP4 and MOV (ISO/IEC 14496-12); others may be anything that a camera has appended."""
_MOST_BOXES = 1_000_000
_PACKETS = ((188, 188), (192, 188), (204, 204))
"""Bytes from one packet of a transport stream (ISO/IEC 13818-1) to the next, and of its last from the sync byte on."""
_SYNC, _IN_A_ROW = 0x47, 5


def ends_early(path: Path, format_name: str) -> str:
    """How the bytes of a file show that it was cut off, in words; "" where they do not.

    Args:
        format_name: FFmpeg's name of the container. MP4 and MOV are looked at (boxes, and the sizes of fragments in
            ``sidx``), and transport streams (whole packets).
    """
    names = format_name.split(",")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if "mp4" in names:
            return _cut_box(file, size)
        return _cut_packet(file, size) if "mpegts" in names else ""


def stated_seconds(path: Path, format_name: str) -> float:
    """Length of all fragments that an MP4 states (``mehd``, in units of ``mvhd``); 0 where it states none."""
    if "mp4" not in format_name.split(","):
        return 0.0
    with path.open("rb") as file:
        top = _inside(file, 0, os.fstat(file.fileno()).st_size)
        movie = _inside(file, *top.get(b"moov", (0, 0)))
        extends = _inside(file, *movie.get(b"mvex", (0, 0)))
        if not (b"mvhd" in movie and b"mehd" in extends):
            return 0.0
        header, length = _full_box(file, *movie[b"mvhd"]), _full_box(file, *extends[b"mehd"])
        scale = _number(header[20:24] if header[:1] == b"\1" else header[12:16])
        units = _number(length[4:12] if length[:1] == b"\1" else length[4:8])
        return units / scale if scale else 0.0


def _cut_box(file: BinaryIO, size: int) -> str:
    end = 0
    for kind, begin, end in _boxes(file, 0, size):
        if kind not in _TOP:
            return ""
        if end > size:
            return f"its part {kind.decode()} goes {end - size} bytes beyond the end of the file"
        if kind == b"sidx" and (indexed := end + _indexed(_full_box(file, begin, end))) > size:
            return f"its index goes {indexed - size} bytes beyond the end of the file"
    return "it ends within the head of a part" if 0 < end < size < end + 8 else ""


def _indexed(index: bytes) -> int:
    """Bytes of the fragments behind a ``sidx`` that it lists, and before them."""
    at = 20 if index[:1] == b"\0" else 28
    first = _number(index[at - 4 : at] if index[:1] == b"\0" else index[at - 8 : at])
    count = _number(index[at + 2 : at + 4])
    return first + sum(_number(index[at + 4 + 12 * n : at + 8 + 12 * n]) & 0x7FFFFFFF for n in range(count))


def _cut_packet(file: BinaryIO, size: int) -> str:
    head = file.read(2 * max(step for step, _ in _PACKETS) * _IN_A_ROW)
    for step, length in _PACKETS:
        for start in range(step):
            if all(head[start + step * n : start + step * n + 1] == bytes([_SYNC]) for n in range(_IN_A_ROW)):
                return "" if (size - start - length) % step == 0 else "it ends within a packet"
    return ""


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each box between two places, and where what it holds begins and should end: it may be beyond."""
    for _ in range(_MOST_BOXES):
        file.seek(start)
        head = file.read(min(16, end - start)) if start < end else b""
        if len(head) < 8:
            return
        length, kind, inner = _number(head[:4]), head[4:8], start + 8
        if length == 1:
            length, inner = _number(head[8:]), start + 16
        length = length or end - start
        if start + length < inner:
            return
        yield kind, inner, start + length
        start += length


def _inside(file: BinaryIO, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    return {kind: (begin, stop) for kind, begin, stop in _boxes(file, start, end)}


def _full_box(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(min(end - start, 1 << 20))


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")
