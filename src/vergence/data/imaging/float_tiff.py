"""TIFF files of several float32 channels, such as maps of 3-D points, which PIL does not read."""

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.buckets.remote import local
from vergence.data.pictures import decode_bytes
from vergence.errors import InputError

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _PREDICTOR, _FORMAT = 256, 257, 258, 262, 277, 284, 317, 339
_SHORT, _LONG, _ENTRY = 3, 4, 12


def read_float_tiff(path: Path | str) -> NDArray[np.float32]:
    """Read (H, W, C) float32, channels beside each other, of any compression that PIL knows.

    The header is rewritten in memory to that of a grey picture of bytes, C * 4 times as wide: PIL unpacks its strips,
    and the bytes are the numbers.

    Raises:
        InputError: missing, cut off, no TIFF, another kind of numbers or order of channels.
    """
    path = local(path)
    try:
        data = bytearray(path.read_bytes())
        order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        tags = _tags(data, order)
        width, height, channels = (tags[tag][1] for tag in (_WIDTH, _HEIGHT, _SAMPLES))
        kinds = (_first(data, tags, _BITS, order), _first(data, tags, _FORMAT, order))
        if kinds != (32, 3) or tags.get(_PLANAR, (0, 1))[1] != 1 or tags.get(_PREDICTOR, (0, 1))[1] != 1:
            raise InputError(
                f"{path} holds no float32 numbers in plain order; save it as float32 without predictor, or as .npy."
            )
        changes = {_WIDTH: 4 * channels * width, _BITS: 8, _PHOTOMETRIC: 1, _SAMPLES: 1, _FORMAT: 1}
        for tag, value in changes.items():
            if tag in tags:  # a value of one number stands in the entry itself
                struct.pack_into(order + "HHII", data, tags[tag][0], tag, _LONG, 1, value)
        stored = np.asarray(decode_bytes(io.BytesIO(bytes(data)), path))
        return stored.view(order + "f4").reshape(height, width, channels).astype(np.float32)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; unpack the data again.") from None
    except (OSError, KeyError, ValueError, SyntaxError, TypeError, struct.error) as error:
        raise InputError(
            f"{path} is no TIFF that can be read ({error}); unpack it again, or save it as .npy."
        ) from error


def _tags(data: bytearray, order: str) -> dict[int, tuple[int, int]]:
    """Tag -> place of its entry and its value (of several, the place of the first)."""
    magic, start = struct.unpack_from(order + "HI", data, 2)
    if magic != 42:
        raise ValueError("it is no classic TIFF")
    (count,) = struct.unpack_from(order + "H", data, start)
    tags = {}
    for offset in range(start + 2, start + 2 + _ENTRY * count, _ENTRY):
        tag, kind, number = struct.unpack_from(order + "HHI", data, offset)
        single = kind == _SHORT and number == 1
        tags[tag] = (offset, struct.unpack_from(order + ("H" if single else "I"), data, offset + 8)[0])
    return tags


def _first(data: bytearray, tags: dict[int, tuple[int, int]], tag: int, order: str) -> int:
    """The first of a tag's short numbers, which all channels should share."""
    offset, value = tags[tag]
    number = struct.unpack_from(order + "I", data, offset + 4)[0]
    where = offset + 8 if number <= 2 else value
    values: tuple[int, ...] = struct.unpack_from(f"{order}{number}H", data, where)
    return values[0] if len(set(values)) == 1 else 0
