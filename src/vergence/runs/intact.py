"""Whether stored files are whole: they can be read, and are what was written, by checksums that lie beside them."""

import contextlib
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vergence.data.digests import file_state
from vergence.data.structured import read_json
from vergence.errors import InputError

CHECKSUMS = "checksums"
"""Key of the settings of a checkpoint: file name to checksum. Checkpoints of before have none."""
_BLOCK = 1 << 20


def checksum(path: Path) -> str:
    """CRC-32 of a file, eight hexadecimal digits; read once as long as the file stays as it is."""
    return _checksum(path, file_state(path))


@lru_cache(256)
def _checksum(path: Path, _: str) -> str:
    value = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def torn_tensors(path: Path) -> str:
    """What is wrong with a safetensors file, "" for nothing: names, shapes and length against the file's size."""
    if not path.is_file():
        return f"{path.name} is missing"
    try:
        with safe_open(path, framework="pt"):
            return ""
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        return f"{path.name}: {' '.join(str(error).split())[:100]}"


def torn_object(path: Path, keys: Iterable[str]) -> str:
    """What is wrong with a JSON file that should hold an object with these keys, "" for nothing."""
    if not path.is_file():
        return f"{path.name} is missing"
    try:
        value = read_json(path, finite=False)  # random states are large numbers
    except InputError:
        value = None
    if not isinstance(value, dict):
        return f"{path.name} is no JSON object"
    lacking = sorted(set(keys) - value.keys())
    return f"{path.name} lacks {lacking[0]!r}" if lacking else ""


def altered(path: Path, settings: Path) -> str:
    """That a file is not what was written, by the checksum in ``settings``; "" where it is, or they say nothing."""
    if not (settings.is_file() and path.is_file()):
        return ""
    with contextlib.suppress(InputError, OSError):  # who reads it says what is wrong
        record = read_json(settings, finite=False)
        sums = record.get(CHECKSUMS) if isinstance(record, dict) else None
        wanted = sums.get(path.name) if isinstance(sums, dict) else None
        if wanted is not None and checksum(path) != wanted:
            return f"{path.name} is not what was written, by its checksum"
    return ""
