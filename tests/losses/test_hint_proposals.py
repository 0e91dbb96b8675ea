"""What labels suggest: planes on planes, the rules of leaving out, sky, neighbours, degenerate labels, bad input."""

import pytest
import torch
from torch import Tensor

from tests.losses.planes import HEIGHT, WIDTH, halves, slanted
from vergence.losses.hint_proposals import (
    FAMILIES,
    OFFSETS,
    ClassGroups,
    Proposals,
    is_class,
    neighbour_candidates,
    propose,
    shifted,
    slopes,
)
from vergence.settings.losses import HintProposalConfig

DEFAULT = HintProposalConfig()


def holed(truth: Tensor) -> tuple[Tensor, Tensor]:
    """Present depth with a patch of half the inverse depth, and its error."""
    present, error = truth.clone(), torch.full_like(truth, 0.01)
    present[..., 10:20, 10:22] /= 2
    error[..., 10:20, 10:22] = 0.4
    return present, error


def suggest(present: Tensor, labels: Tensor, error: Tensor, *families: str, **settings) -> Proposals:
    return propose(present, labels, error, HintProposalConfig(families=families or DEFAULT.families), **settings)


@pytest.mark.parametrize("families", [("components",), ("cells",), ("cells", "components")])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_planes_fill_the_hole(families: tuple[str, ...], dtype: torch.dtype) -> None:
    truth = slanted()
    present, error = holed(truth)
    found = suggest(present, halves().to(dtype), error, *families)
    wrong = present != truth
    assert [FAMILIES[index] for index in found.family] == sorted(
        ["components"] * ("components" in families) + ["cells"] * 4 * ("cells" in families), key=FAMILIES.index
    )
    assert (found.valid & wrong).any(dim=1, keepdim=True)[wrong].all()
    assert not (found.valid & ~wrong).any()  # what is right already has nothing to gain
    at_hole = found.inverse_depth / truth
    assert (at_hole[found.valid] - 1).abs().max() < 1e-3
    assert torch.equal(found.inverse_depth[~found.valid], present.expand_as(found.valid)[~found.valid])


def test_unit_does_not_matter() -> None:
    truth = slanted()
    present, error = holed(truth)
    one, other = suggest(present, halves(), error), suggest(8 * present, halves(), error)
    assert torch.equal(one.valid, other.valid)
    assert torch.allclose(8 * one.inverse_depth, other.inverse_depth)


def test_sky_is_far() -> None:
    truth = slanted()
    present, error = holed(truth)
    labels = halves()
    labels[:, :5] = 10
    found = suggest(present, labels, error, groups=ClassGroups(sky=(10,)), far_value=0.01)
    assert found.valid[:, 0, :5].all()
    assert not found.valid[:, 1:, :5].any()
    assert torch.allclose(found.inverse_depth[:, 0, :5], torch.tensor(0.01))
    already = present.clone()
    already[:, :, :5] = 0.01
    assert not suggest(already, labels, error, groups=ClassGroups(sky=(10,)), far_value=0.01).valid[:, :, :5].any()


def test_far_and_negative_planes_are_left_out() -> None:
    """A plane that crosses infinity inside its region."""
    y = torch.arange(HEIGHT).float()[:, None].expand(HEIGHT, WIDTH)
    present = ((y - 20) / HEIGHT).clamp(min=1e-3)[None, None]
    labels = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.long)
    found = suggest(present, labels, torch.where(y < 21, 0.5, 0.01)[None, None], "components")
    assert not found.valid[:, :, :21].any()
    assert (found.inverse_depth > 0).all()


@pytest.mark.parametrize("kind", ["ignored", "one class", "single pixels", "rows", "unknown class"])
def test_degenerate_labels(kind: str) -> None:
    present, error = holed(slanted())
    labels = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.long)
    if kind == "ignored":
        labels[:] = 255
    elif kind == "single pixels":
        labels[:] = torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH) % 250
    elif kind == "rows":
        labels[:] = torch.arange(HEIGHT)[:, None]
    elif kind == "unknown class":
        labels[:] = 99
    found = suggest(present, labels, error, *FAMILIES, classes=64, groups=ClassGroups(foreground=(5,)))
    assert found.inverse_depth.isfinite().all()
    planes = found.valid[:, found.family <= 1]
    assert planes.any() == (kind in ("one class", "unknown class"))
    if kind == "ignored":
        assert not found.valid.any()
    flat = suggest(torch.ones_like(present), labels, torch.full_like(error, torch.inf), *FAMILIES, classes=64)
    assert not flat.valid.any()


def test_tiny_image_and_batch_of_one() -> None:
    for height, width in ((2, 3), (1, 7), (9, 5)):
        present = torch.rand(1, 1, height, width) + 0.1
        labels = torch.zeros(1, height, width, dtype=torch.long)
        found = suggest(present, labels, torch.zeros_like(present), "components", "cells", "neighbours")
        assert found.inverse_depth.isfinite().all()


def test_images_do_not_mix() -> None:
    present, error = holed(slanted(3))
    labels = torch.cat((halves(), halves()[:1].flip(-1)))
    together = suggest(present, labels, error, *FAMILIES)
    for index in range(3):
        part = slice(index, index + 1)
        alone = suggest(present[part], labels[part], error[part], *FAMILIES)
        assert torch.equal(alone.valid, together.valid[part])
        assert torch.allclose(alone.inverse_depth, together.inverse_depth[part])


def test_is_class() -> None:
    labels = torch.tensor([[0, 2, 255]], dtype=torch.uint8)
    assert is_class(labels, (2, 255)).tolist() == [[False, True, True]]
    assert not is_class(labels, ()).any()


def test_bad_input() -> None:
    present, error = holed(slanted())
    with pytest.raises(ValueError, match="families of hints"):
        suggest(present, halves(), error, "planes")
    with pytest.raises(ValueError, match="families of hints"):
        propose(present, halves(), error, HintProposalConfig(families=()))
    with pytest.raises(ValueError, match=r"labels \(2, 47, 80\)"):
        suggest(present, halves()[:, 1:], error)


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


def test_slopes_lean_to_no_side() -> None:
    """Four differences have two in the middle; the lower one alone would make all slopes of noise fall."""
    q = 1 + 0.01 * torch.randn(1, 1, 64, 128, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(1, 64, 128, dtype=torch.long)
    (by_x, by_y), (mirrored, _) = slopes(q, labels), slopes(q.flip(-1), labels)
    torch.testing.assert_close(by_x, -mirrored.flip(-1), rtol=0, atol=1e-7)
    assert by_x.mean().abs() < 1e-4
    assert by_y.mean().abs() < 1e-4


def test_shifted() -> None:
    x = torch.arange(6.0).view(1, 2, 3)
    down_left, up_right, outside = shifted(x, [(1, -1), (-1, 2), (0, 3)], -1.0)[0]
    assert down_left.tolist() == [[-1, 3, 4], [-1, -1, -1]]
    assert up_right.tolist() == [[-1, -1, -1], [2, -1, -1]]
    assert (outside == -1).all()
