"""Planes of regions: golden fact 4, outliers, degenerate regions, sampled pixels, double precision."""

import pytest
import torch
from torch import Tensor

from vergence.geometry.plane_fits import PlaneFits, below_median, fit_sampled, pixel_lattice, plane_values

HEIGHT, WIDTH = 192, 640


def coordinates(height: int = HEIGHT, width: int = WIDTH, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """x and y (1, H, W)"""
    y, x = torch.meshgrid(torch.arange(height, dtype=dtype), torch.arange(width, dtype=dtype), indexing="ij")
    return x[None], y[None]


def everywhere(x: Tensor) -> Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def fit_planes(q: Tensor, regions: Tensor, count: int, reliable: Tensor, sample: Tensor | None = None) -> PlaneFits:
    """Of maps (B, H, W), at all pixels or at those of a sample."""
    height, width = q.shape[-2:]
    sample = torch.arange(height * width) if sample is None else sample
    maps = [x.flatten(1)[:, sample] for x in (q, regions, reliable)]
    return fit_sampled(maps[0], maps[1], count, maps[2], sample, height, width)


def test_ground_plane() -> None:
    """Golden fact 4: ground 1.65 below the camera, normalised to mean 1."""
    _, y = coordinates()
    inverse = ((y - 96) / (368.64 * 1.65)).clamp(min=0)
    depth = (1 / inverse[0, [146, 191], 0]).tolist()
    assert depth == pytest.approx([12.16512, 6.402695], rel=1e-5)
    assert inverse[0, [120, 130, 140], 0].tolist() == pytest.approx([0.0394571, 0.0558975, 0.0723380], rel=1e-5)
    q = inverse / inverse.mean()
    component = torch.where(y > 96, 0, -1)
    x, _ = coordinates()
    cells = torch.where(y > 96, (x // 64 + 10 * (y // 64)).long(), -1)
    for regions, count in ((component, 1), (cells, 30)):
        for sample in (None, pixel_lattice(HEIGHT, WIDTH, 4, q.device)):
            fits = fit_planes(q, regions, count, everywhere(q), sample=sample)
            inside = regions >= 0
            assert fits.ok.gather(1, regions.clamp(min=0).flatten(1)).view_as(inside)[inside].all()
            assert (plane_values(fits.theta, regions) - q)[inside].abs().max() < 1e-4


def test_theta_is_of_the_frame() -> None:
    x, y = coordinates(24, 40, torch.float64)
    theta = torch.tensor([[0.3, -0.4, 1.2]], dtype=torch.float64)
    regions = torch.zeros(1, 24, 40, dtype=torch.long)
    regions[:, :, 30:] = 1
    q = theta[0, 0] * (x / 40 - 0.5) + theta[0, 1] * (y / 24 - 0.5) + theta[0, 2]
    fits = fit_planes(q, regions, 3, everywhere(q))
    assert fits.ok.tolist() == [[True, True, False]]
    assert torch.allclose(fits.theta[0, :2], theta.expand(2, -1), atol=1e-5)
    assert torch.equal(fits.theta[0, 2], torch.zeros(3, dtype=torch.float64))


def test_weighted_squares_in_double_precision() -> None:
    """Against the formula of section 2.6, one region, plain linear algebra."""
    generator = torch.Generator().manual_seed(0)
    x, y = coordinates(20, 30, torch.float64)
    q = 1 + 0.3 * x / 30 + 0.03 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    q[:, 5:9, 5:9] *= 2
    reliable = torch.rand(x.shape, generator=generator) < 0.7
    fits = fit_planes(q, torch.zeros_like(x, dtype=torch.long), 1, reliable)

    basis = torch.stack((x / 30 - 0.5, y / 20 - 0.5, torch.ones_like(x)), dim=-1).view(-1, 3)
    values, trusted = q.flatten(), reliable.flatten().double()
    weight, theta = trusted, torch.zeros(3, dtype=torch.float64)
    for _ in range(6):
        theta = torch.linalg.solve(basis.T @ (basis * weight[:, None]), basis.T @ (weight * values))
        residual = basis @ theta - values
        scale = max(((residual.abs() * trusted).sum() / trusted.sum()).item(), 0.002)
        weight = trusted / (1 + (residual / (1.5 * scale)) ** 2) ** 2
    assert torch.allclose(fits.theta[0, 0], theta, atol=1e-4)
    assert fits.ok.all()


def test_third_of_outliers() -> None:
    x, y = coordinates(40, 60)
    truth = 1 + 0.4 * x / 60 - 0.3 * y / 40
    q = torch.where(x < 20, truth / 2, truth)
    fits = fit_planes(q, torch.zeros_like(x, dtype=torch.long), 1, x >= 10)
    assert fits.ok.all()
    assert (plane_values(fits.theta, torch.zeros_like(x, dtype=torch.long)) - truth).abs().max() < 0.01


def test_no_plane() -> None:
    """Two halves at different depth: no plane has 60 % of the pixels."""
    x, _ = coordinates(40, 60)
    q = torch.where((x // 4) % 2 == 0, 0.4, 1.6)
    assert not fit_planes(q, torch.zeros_like(x, dtype=torch.long), 1, everywhere(q)).ok.any()


@pytest.mark.parametrize("sampled", [False, True])
def test_degenerate_regions(sampled: bool) -> None:
    """0: a row, 1: a column, 2: one pixel, 3: a diagonal staircase, 4: two columns, 5: no pixel, 6: none reliable."""
    x, y = coordinates(64, 64)
    regions = torch.full((1, 64, 64), -1)
    regions[0, 3] = 0
    regions[0, 10:60, 5] = 1
    regions[0, 30, 30] = 2
    for step in range(30):
        regions[0, 20 + step, 30 + step : 32 + step] = 3
    regions[0, 10:60, 20:22] = 4
    regions[0, 50:60, 30:40] = 6
    sample = pixel_lattice(64, 64, 4, x.device) if sampled else None
    fits = fit_planes(1 + x / 64 - y / 64, regions, 7, regions != 6, sample=sample)
    assert fits.ok.tolist() == [[False, False, False, False, True, False, False]]
    assert fits.theta.isfinite().all()


def test_samples_meet_every_row_and_column() -> None:
    for stride in (1, 2, 3, 4):
        picked = torch.zeros(13, 22, dtype=torch.bool)
        picked.view(-1)[pixel_lattice(13, 22, stride, torch.device("cpu"))] = True
        assert picked.any(0).all()
        assert picked.any(1).all()
        assert picked.sum() == pytest.approx(13 * 22 / stride, abs=8)


def test_images_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    q = 1 + torch.rand(3, 16, 24, generator=generator) * 0.02
    regions = torch.randint(-1, 2, (3, 1, 24), generator=generator).expand(3, 16, 24)
    together = fit_planes(q, regions, 2, everywhere(q))
    for index in range(3):
        alone = fit_planes(q[index : index + 1], regions[index : index + 1], 2, everywhere(q[:1]))
        assert torch.equal(alone.theta[0], together.theta[index])
    monkeypatch.setattr("vergence.geometry.plane_fits.cache_blocks", lambda _: [slice(None)])
    at_once = fit_planes(q, regions, 2, everywhere(q))
    assert torch.allclose(at_once.theta, together.theta, atol=1e-6)


def test_below_median() -> None:
    generator = torch.Generator().manual_seed(2)
    error = torch.rand(2, 50, generator=generator)
    regions = torch.randint(-1, 4, (2, 3, 50), generator=generator)
    result = below_median(error, regions, 6)
    for b in range(2):
        for m in range(3):
            assert not result[b, m][regions[b, m] == -1].any()
            for r in range(4):
                member = regions[b, m] == r
                expected = error[b][member] <= error[b][member].median()
                assert torch.equal(result[b, m][member], expected)
    equal = below_median(torch.full((1, 9), torch.inf), torch.zeros(1, 1, 9, dtype=torch.long), 1)
    assert equal.all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, R, 3\)"):
        plane_values(torch.ones(1, 2), torch.zeros(1, 4, 4, dtype=torch.long))
