"""The photometric error with its own gradient against the plain formula in float64, and what is done with it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.photometric import (
    automask,
    automasked_loss,
    minimum_error,
    photometric_error,
    ssim_distance,
    target_statistics,
    tie_break_noise,
)


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def views(batch: int = 2, sources: int = 2, size: tuple[int, int] = (7, 9)) -> tuple[Tensor, Tensor]:
    """Sources that resemble the target (SSIM of all kinds), and the target."""
    target = rand(batch, 3, *size)
    noise = torch.linspace(0.05, 0.9, sources, dtype=torch.float64)[None, :, None, None, None]
    mixed = (1 - noise) * target[:, None] + noise * rand(batch, sources, 3, *size, seed=1)
    return mixed, target


def naive(prediction: Tensor, target: Tensor, weight: float = 0.85) -> Tensor:
    """Spec section 1.4, word by word, in float64: one source after the other, all gradients by autograd."""
    maps = []
    target = target.double()
    for x in prediction.double().unbind(dim=1):

        def mean(image: Tensor) -> Tensor:
            padded = F.pad(image, (1, 1, 1, 1), mode="reflect")
            return padded.unfold(2, 3, 1).unfold(3, 3, 1).mean(dim=(-1, -2))

        mu_x, mu_y = mean(x), mean(target)
        var_x, var_y = mean(x**2) - mu_x**2, mean(target**2) - mu_y**2
        cov = mean(x * target) - mu_x * mu_y
        ssim = (2 * mu_x * mu_y + 1e-4) * (2 * cov + 9e-4) / ((mu_x**2 + mu_y**2 + 1e-4) * (var_x + var_y + 9e-4))
        distance = ((1 - ssim) / 2).clamp(0, 1)
        maps.append(weight * distance.mean(dim=1) + (1 - weight) * (target - x).abs().mean(dim=1))
    return torch.stack(maps, dim=1)


def constants(a: float, b: float) -> tuple[Tensor, Tensor]:
    return torch.full((1, 3, 5, 6), a, dtype=torch.float64), torch.full((1, 3, 5, 6), b, dtype=torch.float64)


def ramp() -> tuple[Tensor, Tensor]:
    image = (torch.arange(16, dtype=torch.float64) / 15).view(1, 1, 4, 4)
    return image, image.mT.contiguous()


class TestAgainstTwin:
    @pytest.mark.parametrize("weight", [0.85, 0.3, 1.0, 0.0])
    @pytest.mark.parametrize("size", [(7, 9), (2, 2), (2, 6), (5, 3)])
    def test_value_and_gradient(self, weight: float, size: tuple[int, int]) -> None:
        prediction, target = views(size=size)
        upstream = rand(2, 2, *size, seed=3)
        results = []
        for function in (photometric_error, naive):
            x = prediction.clone().requires_grad_()
            error = function(x, target, weight)
            (gradient,) = torch.autograd.grad(error, x, upstream)
            results.append((error.detach(), gradient))
        assert torch.allclose(results[0][0], results[1][0], atol=1e-12)
        assert torch.allclose(results[0][1], results[1][1], atol=1e-11)

    def test_gradcheck(self) -> None:
        prediction, target = views(2, 2, (4, 5))
        assert torch.autograd.gradcheck(lambda x: photometric_error(x, target), prediction.requires_grad_())

    def test_float32(self) -> None:
        prediction, target = (value.float() for value in views(2, 3, (24, 32)))
        x = prediction.clone().requires_grad_()
        error = photometric_error(x, target)
        y = prediction.double().requires_grad_()
        expected = naive(y, target)
        assert error.dtype == torch.float32
        assert torch.allclose(error.double(), expected, atol=2e-5, rtol=1e-4)
        got, wanted = (torch.autograd.grad(e.mean(), v)[0].double() for e, v in ((error, x), (expected, y)))
        assert torch.allclose(got, wanted, atol=1e-7, rtol=5e-3)

    def test_bfloat16_is_computed_in_full_precision(self) -> None:
        prediction, target = (value.bfloat16() for value in views())
        x = prediction.requires_grad_()
        error = photometric_error(x, target)
        assert error.dtype == torch.bfloat16
        assert torch.allclose(error.double(), naive(prediction, target), atol=1e-8, rtol=2**-8)
        error.sum().backward()
        assert x.grad is not None
        assert x.grad.dtype == torch.bfloat16

    def test_no_gradient_is_the_same(self) -> None:
        prediction, target = views()
        with torch.no_grad():
            plain = photometric_error(prediction, target)
        assert torch.equal(plain, photometric_error(prediction.requires_grad_(), target).detach())


class TestError:
    @pytest.mark.parametrize(
        ("a", "b", "distance", "error"),
        [  # golden fact 9; Three Ways golden facts 2 and 3
            (0.2, 0.8, 0.264667, 0.314967),
            (0.0, 1.0, 0.499950, 0.574958),
            (0.4, 0.6, 0.0384541, 0.0626860),
            (0.2, 0.7, 0.2358046, 0.2754339),
            (0.3, 0.3, 0.0, 0.0),
        ],
    )
    def test_constants(self, a: float, b: float, distance: float, error: float) -> None:
        for x, y in (constants(a, b), constants(b, a)):
            assert torch.allclose(ssim_distance(x, y), torch.full_like(x, distance), atol=1e-6)
            assert torch.allclose(photometric_error(x, y), torch.full((1, 1, 5, 6), error).double(), atol=1e-6)

    def test_ramp_against_its_transpose(self) -> None:
        """Golden fact 10."""
        x, y = ramp()
        assert ssim_distance(x, y).mean().item() == pytest.approx(0.278134, abs=1e-6)
        assert ssim_distance(x, y)[0, 0, 0, 0].item() == pytest.approx(0.257797, abs=1e-6)
        assert photometric_error(x, y).mean().item() == pytest.approx(0.273914, abs=1e-6)

    def test_ssim_is_symmetric_and_bounded(self) -> None:
        x, y = rand(2, 3, 8, 9), rand(2, 3, 8, 9, seed=1)
        assert torch.allclose(ssim_distance(x, y), ssim_distance(y, x), atol=1e-14)
        worst = ssim_distance(x, 1 - x)
        assert worst.min() >= 0
        assert worst.max() <= 1
        assert worst.mean() > 0.7  # anti-correlated

    def test_ssim_gradient(self) -> None:
        x, y = rand(1, 2, 4, 4).requires_grad_(), rand(1, 2, 4, 4, seed=1).requires_grad_()
        assert torch.autograd.gradcheck(ssim_distance, (x, y))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("level", [0.0, 0.1, 0.7, 1.0])
    def test_equal_images_give_exactly_zero(self, dtype: torch.dtype, level: float) -> None:
        """Not merely small: a rounding error of the identity error would let equal views pass the auto-mask."""
        target = (level * rand(2, 3, 16, 17, seed=5) ** 3).to(dtype)
        prediction = target[:, None].repeat(1, 2, 1, 1, 1).requires_grad_()
        error = photometric_error(prediction, target)
        assert torch.equal(error, torch.zeros_like(error))
        (gradient,) = torch.autograd.grad(error.sum(), prediction)
        assert gradient.abs().max() < (1e-3 if dtype == torch.float32 else 1e-11)

    def test_never_negative(self) -> None:
        target = rand(2, 3, 32, 33, dtype=torch.float32)
        nearly = target[:, None] + 1e-7 * rand(2, 2, 3, 32, 33, seed=1, dtype=torch.float32)
        assert photometric_error(nearly, target).min() >= 0

    def test_four_dimensions_are_one_source(self) -> None:
        prediction, target = views(sources=1)
        assert torch.equal(photometric_error(prediction[:, 0], target), photometric_error(prediction, target))

    def test_statistics_are_shared(self) -> None:
        prediction, target = views()
        shared = photometric_error(prediction, target, 0.85, target_statistics(target))
        assert torch.equal(shared, photometric_error(prediction, target))
        other = photometric_error(prediction, target, 0.85, target_statistics(1 - target / 2))
        assert not torch.allclose(shared, other)

    def test_samples_and_sources_do_not_mix(self) -> None:
        prediction, target = views(3, 2)
        together = photometric_error(prediction, target)
        for b in range(3):
            for s in range(2):
                alone = photometric_error(prediction[b : b + 1, s], target[b : b + 1])
                assert torch.equal(alone[0, 0], together[b, s])

    def test_any_layout_of_memory(self) -> None:
        prediction, target = views()
        x = prediction.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3).requires_grad_()
        y = target.to(memory_format=torch.channels_last)
        z = prediction.clone().requires_grad_()
        assert torch.allclose(photometric_error(x, y), photometric_error(z, target), atol=1e-14)
        upstream = rand(2, 2, 9, 7).mT
        got = torch.autograd.grad(photometric_error(x, y), x, upstream)[0]
        assert torch.allclose(got, torch.autograd.grad(photometric_error(z, target), z, upstream)[0], atol=1e-14)

    @pytest.mark.parametrize("weight", [0.0, 0.85])
    def test_target_receives_no_gradient(self, weight: float) -> None:
        prediction, target = views()
        target.requires_grad_()
        error = photometric_error(prediction.requires_grad_(), target, weight)
        error.sum().backward()
        assert target.grad is None
        assert prediction.grad is not None

    @pytest.mark.parametrize("shape", [(2, 2, 3, 4, 6), (2, 4, 4, 5), (1, 2, 3, 4, 5), (3, 4, 5)])
    def test_shapes(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=str(shape[-2:])[1:-1]):
            photometric_error(torch.ones(shape), torch.ones(2, 3, 4, 5))

    def test_too_small(self) -> None:
        with pytest.raises(ValueError, match=r"\(1, 5\)"):
            photometric_error(torch.ones(1, 3, 1, 5), torch.ones(1, 3, 1, 5))
        with pytest.raises(ValueError, match=r"\(1, 3, 4, 5\) and \(1, 3, 4, 6\)"):
            ssim_distance(torch.ones(1, 3, 4, 5), torch.ones(1, 3, 4, 6))


class TestMinimum:
    def test_minimum(self) -> None:
        errors = rand(3, 4, 5, 6)
        smallest = minimum_error(errors)
        assert smallest.shape == (3, 1, 5, 6)
        assert (smallest <= errors).all()
        assert torch.equal(smallest[:, 0], errors.amin(dim=1))

    def test_unavailable_sources_never_win(self) -> None:
        errors = rand(3, 2, 5, 6).requires_grad_()
        available = torch.tensor([[True, True], [True, False], [False, True]])
        smallest = minimum_error(errors, available)
        assert torch.equal(smallest[0, 0], errors[0].amin(dim=0))
        assert torch.equal(smallest[1, 0], errors[1, 0])
        assert torch.equal(smallest[2, 0], errors[2, 1])
        smallest.sum().backward()
        assert errors.grad is not None
        assert torch.equal(errors.grad.sum(dim=1), torch.ones(3, 5, 6, dtype=torch.float64))
        assert not errors.grad[1, 1].any()
        assert not errors.grad[2, 0].any()

    @pytest.mark.parametrize("sources", [1, 2])
    @pytest.mark.parametrize("normalise", ["all", "kept"])
    @pytest.mark.parametrize("masked", [True, False])
    def test_a_sample_without_sources_does_not_count(self, sources: int, normalise: str, masked: bool) -> None:
        errors = rand(2, sources, 4, 5).requires_grad_()
        available = torch.tensor([True, False])[:, None].expand(2, sources)
        identity = minimum_error(rand(2, sources, 4, 5, seed=1), available) if masked else None
        loss = automasked_loss(minimum_error(errors, available), identity, normalise)  # type: ignore[arg-type]
        alone = None if identity is None else identity[:1]
        expected = automasked_loss(minimum_error(errors[:1]), alone, normalise)  # type: ignore[arg-type]
        assert torch.allclose(loss, expected)
        loss.backward()
        assert errors.grad is not None
        assert errors.grad.isfinite().all()
        assert not errors.grad[1].any()

    def test_nothing_available(self) -> None:
        errors = rand(2, 2, 4, 5).requires_grad_()
        loss = automasked_loss(minimum_error(errors, torch.zeros(2, 2, dtype=torch.bool)), None)
        loss.backward()
        assert loss.item() == 0
        assert errors.grad is not None
        assert not errors.grad.any()

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(2, 5, 6\)"):
            minimum_error(torch.ones(2, 5, 6))
        with pytest.raises(ValueError, match=r"\(2, 2, 5, 6\) and available \(2, 3\)"):
            minimum_error(torch.ones(2, 2, 5, 6), torch.ones(2, 3, dtype=torch.bool))


class TestAutomask:
    error = torch.tensor([[[[0.1, 0.5], [0.3, 0.2]]]], dtype=torch.float64)
    identity = torch.tensor([[[[0.2, 0.4], [0.3, 0.9]]]], dtype=torch.float64)

    def test_strictly_better_is_kept(self) -> None:
        assert automask(self.error, self.identity).tolist() == [[[[True, False], [False, True]]]]
        with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\) and \(1, 1, 2, 3\)"):
            automask(self.error, torch.ones(1, 1, 2, 3))

    def test_losses(self) -> None:
        assert automasked_loss(self.error, self.identity).item() == pytest.approx((0.1 + 0.4 + 0.3 + 0.2) / 4)
        assert automasked_loss(self.error, self.identity, "kept").item() == pytest.approx((0.1 + 0.2) / 2)
        assert automasked_loss(self.error, None).item() == pytest.approx(1.1 / 4)

    @pytest.mark.parametrize(("normalise", "share"), [("all", 1 / 4), ("kept", 1 / 2)])
    def test_masked_pixels_teach_nothing(self, normalise: str, share: float) -> None:
        error = self.error.clone().requires_grad_()
        automasked_loss(error, self.identity, normalise).backward()  # type: ignore[arg-type]
        assert error.grad is not None
        assert error.grad.flatten().tolist() == [share, 0, 0, share]

    @pytest.mark.parametrize("normalise", ["all", "kept"])
    def test_all_masked(self, normalise: str) -> None:
        """Golden fact 12: where nothing is better than standing still, 0 of every gradient, and no NaN."""
        error = torch.zeros(1, 1, 2, 2, requires_grad=True)
        loss = automasked_loss(error + 0, torch.zeros(1, 1, 2, 2), normalise)  # type: ignore[arg-type]
        loss.backward()
        assert loss.item() == 0
        assert error.grad is not None
        assert not error.grad.any()

    @pytest.mark.parametrize("normalise", ["all", "kept"])
    @pytest.mark.parametrize("masked", [True, False])
    def test_what_has_diverged_says_so(self, normalise: str, masked: bool) -> None:
        error = self.error.clone()
        error[..., 0, 0] = torch.nan
        identity = self.identity if masked else None
        assert automasked_loss(error, identity, normalise).isnan()  # type: ignore[arg-type]

    def test_unknown_normalisation(self) -> None:
        with pytest.raises(ValueError, match="'some'"):
            automasked_loss(self.error, self.identity, "some")  # type: ignore[arg-type]

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\) and \(1, 1, 1, 2\)"):
            automasked_loss(self.error, self.identity[:, :, :1])


class TestTieBreak:
    @staticmethod
    def noise(shape: tuple[int, ...] = (1, 2, 40, 50), seed: int = 0, step: int = 0, scale: float = 1e-5) -> Tensor:
        return tie_break_noise(shape, seed, step, torch.device("cpu"), torch.float32, scale)

    def test_depends_on_its_arguments_alone(self) -> None:
        torch.manual_seed(1)
        first = self.noise()
        state = torch.get_rng_state()
        assert torch.equal(first, self.noise())
        assert torch.equal(state, torch.get_rng_state())  # and leaves the global generator alone
        assert not torch.equal(first, self.noise(step=1))
        assert not torch.equal(first, self.noise(seed=1))

    def test_is_gaussian_of_the_scale(self) -> None:
        noise = self.noise(scale=1e-3)
        assert noise.mean().abs() < 1e-4
        assert noise.std().item() == pytest.approx(1e-3, rel=0.05)

    def test_seeds_and_steps_do_not_meet(self) -> None:
        found = {self.noise((1,), seed, step).item() for seed in range(20) for step in range(20)}
        assert len(found) == 400

    def test_large_seeds(self) -> None:
        assert self.noise(seed=2**62, step=10**9).isfinite().all()
