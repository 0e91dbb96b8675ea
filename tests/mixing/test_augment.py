"""Colour jitter and blur against slow twins, and the draws."""

import colorsys
import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from vergence.mixing.augment import (
    CHANGES,
    ColorJitter,
    StrongDraw,
    blur_kernel_size,
    color_jitter,
    draw_strong,
    gaussian_blur,
    strong_augment,
)


def images(batch: int = 2, height: int = 12, width: int = 16) -> Tensor:
    """Any colours, and also black, white, grey and the pure ones."""
    values = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)] * 3)  # 27 colours
    values.flatten(2)[:, :, : len(corners)] = corners.T
    return values


def jitter(batch: int, order: tuple = CHANGES, **factors: float) -> ColorJitter:
    values = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0, **factors}
    return ColorJitter(*(torch.full((batch,), values[name], dtype=torch.float64) for name in CHANGES), order)


def hsv_twin(values: Tensor, saturation: float = 1.0, hue: float = 0.0) -> Tensor:
    out = torch.empty_like(values)
    for index in np.ndindex(values.shape[0], *values.shape[2:]):
        b, y, x = index
        h, s, v = colorsys.rgb_to_hsv(*values[b, :, y, x].tolist())
        out[b, :, y, x] = torch.tensor(colorsys.hsv_to_rgb((h + hue) % 1, min(s * saturation, 1), v))
    return out


def test_brightness_is_added_and_contrast_multiplies() -> None:
    x = images()
    got = color_jitter(x, jitter(2, brightness=1.2, order=("brightness",)))
    assert torch.allclose(got, (x + 0.2).clamp(0, 1))
    assert torch.allclose(color_jitter(x, jitter(2, contrast=0.7, order=("contrast",))), x * 0.7)
    assert color_jitter(x, jitter(2, contrast=1.25)).max() == 1


@pytest.mark.parametrize("factor", [0.0, 0.75, 1.0, 1.25, 3.0])
def test_saturation_twin(factor: float) -> None:
    x = images()
    got = color_jitter(x, jitter(2, saturation=factor, order=("saturation",)))
    assert torch.allclose(got, hsv_twin(x, saturation=factor), atol=1e-9)


@pytest.mark.parametrize("turn", [-0.5, -0.25, -0.01, 0.0, 1 / 6, 0.25, 1.0])
def test_hue_twin(turn: float) -> None:
    """Also for pixels whose largest channel is exactly 1, which the official library got wrong."""
    x = images()
    got = color_jitter(x, jitter(2, hue=turn, order=("hue",)))
    assert torch.allclose(got, hsv_twin(x, hue=turn), atol=1e-9)


def test_order_matters_and_is_followed() -> None:
    x = images()
    factors = {"brightness": 1.2, "contrast": 0.8, "saturation": 1.2, "hue": 0.1}
    one = color_jitter(x, jitter(2, **factors))
    other = color_jitter(x, jitter(2, order=CHANGES[::-1], **factors))
    assert not torch.allclose(one, other)
    expected = hsv_twin(((x + 0.2).clamp(0, 1) * 0.8).clamp(0, 1), saturation=1.2, hue=0.1)
    assert torch.allclose(one, expected, atol=1e-9)


def test_each_image_has_its_own_factors() -> None:
    x = images(3)
    draw = draw_strong(3, jitter_probability=1.0, generator=torch.Generator().manual_seed(2)).jitter
    assert draw is not None
    together = color_jitter(x, draw)
    for index in range(3):
        own = [getattr(draw, name)[index : index + 1] for name in CHANGES]
        alone = color_jitter(x[index : index + 1], ColorJitter(*own, draw.order))
        assert torch.allclose(together[index : index + 1], alone)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_colours_stay_in_range_and_inputs_as_they_are(dtype: torch.dtype) -> None:
    x = images().to(dtype)
    before = x.clone()
    for seed in range(10):
        draw = draw_strong(2, 1.0, 0.5, 1.0, generator=torch.Generator().manual_seed(seed))
        got = strong_augment(x, draw)
        assert got.dtype == dtype
        assert got.min() >= 0
        assert got.max() <= 1 + 1e-6
        assert got.isfinite().all()
    assert torch.equal(x, before)


@pytest.mark.parametrize(("side", "size"), [(512, 51), (510, 51), (1024, 103), (360, 35), (10, 1), (1, 1), (21, 3)])
def test_blur_kernel_size(side: int, size: int) -> None:
    """Golden fact 16."""
    assert blur_kernel_size(side) == size


def blur_twin(x: Tensor, sigma: float) -> Tensor:
    """Full kernels by matrices over explicitly reflected indices."""
    out = x.double()
    for dim in (2, 3):
        n = x.shape[dim]
        radius = blur_kernel_size(n) // 2
        weights = [math.exp(-((k / sigma) ** 2) / 2) for k in range(-radius, radius + 1)]
        matrix = torch.zeros(n, n, dtype=torch.float64)
        for i in range(n):
            for k, weight in zip(range(-radius, radius + 1), weights, strict=True):
                j = abs(i + k)
                matrix[i, j if j < n else 2 * (n - 1) - j] += weight / sum(weights)
        out = torch.einsum("ij,bcjw->bciw" if dim == 2 else "ij,bchj->bchi", matrix, out)
    return out


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.15, 4.0])
@pytest.mark.parametrize("size", [(150, 60), (9, 40), (1, 1)])
def test_blur_twin(sigma: float, size: tuple[int, int]) -> None:
    x = images(1, 8, 8)[..., :1, :1].expand(1, 3, *size) if size == (1, 1) else torch.rand(1, 3, *size).double()
    assert torch.allclose(gaussian_blur(x, sigma), blur_twin(x, sigma), rtol=0, atol=1e-15)
    single = x.float()
    assert torch.allclose(gaussian_blur(single, sigma).double(), blur_twin(single, sigma), rtol=0, atol=3e-7)


def test_blur_keeps_constants_and_sums() -> None:
    assert torch.allclose(gaussian_blur(torch.full((1, 3, 50, 70), 0.3), 1.0), torch.tensor(0.3))
    point = torch.zeros(1, 3, 101, 101)
    point[..., 50, 50] = 1
    assert gaussian_blur(point, 1.0).sum().item() == pytest.approx(3, rel=1e-6)


def test_probabilities_of_the_draw() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [draw_strong(1, generator=generator) for _ in range(2000)]
    assert np.mean([draw.jitter is not None for draw in draws]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([draw.sigma is not None for draw in draws]) == pytest.approx(0.5, abs=0.04)
    sigmas = [draw.sigma for draw in draws if draw.sigma is not None]
    assert 0.15 <= min(sigmas) < 0.17
    assert 1.13 < max(sigmas) <= 1.15
    jitters = [draw.jitter for draw in draws if draw.jitter is not None]
    assert len(Counter(jitter.order for jitter in jitters)) == 24
    for name, middle in zip(CHANGES, (1, 1, 1, 0), strict=True):
        factors = torch.cat([getattr(jitter, name) for jitter in jitters]) - middle
        assert -0.25 <= factors.min() < -0.24
        assert 0.24 < factors.max() <= 0.25


def test_draws_never_and_always() -> None:
    assert draw_strong(2, 0.0, 0.25, 0.0) == StrongDraw()
    always = draw_strong(2, 1.0, 0.25, 1.0)
    assert always.jitter is not None
    assert always.sigma is not None
    x = images()
    assert strong_augment(x, StrongDraw()) is x
    expected = gaussian_blur(color_jitter(x, always.jitter), always.sigma)
    assert torch.equal(strong_augment(x, always), expected)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4, 8, 8\), expected \(B, 3, H, W\)"):
        color_jitter(torch.zeros(2, 4, 8, 8), jitter(2))
    with pytest.raises(ValueError, match=r"brightness has shape \(3,\), expected \(2,\)"):
        color_jitter(images(), jitter(3))
    with pytest.raises(ValueError, match=r"\(3, 8, 8\)"):
        gaussian_blur(torch.zeros(3, 8, 8), 1.0)
    with pytest.raises(ValueError, match=r"sigma is 0"):
        gaussian_blur(images(), 0)
    with pytest.raises(ValueError, match="blur_probability is 2"):
        draw_strong(2, blur_probability=2)
    with pytest.raises(ValueError, match="strength is -1"):
        draw_strong(2, strength=-1)


def test_nothing_waits_for_a_value() -> None:
    draw = draw_strong(2, 1.0, 0.25, 1.0)
    assert strong_augment(torch.empty(2, 3, 40, 40, device="meta"), draw).device.type == "meta"
