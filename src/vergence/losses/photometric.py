"""Photometric error between a warped source and the target, its minimum over sources, and auto-masking.

Source: Godard et al., "Digging into Self-Supervised Monocular Depth Estimation" (ICCV 2019), equations 2 to 5.

The error is evaluated at every pixel for every source and scale, so it is what a training step spends its time on
outside the networks. :func:`photometric_error` therefore has its own gradient: box sums are separable, statistics of
the target are shared, and nothing but three coefficient maps is kept for the backward pass. ``ssim_distance`` is the
plain formula, and the tests hold the two together.
"""

from typing import Any, Literal, cast

import torch
from torch import Tensor

C1 = 0.01**2
C2 = 0.03**2
Statistics = tuple[Tensor, Tensor]
"""Box mean and box variance of the target, (B, C, H, W) each."""


def _sum3(x: Tensor, dim: int) -> Tensor:
    """Sums of three neighbours along a dimension, reflected at the ends."""
    n = x.shape[dim]
    out = torch.empty_like(x)
    middle = out.narrow(dim, 1, n - 2)
    torch.add(x.narrow(dim, 0, n - 2), x.narrow(dim, 1, n - 2), out=middle)
    middle += x.narrow(dim, 2, n - 2)
    torch.add(x.narrow(dim, 0, 1), x.narrow(dim, 1, 1), alpha=2, out=out.narrow(dim, 0, 1))
    torch.add(x.narrow(dim, n - 1, 1), x.narrow(dim, n - 2, 1), alpha=2, out=out.narrow(dim, n - 1, 1))
    return out


def _sum3_adjoint(g: Tensor, dim: int) -> Tensor:
    """The transpose of :func:`_sum3`: what its backward pass adds up."""
    n = g.shape[dim]
    out = g.clone()
    out.narrow(dim, 1, n - 1).add_(g.narrow(dim, 0, n - 1))
    out.narrow(dim, 0, n - 1).add_(g.narrow(dim, 1, n - 1))
    out.narrow(dim, 1, 1).add_(g.narrow(dim, 0, 1))
    out.narrow(dim, n - 2, 1).add_(g.narrow(dim, n - 1, 1))
    return out


def _box(x: Tensor) -> Tensor:
    """3 x 3 means over the last two dimensions, reflection at the border; no gradient."""
    return _sum3(_sum3(x, -1), -2).mul_(1 / 9)


def _box_adjoint(g: Tensor) -> Tensor:
    return _sum3_adjoint(_sum3_adjoint(g, -2), -1).mul_(1 / 9)


def _mean3x3(x: Tensor) -> Tensor:
    """The same means, differentiable."""
    flat = x.reshape(-1, 1, *x.shape[-2:])
    padded = torch.nn.functional.pad(flat, (1, 1, 1, 1), mode="reflect")
    return torch.nn.functional.avg_pool2d(padded, 3, 1).view(x.shape)


def ssim_distance(x: Tensor, y: Tensor) -> Tensor:
    """Structural dissimilarity clamp((1 - SSIM) / 2, 0, 1) per pixel and channel; images (..., H, W) in [0, 1].

    3 x 3 box windows, reflection padding, biased variances. Symmetric; 0 for identical images.
    """
    if x.shape != y.shape:
        raise ValueError(f"images have shapes {tuple(x.shape)} and {tuple(y.shape)}, expected equal ones")
    mu_x, mu_y = _mean3x3(x), _mean3x3(y)
    variance_x = _mean3x3(x * x) - mu_x * mu_x
    variance_y = _mean3x3(y * y) - mu_y * mu_y
    covariance = _mean3x3(x * y) - mu_x * mu_y
    numerator = (2 * mu_x * mu_y + C1) * (2 * covariance + C2)
    denominator = (mu_x * mu_x + mu_y * mu_y + C1) * (variance_x + variance_y + C2)
    return ((1 - numerator / denominator) / 2).clamp(0, 1)


@torch.no_grad()
def target_statistics(target: Tensor) -> Statistics:
    """Box mean and variance of the target (B, C, H, W): shared by all comparisons with it."""
    mean = _box(target)
    return mean, _box(target * target).addcmul_(mean, mean, value=-1)


class _PhotometricError(torch.autograd.Function):
    """Weighted SSIM and L1, channel mean, with its gradient to the prediction (B, S, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, mean: Tensor, variance: Tensor, weight: float) -> Tensor:
        y, mean, variance = y[:, None], mean[:, None], variance[:, None]
        mu, square, product = _box(x), _box(x * x), _box(x * y)
        cross = mu * mean
        mu_squared = mu * mu
        a1 = 2 * cross + C1
        a2 = product.sub_(cross).mul_(2).add_(C2)
        b1 = mean.square().add(C1) + mu_squared
        b2 = square.sub_(mu_squared).add_(variance + C2)
        inverse = (b1 * b2).reciprocal_()
        ssim = a1 * a2 * inverse
        channels = x.shape[2]
        error = ssim.clamp(-1, 1).mean(dim=2).mul_(-0.5 * weight).add_(0.5 * weight)
        difference = x - y
        error.add_(difference.abs().mean(dim=2), alpha=1 - weight)
        if ctx.needs_input_grad[0]:
            # d error / d SSIM is -weight / (2 C), zero where SSIM is clamped.
            scale = (-0.5 * weight / channels) * ((ssim >= -1) & (ssim <= 1)).to(x.dtype)
            ssim.mul_(scale)
            by_square = -(ssim / b2)  # with respect to box(x^2)
            by_product = a1.mul(inverse).mul_(2).mul_(scale)  # box(x y)
            by_mean = (a2 - a1).mul_(mean).mul_(2).mul_(inverse).mul_(scale)  # box(x)
            by_mean.addcmul_(ssim, mu / b1, value=-2).addcmul_(by_square, mu, value=-2)
            ctx.save_for_backward(x, y, by_mean, by_square, by_product, difference.sign_())
            ctx.l1 = (1 - weight) / channels
        return cast(Tensor, error)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # type: ignore[override]
        x, y, by_mean, by_square, by_product, sign = ctx.saved_tensors
        g = gradient[:, :, None]
        total = _box_adjoint(by_square * g).mul_(x).mul_(2)
        total.addcmul_(_box_adjoint(by_product * g), y)
        total.add_(_box_adjoint(by_mean * g))
        return total.addcmul_(sign, g, value=ctx.l1), None, None, None, None


def photometric_error(
    prediction: Tensor, target: Tensor, ssim_weight: float = 0.85, statistics: Statistics | None = None
) -> Tensor:
    """``ssim_weight`` * mean_c DSSIM + (1 - ``ssim_weight``) * mean_c |prediction - target| (equation 3).

    Args:
        prediction: (B, S, C, H, W) warped sources, or (B, C, H, W); gradients flow to it and not to the target.
        target: (B, C, H, W) in [0, 1].
        statistics: :func:`target_statistics` of the target, to share it between calls.

    Returns:
        (B, S, H, W); S = 1 for a 4-D prediction.

    Raises:
        ValueError: if shapes do not match, or the images are smaller than 2 x 2.
    """
    if prediction.ndim == 4:
        prediction = prediction[:, None]
    if prediction.ndim != 5 or prediction.shape[0] != target.shape[0] or prediction.shape[2:] != target.shape[1:]:
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target {tuple(target.shape)}, "
            "expected (B, S, C, H, W) and (B, C, H, W)"
        )
    if ssim_weight == 0:
        return (prediction - target[:, None]).abs().mean(dim=2)
    if min(target.shape[-2:]) < 2:
        raise ValueError(f"images of {tuple(target.shape[-2:])} are too small for a 3 x 3 window, expected 2 x 2 or more")
    mean, variance = target_statistics(target) if statistics is None else statistics
    return cast(Tensor, _PhotometricError.apply(prediction, target.detach(), mean, variance, ssim_weight))


def minimum_error(errors: Tensor, available: Tensor | None = None) -> Tensor:
    """Per-pixel minimum (B, 1, H, W) over sources (B, S, H, W); those not ``available`` (B, S) never win (equation 4)."""
    if available is not None:
        errors = errors.masked_fill(~available[:, :, None, None], torch.inf)
    return errors.amin(dim=1, keepdim=True) if errors.shape[1] > 1 else errors


def automask(error: Tensor, identity_error: Tensor) -> Tensor:
    """Bool (B, 1, H, W): pixels that the warped sources explain better than the un-warped ones (equation 5)."""
    return error < identity_error


def tie_break_noise(
    shape: tuple[int, ...], seed: int, step: int, device: torch.device, dtype: torch.dtype, scale: float = 1e-5
) -> Tensor:
    """Gaussian noise for identity errors, fixed by seed and step: the same on every process and for any batch size."""
    generator = torch.Generator(device=device)
    generator.manual_seed((seed * 1_000_003 + step) % 2**63)
    return torch.randn(shape, generator=generator, device=device, dtype=dtype).mul_(scale)


def automasked_loss(
    error: Tensor, identity_error: Tensor | None, normalise: Literal["all", "kept"] = "all"
) -> Tensor:
    """Scalar loss of errors (B, 1, H, W), masked by the identity errors where given.

    "all": mean over all pixels of min(error, identity error); masked pixels are constants (as published).
    "kept": mean over the kept pixels; 0 where none is kept. Pixels with no available source (infinite) do not count.
    """
    finite = error.isfinite()
    if identity_error is None:
        kept = finite
        value = error
    else:
        kept = automask(error, identity_error) & finite
        value = torch.minimum(error, identity_error) if normalise == "all" else error
    counted = finite if normalise == "all" else kept
    total = value.masked_fill(~counted, 0).sum()
    return total / counted.sum().clamp(min=1)
