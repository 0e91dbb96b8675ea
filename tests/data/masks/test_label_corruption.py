"""Labels made worse: as much as was asked for, where it was asked for, always alike."""

import numpy as np
import pytest

from vergence.data.masks.label_corruption import corrupted
from vergence.settings.label_corruption import LabelCorruption


def halves(height=96, width=160):
    label = np.zeros((height, width), np.uint8)
    label[:, width // 2 :] = 1
    return label


@pytest.mark.parametrize("border", [1, 3, 8])
def test_borders_move_by_at_most_so_many_pixels(border):
    label = halves()
    worse = corrupted(label, LabelCorruption(border=border), 2, "a")
    columns = np.flatnonzero((worse != label).any(axis=0))
    assert len(columns) > 0
    assert columns.min() >= 80 - border
    assert columns.max() < 80 + border
    crossings = (np.diff(worse.astype(int), axis=1) != 0).sum(axis=1)
    assert (crossings == 1).mean() > 0.9  # bent, not torn
    assert np.abs(np.diff((worse == 0).sum(axis=1))).max() <= border  # smoothly


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_blobs_cover_the_share(share):
    label = np.full((96, 160), 9, np.uint8)
    worse = corrupted(label, LabelCorruption(blobs=share), 4, "a")
    assert set(np.unique(worse)) <= {0, 1, 2, 3, 9}
    assert (worse != 9).sum() == round(share * label.size)
    assert len(np.unique(worse)) > 2


def test_what_has_no_class_gets_none():
    label = halves()
    label[:48] = 255
    worse = corrupted(label, LabelCorruption(blobs=0.5), 5, "a")
    assert (worse[:48] == 255).all()
    nothing = np.full((20, 20), 255, np.uint8)
    np.testing.assert_array_equal(corrupted(nothing, LabelCorruption(blobs=0.5, border=3), 5, "a"), nothing)


def test_the_same_frame_and_seed_give_the_same():
    label, noise = halves(), LabelCorruption(border=4, blobs=0.2, seed=3)
    first = corrupted(label, noise, 5, "street/left/7")
    np.testing.assert_array_equal(corrupted(label, LabelCorruption(4, 0.2, 3), 5, "street/left/7"), first)
    assert (corrupted(label, noise, 5, "street/left/8") != first).any()
    assert (corrupted(label, LabelCorruption(4, 0.2, 4), 5, "street/left/7") != first).any()
    np.testing.assert_array_equal(label, halves())  # the given one stays
    np.testing.assert_array_equal(corrupted(label, LabelCorruption(), 5, "x"), label)


def test_tiny_labels():
    for size in ((1, 1), (1, 9), (3, 2)):
        found = corrupted(np.zeros(size, np.uint8), LabelCorruption(border=5, blobs=0.5), 1, "x")
        assert found.shape == size
        assert (found == 0).all()
