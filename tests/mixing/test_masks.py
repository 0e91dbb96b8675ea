"""What the masks keep, whose draws they are, and that they keep no one waiting."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.mixing.seeded import seeded
from vergence.mixing.masks import (
    classmix_mask,
    cutmix_mask,
    depth_band_mask,
    depth_histogram_mask,
    depth_threshold_mask,
    depthmix_mask,
)

DEPTH_MASKS = [depthmix_mask, depth_threshold_mask, depth_histogram_mask]


def row(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, -1)


def disparities(batch: int = 3, height: int = 20, width: int = 30) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=seeded())


def test_depthmix_keeps_the_nearer_surface() -> None:
    """Golden fact 13."""
    masks = depthmix_mask(torch.stack([row(0.2, 0.5, 0.8, 0), row(0.2, 0.54, 0.1, 0.02)]), margin=0.03)
    assert masks[0].flatten().tolist() == [1, 0, 1, 1]
    assert masks[1].flatten().tolist() == [1, 1, 0, 1]


def test_depthmix_of_two_batches() -> None:
    both = disparities(2)
    pair = depthmix_mask(both[:1], other=both[1:])
    assert torch.equal(pair, depthmix_mask(both)[:1])


def test_depthmix_threshold() -> None:
    maps = disparities(2)
    plain, near = depthmix_mask(maps), depthmix_mask(maps, threshold=0.2)
    assert torch.equal(near, plain * (maps >= 0.2))
    one_each = depthmix_mask(maps, threshold=torch.tensor([0.1, 0.6]))
    assert torch.equal(one_each, plain * (maps >= torch.tensor([0.1, 0.6]).view(2, 1, 1, 1)))
    drawn = depthmix_mask(maps, threshold=(0.1, 0.4), generator=seeded(5))
    expected = torch.rand(2, generator=seeded(5)) * (0.4 - 0.1) + 0.1
    assert torch.equal(drawn, plain * (maps >= expected.view(2, 1, 1, 1)))


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("make", DEPTH_MASKS)
def test_any_batch_size(batch: int, make: object) -> None:
    mask = make(disparities(batch))  # type: ignore[operator]
    assert mask.shape == (batch, 1, 20, 30)
    assert mask.dtype == torch.float32
    assert set(mask.unique().tolist()) <= {0, 1}


def test_depthmix_of_one_image_keeps_it() -> None:
    assert (depthmix_mask(disparities(1)) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_depth_masks_follow_the_type_of_disparity(dtype: torch.dtype) -> None:
    for make in DEPTH_MASKS:
        assert make(disparities().to(dtype)).dtype == dtype


def test_thresholds_are_drawn_for_each_image() -> None:
    ramp = torch.linspace(0, 1, 1001).view(1, 1, 1, -1).expand(200, 1, 1, -1)
    thresholds = 1 - depth_threshold_mask(ramp, 0.1, 0.4, generator=seeded()).mean((1, 2, 3))
    assert 0.099 <= thresholds.min() < 0.12
    assert 0.38 < thresholds.max() <= 0.401
    assert thresholds.unique().numel() > 100
    given = depth_threshold_mask(ramp[:2], threshold=torch.tensor([0.25, 0.75]))
    assert (1 - given.mean((1, 2, 3))).tolist() == pytest.approx([0.25, 0.75], abs=2e-3)


def test_band_and_its_official_form() -> None:
    maps = row(0.1, 0.25, 0.5, 0.75).view(1, 1, 1, 4)
    assert depth_band_mask(maps, 0.2, 0.5).flatten().tolist() == [0, 1, 1, 0]
    assert depth_band_mask(maps, 0.2, 0.5, official=True).flatten().tolist() == [1, 0, 0, 0]


def test_classmix_keeps_what_was_chosen() -> None:
    """Golden fact 29."""
    labels = torch.tensor([[[0, 1], [2, 3]]])
    assert classmix_mask(labels, chosen=[torch.tensor([1, 3])]).tolist() == [[[[0, 1], [0, 1]]]]
    assert classmix_mask(labels, chosen=[torch.tensor([], dtype=torch.long)]).sum() == 0


@pytest.mark.parametrize("present", [1, 2, 3, 5, 18])
def test_classmix_draws_half_of_the_classes(present: int) -> None:
    classes = torch.randperm(19, generator=seeded())[:present]
    labels = classes[torch.arange(6 * 60) % present].view(6, 6, 10)
    labels[:, 0, 0] = 255
    mask = classmix_mask(labels, generator=seeded(1))
    assert mask.shape == (6, 1, 6, 10)
    for image, kept in zip(labels, mask[:, 0].bool(), strict=True):
        drawn, left = set(image[kept].tolist()), set(image[~kept].tolist())
        assert not drawn & left
        assert 255 in left
        assert len(drawn) == present // 2


def test_classmix_draws_are_fair() -> None:
    labels = torch.tensor([3, 7, 250, 11]).repeat(3000, 1).view(3000, 2, 2)
    mask = classmix_mask(labels, generator=seeded()).flatten(1).bool()
    pairs = Counter(tuple(labels.flatten(1)[0][kept].tolist()) for kept in mask)
    assert len(pairs) == 6
    assert all(abs(count - 500) < 100 for count in pairs.values())


def test_classmix_ignores_another_label() -> None:
    labels = torch.tensor([[[0, 0], [250, 250]]])
    assert classmix_mask(labels, ignore=250).sum() == 0  # one class: none is kept
    assert classmix_mask(labels).sum() == 2


def test_cutmix_gives_up_one_box() -> None:
    masks = cutmix_mask(200, 40, 60, generator=seeded())
    assert masks.shape == (200, 1, 40, 60)
    given_up = 1 - masks[:, 0]
    rows, columns = given_up.amax(2).sum(1), given_up.amax(1).sum(1)
    assert torch.equal(rows * columns, given_up.sum((1, 2)))  # a full rectangle
    assert masks.mean((1, 2, 3)).sub(0.5).abs().max() < 0.03
    assert rows.min() < 24
    assert rows.max() > 38
    assert cutmix_mask(1, 40, 60, area=0.1).mean() == pytest.approx(0.9, abs=0.02)


def test_global_generator_is_the_default() -> None:
    labels, maps = torch.randint(0, 9, (2, 8, 8)), disparities()
    for draw in (
        lambda: classmix_mask(labels),
        lambda: cutmix_mask(2, 8, 8),
        lambda: depth_threshold_mask(maps),
        lambda: depth_histogram_mask(maps),
        lambda: depthmix_mask(maps, threshold=(0.0, 0.9)),
    ):
        torch.manual_seed(3)
        one = draw()
        other = draw()
        torch.manual_seed(3)
        assert torch.equal(one, draw())
        assert not torch.equal(one, other)


@pytest.mark.parametrize("make", [*DEPTH_MASKS, lambda x: depth_band_mask(x, 0, 1)])
def test_disparity_must_have_one_channel(make: object) -> None:
    for shape in ((2, 4, 5), (2, 3, 4, 5)):
        with pytest.raises(ValueError, match=r"expected \(B, 1, H, W\)"):
            make(torch.zeros(shape))  # type: ignore[operator]


def test_other_bad_input() -> None:
    with pytest.raises(ValueError, match="expected one"):
        depthmix_mask(disparities(2), other=disparities(3))
    with pytest.raises(ValueError, match=r"threshold has shape \(2,\), expected \(3,\)"):
        depthmix_mask(disparities(3), threshold=torch.zeros(2))
    with pytest.raises(ValueError, match=r"\(2, 1, 3, 3\), expected \(B, H, W\)"):
        classmix_mask(torch.zeros(2, 1, 3, 3))
    with pytest.raises(ValueError, match="chosen for 1 images, expected 2"):
        classmix_mask(torch.zeros(2, 3, 3), chosen=[torch.tensor([0])])
    for area in (0.0, 1.0):
        with pytest.raises(ValueError, match="0 < area < 1"):
            cutmix_mask(1, 4, 4, area=area)


def test_nothing_waits_for_a_value() -> None:
    """On tensors without values, anything that reads one (.item(), unique, an if on a tensor) raises."""
    maps = torch.empty(3, 1, 8, 8, device="meta")
    for make in DEPTH_MASKS:
        assert make(maps).device.type == "meta"
    assert depthmix_mask(maps, threshold=(0.1, 0.4)).device.type == "meta"
    assert classmix_mask(maps[:, 0].long()).device.type == "meta"


def histogram_twin(values: np.ndarray) -> tuple[float, float]:
    """The range in words of the parity notes, with NumPy's histogram."""
    density, edges = np.histogram(values, bins=100, density=True)
    pairs = list(zip(density[::-1], edges[::-1], strict=False))  # one more edge than bins: a bin's upper edge
    upper = next((edge for dense, edge in pairs[1:] if dense > 1.5), edges[-1])
    share = np.cumsum(density * np.diff(edges))
    return edges[int(np.argmax(share > 0.4))], upper


def test_histogram_range_twin() -> None:
    shapes = torch.stack([torch.rand(1, 40, 50, generator=seeded(seed)) ** (seed + 1) for seed in range(5)])
    for uniform in (0.0, 0.4, 1.0):
        masks = depth_histogram_mask(shapes, uniform=torch.full((5,), uniform))
        for mask, shape in zip(masks, shapes, strict=True):
            low, high = histogram_twin(np.log1p(shape.numpy().astype(np.float64)).ravel())
            expected = shape >= uniform * (high - low) + low
            assert (mask.bool() != expected).sum() <= 2  # a bin's edge in single precision


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_histogram_of_a_constant_map_keeps_all(value: float) -> None:
    assert (depth_histogram_mask(torch.full((2, 1, 4, 4), value)) == 1).all()
