"""Hints from neighbours of the same class carry their slope."""

import torch

from tests.losses.planes import HEIGHT, WIDTH, halves, slanted
from vergence.losses.hint_neighbours import OFFSETS, neighbour_candidates, shifted, slopes


def test_neighbours_carry_the_slope() -> None:
    q, labels = slanted(1), halves()[:1].long()
    by_x, by_y = slopes(q, labels)
    assert torch.allclose(by_x, torch.tensor(0.1 / WIDTH), atol=1e-6)
    assert torch.allclose(by_y, torch.tensor(0.2 / HEIGHT), atol=1e-6)
    found = neighbour_candidates(q, labels)
    assert found.shape[1] == 2 * len(OFFSETS)
    known = found.isfinite()
    assert torch.allclose(found[known], q.expand_as(found)[known], atol=1e-4)
    assert not known[0, OFFSETS.index(8), :, 42:50].any()  # the neighbour is of another class
    assert known[0, OFFSETS.index(8), :, 50:72].all()
    single = neighbour_candidates(q, torch.arange(HEIGHT * WIDTH).view(1, HEIGHT, WIDTH))
    assert single.isnan().all()


def test_shifted() -> None:
    x = torch.arange(6.0).view(2, 3)
    assert shifted(x, 1, -1, -1.0).tolist() == [[-1, 3, 4], [-1, -1, -1]]
    assert shifted(x, -1, 2, -1.0).tolist() == [[-1, -1, -1], [2, -1, -1]]
    assert (shifted(x, 0, 3, 9.0) == 9).all()
