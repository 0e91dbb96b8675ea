import numpy as np
import pytest
import torch

from vergence.data.measured.inverse_depth import (
    INVALID,
    check_metres,
    from_metres,
    from_sigmoid,
    to_metres,
    to_sigmoid,
)
from vergence.errors import InputError


def test_predictions_are_the_inverse_of_what_was_learned():
    metres = np.array([0.1, 1.0, 20.0, 600.0])
    found = to_metres(torch.from_numpy(from_metres(metres)).double())
    np.testing.assert_allclose(1 / found.numpy(), metres, rtol=1e-4)
    assert 1 / to_metres(torch.tensor([-5.0, 1e9])).double().numpy() == pytest.approx([655.35, 0.1], rel=1e-4)
    stored = np.array([1, 300, 65535], np.uint16)
    np.testing.assert_allclose(to_sigmoid(torch.from_numpy(from_sigmoid(stored))), stored / 65535, atol=1e-7)


def test_metres():
    """corda.md section 8, fact 4."""
    found = from_metres(np.float32([[10, 100, 0.1]]))
    np.testing.assert_allclose(found, [[65.47053, 6.552945, 5957.818]], rtol=1e-6)
    assert found.dtype == np.float32
    none = [0, 0.05, 655.35, 1000, -1, np.nan, np.inf]
    assert (from_metres(np.array(none)) == INVALID).all()
    assert (from_metres(np.float32(none)) == INVALID).all()


def test_sigmoid():
    """corda.md section 8, fact 5."""
    np.testing.assert_allclose(from_sigmoid(np.uint16([[0, 256, 65535]])), [[1, 2, 256.99609]], rtol=1e-7)
    with pytest.raises(ValueError, match="uint16"):
        from_sigmoid(np.uint8([1]))


def test_every_valid_measurement_is_above_one_and_nearer_is_larger():
    metres = np.linspace(0.1, 655.3, 5000, dtype=np.float32)
    found = from_metres(metres)
    assert (found > INVALID).all()
    assert (np.diff(found) < 0).all()


STREET = np.random.default_rng(0).gamma(2, 9, (20, 30)).astype(np.float32) + 1


def test_depth_of_streets_is_plausible():
    holes = STREET.copy()
    holes[:10] = 0
    check_metres([STREET, holes, np.zeros((4, 5), np.float32)], "the depth")
    check_metres([np.full((2, 3), 12.0), np.full((2, 3), 13.0)], "the depth")


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (STREET * 100, "the depth has a median of .* which looks like centimetres; set the column depth_unit to cent"),
        (STREET * 1000, "looks like millimetres; set the column depth_unit to millimetres"),
        (np.rint(STREET * 10) + 100, "looks like centimetres"),
        (1 / STREET, "too near for streets .*; it may be inverse or normalised depth: give metres"),
        (np.full((3, 4), 7.0), "is 7 m everywhere"),
        (np.zeros((3, 4)), "has no measured pixel in 2 frames"),
    ],
)
def test_depth_in_another_unit(depth, message):
    with pytest.raises(InputError, match=message):
        check_metres([depth, depth], "the depth")
