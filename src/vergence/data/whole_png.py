"""Whether a PNG file is whole: the format has a checksum for each of its parts, which decoders do not all look at."""

import struct
import zlib
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_whole_png(path: Path | str) -> bool:
    """Whether a file is there, a PNG to its last part, and every part has the checksum it says (PNG 1.2, 3.4)."""
    try:
        content = memoryview(Path(path).read_bytes())
    except OSError:
        return False
    if content[:8] != _SIGNATURE:
        return False
    offset = 8
    while offset + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, offset)
        end = offset + 8 + length
        if end + 4 > len(content) or struct.unpack_from(">I", content, end)[0] != zlib.crc32(content[offset + 4 : end]):
            return False
        if content[offset + 4 : offset + 8] == b"IEND":
            return end + 4 == len(content)
        offset = end + 4
    return False
