"""The run-length code of Label Studio's brush: thi.ng/rle-pack over the RGBA bytes of a mask.

A stream of bits, highest first: 32 bits number of bytes, 5 bits word size - 1, four times 4 bits size - 1 of a length;
then packets: 1 bit (1: one value repeated, 0: as many values), 2 bits which of the four sizes, length - 1, value(s).
"""

import numpy as np
from numpy.typing import NDArray

_WORD = 8
_SIZES = (3, 4, 8, 16)
_LONGEST = 1 << _SIZES[-1]
_CHANNELS = 4
OPAQUE = 128


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """Code, as numbers 0..255, of a mask (H, W) whose pixels are 255 in all four channels or 0."""
    flat = mask.reshape(-1)
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])) if flat.size else np.zeros(0, np.int64)
    lengths = _CHANNELS * np.diff(np.append(starts, flat.size))
    chunks = -(-lengths // _LONGEST)
    last = np.cumsum(chunks) - 1
    values = np.repeat(np.where(flat[starts], 255, 0), chunks)
    sizes = np.full(values.size, _LONGEST, dtype=np.int64)
    sizes[last] = lengths - (chunks - 1) * _LONGEST
    kind = np.searchsorted([1 << size for size in _SIZES], sizes - 1, side="right")
    bits = np.array(_SIZES)[kind]
    packets = (((1 << 2 | kind) << bits | (sizes - 1)) << _WORD) | values
    counts = 3 + bits + _WORD
    head, head_bits = _CHANNELS * flat.size, 32
    for value, count in ((_WORD - 1, 5), *((size - 1, 4) for size in _SIZES)):
        head, head_bits = head << count | value, head_bits + count
    return _packed(np.append(head, packets), np.append(head_bits, counts))


def _packed(values: NDArray[np.int64], counts: NDArray[np.int64]) -> list[int]:
    """Bytes of values of so many bits each, written one after the other."""
    ends = np.cumsum(counts)
    owner = np.repeat(np.arange(values.size), counts)
    bits = values[owner] >> (ends[owner] - 1 - np.arange(owner.size)) & 1
    return np.packbits(bits.astype(np.uint8)).tolist()


def decode(code: list[int], height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W): where the alpha channel is at least half.

    Raises:
        ValueError: the code ends early, is of another size, or no code at all.
    """
    if not isinstance(code, list) or not all(type(value) is int and 0 <= value <= 255 for value in code):
        raise ValueError("the code is no list of whole numbers from 0 to 255")
    data = bytes(code)
    bit = 0

    def take(count: int) -> int:
        nonlocal bit
        bit += count
        if bit > 8 * len(data):
            raise ValueError("the code ends early")
        window = data[bit - count >> 3 : (bit + 7) >> 3]
        return int.from_bytes(window, "big") >> (-bit % 8) & ((1 << count) - 1)

    number = take(32)
    if number != _CHANNELS * height * width:
        raise ValueError(f"the code has {number} values, expected {width} x {height} x {_CHANNELS}")
    if take(5) + 1 != _WORD:
        raise ValueError("words are not of 8 bits")
    sizes = [take(4) + 1 for _ in _SIZES]
    values, lengths, filled = bytearray(), list[int](), 0
    while filled < number:
        repeated = take(1)
        length = 1 + take(sizes[take(2)])
        if repeated:
            values.append(take(_WORD))
            lengths.append(length)
        else:
            values += take(_WORD * length).to_bytes(length, "big")
            lengths += [1] * length
        filled += length
    if filled != number:
        raise ValueError("the code goes on after its end")
    flat = np.repeat(np.frombuffer(bytes(values), dtype=np.uint8), lengths)
    return flat.reshape(height, width, _CHANNELS)[..., 3] >= OPAQUE
