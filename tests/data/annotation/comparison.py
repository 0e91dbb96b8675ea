"""Labels that must be the same."""

import numpy as np


def assert_same(found: list[np.ndarray | None], expected: list[np.ndarray | None]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
