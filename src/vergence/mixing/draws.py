"""Random draws that are a function of the seed, the step and a sample's place in the batch of all processes."""

import numpy as np
import torch
from torch import Tensor


class StepGenerator(torch.Generator):
    """The draws of one step, of which this process takes its own rows; made by :func:`step_generator`."""

    rank: int = 0
    world: int = 1


def step_generator(seed: int, step: int, micro_step: int = 0, rank: int = 0, world: int = 1) -> StepGenerator:
    """A generator on the CPU for one step of process ``rank`` of ``world``.

    All processes get the same stream of numbers. What is drawn once for a batch is thereby the same on all of them;
    what is drawn sample by sample (:func:`draw_rows`) is the same as on one process. Nothing of earlier steps is in
    it, so that a resumed run draws what it would have drawn.

    Args:
        seed: of the run.
        step: of the optimiser.
        micro_step: which of the batches whose gradients make one step.
    """
    generator = StepGenerator()
    words = np.random.SeedSequence([seed % 2**64, step, micro_step]).generate_state(1, np.uint64)
    generator.manual_seed(int(words[0]))
    generator.rank, generator.world = rank, world
    return generator


def draw_rows(count: int, *shape: int, generator: torch.Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1) for ``count`` samples, (count, *shape).

    Of a :class:`StepGenerator` they are drawn for the samples of all processes, each of which has as many, and rows
    of this process's samples are returned. ``generator`` None is PyTorch's own.

    Example:
        >>> first, second = (draw_rows(2, generator=step_generator(1, 7, rank=rank, world=2)) for rank in (0, 1))
        >>> torch.equal(torch.cat([first, second]), draw_rows(4, generator=step_generator(1, 7)))
        True
    """
    device = "cpu" if generator is None else generator.device
    if not isinstance(generator, StepGenerator):
        return torch.rand((count, *shape), generator=generator, device=device)
    drawn = torch.rand((count * generator.world, *shape), generator=generator, device=device)
    return drawn[count * generator.rank : count * (generator.rank + 1)]


def draw_signs(count: int, generator: torch.Generator | None = None) -> Tensor:
    """-1 or 1 for each of ``count`` samples, (count,), as by :func:`draw_rows`."""
    return 1 - 2 * (draw_rows(count, generator=generator) < 0.5).float()
