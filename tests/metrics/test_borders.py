"""Distances from borders of classes to edges of depth: known scenes, any scale, no borders, brute force."""

import math

import pytest
import torch

from vergence.metrics.borders import CAP, border_pixels, border_scores, depth_edges, distances


def box(height=60, width=90, top=20, left=30, rows=20, columns=25):
    """An object before a slanted ground plane: its inverse depth, its mask."""
    rise = torch.linspace(0.02, 0.2, height)[:, None].expand(height, width).clone()
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top : top + rows, left : left + columns] = True
    rise[mask] = 0.5
    return rise, mask


def test_a_sharp_object_is_found_everywhere():
    depth, mask = box()
    found = border_scores(depth, mask)
    assert found.pixels == 2 * (20 + 25) - 4
    assert found.distance < 0.8
    assert found.recall == 1


@pytest.mark.parametrize("shift", [2, 5, 8, 15])
def test_a_shifted_object_is_as_far_as_it_is_shifted(shift):
    _, mask = box(left=20 + shift, top=0, rows=60, columns=45)
    depth = torch.where(box(left=20, top=0, rows=60, columns=45)[1], 0.5, 0.05)
    found = border_scores(depth, mask)
    assert found.distance == pytest.approx(shift, abs=0.6)
    assert found.recall == (1 if shift <= 2 else 0)


def test_any_scale_gives_the_same():
    depth, mask = box()
    depth = torch.nn.functional.avg_pool2d(depth[None, None], 3, 1, 1)[0, 0]
    plain = border_scores(depth, mask)
    assert border_scores(depth * 731, mask) == pytest.approx(plain)
    assert border_scores(depth.float() * 1e-4, mask) == pytest.approx(plain)
    assert plain.recall > 0.95


def test_depth_that_sees_nothing_is_as_far_as_can_be():
    _, mask = box()
    plane = torch.linspace(0.02, 0.2, 60)[:, None].expand(60, 90)
    for flat in (torch.ones(60, 90), plane, torch.zeros(60, 90)):
        found = border_scores(flat, mask)
        assert not depth_edges(flat).any()
        assert found.distance == CAP
        assert found.recall == 0


def test_low_contrast_is_no_edge():
    _, mask = box()
    assert not depth_edges(torch.where(mask, 1.05, 1.0)).any()
    assert depth_edges(torch.where(mask, 1.15, 1.0)).any()


def test_blurred_edges_stay_in_the_middle():
    step = torch.where(torch.arange(64) < 16, 1.0, 2.0).expand(32, 64)[:, ::4]
    large = torch.nn.functional.interpolate(step[None, None], (32, 64), mode="bilinear", align_corners=False)[0, 0]
    columns = depth_edges(large).nonzero()[:, 1]
    assert len(columns) == 32
    assert (columns - 15.5).abs().max() <= 1.5


def test_predictions_are_resized_to_the_labels():
    depth, mask = box()
    small = depth[::2, ::2]
    assert border_scores(small, mask).recall == 1


def test_borders_are_next_to_known_background():
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[1:4, 0:4] = True
    known = torch.ones_like(mask)
    known[:, 4] = False
    assert border_pixels(mask).sum() == 4 + 4 + 1  # not along the picture's own edge
    found = border_pixels(mask, known)
    assert not found[2].any()
    assert found[1].sum() == found[3].sum() == 4


def test_no_border_is_nan():
    for mask in (torch.zeros(6, 8, dtype=torch.bool), torch.ones(6, 8, dtype=torch.bool)):
        found = border_scores(torch.rand(6, 8) + 0.1, mask)
        assert math.isnan(found.distance)
        assert math.isnan(found.recall)
        assert found.pixels == 0


def test_distances_against_brute_force():
    generator = torch.Generator().manual_seed(0)
    edges = torch.rand(40, 50, generator=generator) < 0.004
    places = torch.rand(40, 50, generator=generator) < 0.2
    found = distances(edges, places)
    brute = torch.cdist(places.nonzero().double(), edges.nonzero().double()).amin(1).clamp_max(CAP)
    torch.testing.assert_close(found, brute)
    assert (distances(torch.zeros_like(edges), places) == CAP).all()


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"shapes \(1, 4, 4\), \(4, 4\) and None"):
        border_scores(torch.ones(1, 4, 4), torch.ones(4, 4, dtype=torch.bool))
