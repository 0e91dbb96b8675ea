"""Draws of a step: a function of seed, step, part of a step and place in the batch of all processes."""

import pytest
import torch
from torch import Tensor

from vergence.mixing.augment import draw_strong
from vergence.mixing.draws import draw_rows, draw_signs, step_generator


def drawn(*place: int) -> Tensor:
    return draw_rows(4, 100, generator=step_generator(*place))


def test_two_processes_draw_the_rows_of_one() -> None:
    alone, *halves = (step_generator(3, 7, 1, rank, world) for rank, world in ((0, 1), (0, 2), (1, 2)))
    for shape in ((), (5,), (2, 3)):
        whole = draw_rows(6, *shape, generator=alone)
        assert torch.equal(whole, torch.cat([draw_rows(3, *shape, generator=half) for half in halves]))
    assert torch.equal(draw_signs(6, alone), torch.cat([draw_signs(3, half) for half in halves]))


def test_seed_step_and_part_of_a_step_decide() -> None:
    places = [(0, 5, 0), (1, 5, 0), (0, 6, 0), (0, 5, 1), (-1, 5, 0)]
    assert len({tuple(drawn(*place).flatten().tolist()) for place in places}) == len(places)
    assert torch.equal(drawn(0, 5, 0), drawn(0, 5, 0))
    before = torch.random.get_rng_state()
    drawn(0, 5, 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_steps_do_not_resemble_each_other() -> None:
    """Neighbouring seeds and steps of a simple generator may; the first numbers of 2,000 steps are uniform."""
    first = torch.stack([draw_rows(2, generator=step_generator(seed, step)) for seed in (0, 1) for step in range(1000)])
    assert first.mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    assert first.std(0).tolist() == pytest.approx([12**-0.5] * 2, abs=0.02)
    assert abs(torch.corrcoef(torch.stack([first[:-1, 0], first[1:, 0]]))[0, 1].item()) < 0.08


def test_signs_are_both_drawn_alike() -> None:
    signs = draw_signs(2000, torch.Generator().manual_seed(0))
    assert set(signs.tolist()) == {-1, 1}
    assert abs(signs.mean().item()) < 0.08


def test_a_plain_generator_and_none_draw_as_pytorch_does() -> None:
    assert torch.equal(
        draw_rows(2, 3, generator=torch.Generator().manual_seed(1)),
        torch.rand(2, 3, generator=torch.Generator().manual_seed(1)),
    )
    torch.manual_seed(1)
    found = draw_rows(2, 3)
    torch.manual_seed(1)
    assert torch.equal(found, torch.rand(2, 3))


def test_strong_colours_of_two_processes_are_those_of_one() -> None:
    """Factors go with the frame; order, blur and whether at all are drawn for the batch."""
    for step in range(20):
        whole = draw_strong(4, generator=step_generator(0, step))
        halves = [draw_strong(2, generator=step_generator(0, step, 0, rank, 2)) for rank in range(2)]
        assert {half.sigma for half in halves} == {whole.sigma}
        assert {half.jitter is None for half in halves} == {whole.jitter is None}
        if whole.jitter is None:
            continue
        for half in halves:
            assert half.jitter is not None
            assert half.jitter.order == whole.jitter.order
        for name in ("brightness", "contrast", "saturation", "hue"):
            joined = torch.cat([getattr(half.jitter, name) for half in halves])
            assert torch.equal(joined, getattr(whole.jitter, name))
