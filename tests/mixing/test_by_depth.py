"""DepthMix as one call: what is nearer hides what is farther, in images and labels alike."""

import pytest
import torch

from vergence.errors import InputError
from vergence.mixing import depthmix
from vergence.mixing.by_depth import normalised_disparity


def test_the_nearer_pixel_wins_in_images_and_labels():
    images = torch.stack([torch.full((3, 2, 4), value) for value in (0.1, 0.9)])
    near_left = torch.tensor([[9.0, 9, 1, 0], [9, 9, 1, 0]])
    near_right = near_left.flip(1) * 50  # another unit, which does not matter
    labels = torch.stack([torch.full((2, 4), value) for value in (3, 7)])
    mixed = depthmix(images, torch.stack([near_left, near_right]), labels, margin=0.0)
    assert mixed.mask[0, 0].tolist() == [[1, 1, 0, 0]] * 2
    assert mixed.mask[1, 0].tolist() == [[0, 0, 1, 1]] * 2
    torch.testing.assert_close(mixed.images[0, :, 0], torch.tensor([[0.1, 0.1, 0.9, 0.9]] * 3))
    assert mixed.labels.tolist() == [[[3, 3, 7, 7]] * 2, [[3, 3, 7, 7]] * 2]


def test_probabilities_are_mixed_as_labels_are_and_may_be_left_out():
    disparity = torch.tensor([[[1.0, 0]], [[0.0, 1]]])
    probabilities = torch.tensor([[[[0.2, 0.2]], [[0.8, 0.8]]], [[[0.6, 0.6]], [[0.4, 0.4]]]])
    mixed = depthmix(torch.zeros(2, 3, 1, 2), disparity, probabilities, margin=0.0)
    torch.testing.assert_close(mixed.labels[0], torch.tensor([[[0.2, 0.6]], [[0.8, 0.4]]]))
    assert depthmix(torch.zeros(2, 3, 1, 2), disparity).labels is None


def test_each_map_is_normalised_by_itself_and_a_constant_one_is_far():
    maps = torch.tensor([[[[2.0, 6.0]]], [[[5.0, 5.0]]]])
    assert normalised_disparity(maps).tolist() == [[[[0, 1]]], [[[0, 0]]]]
    assert normalised_disparity(maps.half()).tolist() == [[[[0, 1]]], [[[0, 0]]]]  # the least span is 0 in float16


def test_shapes_that_do_not_belong_together():
    with pytest.raises(InputError, match=r"expected \(B, 3, H, W\) and \(B, 1, H, W\)"):
        depthmix(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 5))
    with pytest.raises(InputError, match=r"labels have shape \(2, 4, 5\)"):
        depthmix(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4), torch.zeros(2, 4, 5))
