"""Border morph: golden displacements of one match, the field against a plain sum, an edge that is moved, no edges."""

import pytest
import torch

from vergence.losses.hint_borders import (
    FALL_OFF,
    NEAREST,
    border_candidates,
    edge_matches,
    edge_strength,
    match_displacement,
    morph_field,
)


@pytest.mark.parametrize(
    ("p", "expected", "tolerance"),
    [
        (13, -3, 1e-4),
        (11.5, -2.25, 1e-4),
        (10, -1.5, 1e-4),
        (7, 0, 1e-4),
        (6, 0, 1e-4),
        (14, -3.355, 1e-3),
        (16, -0.3195, 1e-3),
        (20, 0, 0.01),
    ],
)
def test_one_match(p: float, expected: float, tolerance: float) -> None:
    """Golden facts of border morph: o = (10, 10), s = (13, 10)."""
    o, s = torch.tensor([10.0, 10]), torch.tensor([13.0, 10])
    moved = match_displacement(torch.tensor([p, 10.0]), o, s)
    assert moved.tolist() == pytest.approx([expected, 0], abs=tolerance)
    if p == int(p):  # the same through the field of a whole image
        matched = torch.zeros(1, 24, 40, dtype=torch.bool)
        matched[0, 10, 10] = True
        dx, dy = torch.full((1, 24, 40), 3), torch.zeros(1, 24, 40, dtype=torch.long)
        field = morph_field(matched, dx, dy)
        assert field[0, :, 10, int(p)].tolist() == pytest.approx([expected, 0], abs=max(tolerance, 1e-3))
        assert (field[..., 31:] == 0).all()  # beyond 20 pixels


def test_no_displacement_without_difference() -> None:
    o = torch.tensor([4.0, 5])
    assert match_displacement(torch.tensor([6.0, 5]), o, o).tolist() == [0, 0]


def test_field_against_a_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    height, width = 20, 30
    matched = torch.rand(2, height, width, generator=generator) < 0.02
    dx = torch.randint(-7, 8, matched.shape, generator=generator)
    dy = torch.randint(-3, 4, matched.shape, generator=generator)
    field = morph_field(matched, dx, dy)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    p = torch.stack((x, y), dim=-1).double()
    for b in range(2):
        total, weights = torch.zeros(height, width, 2).double(), torch.zeros(height, width, 1).double()
        for row, column in matched[b].nonzero().tolist():
            o = torch.tensor([column, row]).double()
            s = o + torch.stack((dx[b, row, column], dy[b, row, column])).double()
            near = ((p - o).abs() <= 20).all(dim=-1, keepdim=True)
            weight = near * (torch.linalg.vector_norm(p - o, dim=-1, keepdim=True) + NEAREST) ** -FALL_OFF
            total += weight * match_displacement(p, o, s)
            weights += weight
        expected = torch.where(weights > 0, total / weights.clamp(min=1e-9), 0).permute(2, 0, 1)
        assert torch.allclose(field[b].double(), expected, atol=2e-3)


def test_matches_are_nearest_and_thin() -> None:
    depth_edges, label_edges = torch.zeros(2, 1, 20, 30, dtype=torch.bool)
    depth_edges[0, :, 12] = True
    label_edges[0, :, 15] = True
    label_edges[0, :, 19] = True
    matched, dx, dy = edge_matches(depth_edges, label_edges)
    assert torch.equal(matched.any(dim=1)[0].nonzero()[:, 0], torch.tensor([12]))
    rows = matched[0, :, 12].nonzero()[:, 0]
    assert torch.equal(rows // 5, torch.arange(4))  # one in 5 x 5
    assert (dx[matched] == 3).all()
    assert (dy[matched] == 0).all()
    assert not edge_matches(depth_edges, torch.zeros_like(depth_edges))[0].any()
    far = torch.zeros_like(depth_edges)
    far[0, :, 20] = True
    assert not edge_matches(depth_edges, far)[0].any()


def test_edge_moves_to_the_label() -> None:
    """A strip that depth makes 4 pixels too wide on both sides."""
    truth, present = torch.full((1, 1, 40, 60), 0.5), torch.full((1, 1, 40, 60), 0.5)
    truth[..., 20:40] = 1.5
    present[..., 16:44] = 1.5
    moved = border_candidates(present, truth[:, 0] > 1)
    result = torch.where(moved.isfinite(), moved, present)
    middle = (..., slice(14, 26), slice(None))
    before = (present - truth).abs()[middle].mean()
    assert (result - truth).abs()[middle].mean() < 0.4 * before


def test_nothing_to_pull() -> None:
    smooth = torch.linspace(0.5, 1.5, 40)[None, None, :, None].expand(1, 1, 40, 60)
    assert border_candidates(smooth, torch.ones(1, 40, 60, dtype=torch.bool)).isnan().all()
    assert border_candidates(smooth, torch.zeros(1, 40, 60, dtype=torch.bool)).isnan().all()


def test_edge_strength() -> None:
    step = torch.zeros(1, 1, 5, 6)
    step[..., 3:] = 1
    assert edge_strength(step)[0, 0, 2].tolist() == [0, 0, 4, 4, 0, 0]
