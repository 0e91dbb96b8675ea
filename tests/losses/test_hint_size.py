"""Hints of smaller frames at full size: planes stay planes, edges stay sharp, other classes get none."""

import torch

from vergence.geometry.camera import resize_inverse_depth
from vergence.losses.hint_size import enlarged_hints, thinned


def test_planes_stay_planes_and_the_edge_between_them_sharp() -> None:
    v, u = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    near, far = 0.5 + 0.004 * v + 0.002 * u, 0.1 + 0.001 * v
    full = torch.where(u < 12, near, far)[None, None]
    small = full[..., ::2, ::2] + torch.where(u < 12, 0.003, 0.0005)[::2, ::2]  # of the middle of each block
    labels = torch.zeros(1, 16, 24, dtype=torch.long)
    hint, mask = enlarged_hints(small, torch.ones(1, 1, 8, 12, dtype=torch.bool), thinned(labels, 2), labels)
    assert mask.all()
    inner = torch.ones(16, 24, dtype=torch.bool)
    inner[[0, -1]], inner[:, [0, 11, 12, -1]] = False, False  # at the frame and the edge a block's own value counts
    torch.testing.assert_close(hint[0, 0][inner], full[0, 0][inner], rtol=1e-4, atol=0)
    assert ((hint / full - 1).abs() < 0.02).all()
    assert (resize_inverse_depth(small, (16, 24)) / full - 1).abs().max() > 0.5  # what the edge would be without


def test_pixels_of_another_class_get_no_hint() -> None:
    labels = torch.zeros(1, 5, 7, dtype=torch.long)
    labels[0, 3, 3], labels[0, 2, 2] = 1, 1
    small = thinned(labels, 2)
    assert small.tolist() == [[[0, 0, 0], [0, 1, 0]]]
    accepted = torch.ones(1, 1, 2, 3, dtype=torch.bool)
    accepted[..., 0, 0] = False
    hint, mask = enlarged_hints(torch.ones(1, 1, 2, 3), accepted, small, labels)
    assert hint.shape == mask.shape == (1, 1, 5, 7)
    assert not mask[0, 0, :3, :3].any()  # where none was accepted
    assert mask[0, 0, 3:, 3:5].tolist() == [[True, False], [False, False]]  # the block is of class 1, one pixel is, too
    assert mask[0, 0, :3, 3:].all()
