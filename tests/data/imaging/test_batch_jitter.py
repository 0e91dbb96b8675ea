"""Colours of a batch changed together are those of its samples changed alone."""

import itertools

import numpy as np
import pytest
import torch

from tests.pretend_cuda import CUDA, pretend_cuda
from vergence.data.imaging.batch_jitter import apply_jitters
from vergence.data.imaging.transforms import apply_jitter, draw_jitter, no_jitter


def drawn(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames and draws of many orders, one without any change."""
    frames = torch.rand(samples, 3, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    frames[0, 0] = 0.25  # grey: no hue
    rng = np.random.default_rng(1)
    draws = torch.stack([draw_jitter(rng) for _ in range(samples)])
    for row, order in zip(draws, itertools.cycle(itertools.permutations(range(4))), strict=False):
        row[4:] = torch.tensor(order)
    draws[1] = no_jitter()
    draws[2, 3] = 0.0  # no change of the hue
    return frames, draws


@pytest.mark.parametrize("samples", [3, 30])
def test_a_batch_is_changed_as_its_samples_are(samples: int) -> None:
    frames, draws = drawn(samples)
    before = frames.clone()
    expected = torch.stack([apply_jitter(one, draw) for one, draw in zip(frames, draws, strict=True)])
    found = apply_jitters(frames, draws)
    assert torch.equal(frames, before)
    assert torch.equal(found[1], frames[1])
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    if samples > 3:
        assert (found[3:] - frames[3:]).abs().amax(dim=(1, 2, 3, 4)).min() > 0.01


def test_operations_do_not_grow_with_the_batch() -> None:
    counts = []
    for samples in (30, 60):
        frames, draws = drawn(samples)
        with pretend_cuda() as watch:
            there = frames.to(CUDA)
            watch.clear()
            apply_jitters(there, draws)
            assert watch.of("mix", "read", "copy") == []
            counts.append(watch.operations.total())
    assert max(counts) < 250  # 67 a sample otherwise


def test_frames_and_draws_of_other_batches() -> None:
    frames, draws = drawn(4)
    with pytest.raises(ValueError, match="expected one B"):
        apply_jitters(frames, draws[:3])
