"""Label Studio's run-length code against another implementation and against files of its own encoder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from vergence.data.annotation import brush

MASKS = npst.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def slow_decode(code: list[int]) -> list[int]:
    """Bytes of a code, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in code)
    place = 0

    def take(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    number, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < number:
        repeated = take(1)
        length = take(sizes[take(2)]) + 1
        out += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    return out


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_code_means_the_mask(mask: np.ndarray) -> None:
    code = brush.encode(mask)
    assert all(isinstance(byte, int) and 0 <= byte <= 255 for byte in code)
    assert slow_decode(code) == [255 if value else 0 for value in mask.ravel() for _ in range(4)]
    np.testing.assert_array_equal(brush.decode(code, *mask.shape), mask)


def test_code_of_label_studio() -> None:
    """Made with label-studio-sdk 2.1.2 (converter.brush.mask2rle), which also reads what we write."""
    code = [0, 0, 0, 60, 57, 27, 252, 96, 19, 255, 198, 1, 132, 255, 240, 152, 4, 127, 224]
    expected = [[0, 1, 1, 0, 1], [1, 1, 1, 1, 0], [0, 0, 0, 0, 1]]
    np.testing.assert_array_equal(brush.decode(code, 3, 5), np.array(expected, dtype=bool))


def test_runs_longer_than_a_length_can_say() -> None:
    mask = np.zeros((300, 500), dtype=bool)
    mask[:150] = True
    mask[299, 499] = True
    np.testing.assert_array_equal(brush.decode(brush.encode(mask), 300, 500), mask)


def test_broken_code() -> None:
    code = brush.encode(np.eye(4, dtype=bool))
    for broken, said in (
        (code[:-2], "ends early"),
        ([], "ends early"),
        (brush.encode(np.eye(5, dtype=bool)), "100 values, expected 4 x 4 x 4"),
        ([*code[:4], 0, *code[5:]], "8 bits"),
        ([300], "from 0 to 255"),
        ("what", "from 0 to 255"),
        (1 << 40, "from 0 to 255"),
        ([1.5, True], "from 0 to 255"),
    ):
        with pytest.raises(ValueError, match=said):
            brush.decode(broken, 4, 4)
