"""Photometric error between a warped source and the target, its minimum over sources, and auto-masking.

Source: Godard et al., "Digging into Self-Supervised Monocular Depth Estimation" (ICCV 2019), equations 2 to 5.

The error is evaluated at every pixel for every source and scale, so it is what a training step spends its time on
outside the networks. :func:`photometric_error` therefore has its own gradient: box sums are separable, statistics of
the target are shared, a sample is worked on while it is in the cache, and nothing but three coefficient maps is kept
for the backward pass. ``ssim_distance`` is the plain formula, and the tests hold the two together. Where a step is
traced for a compiler, the same sums are written plainly, for it to fuse and differentiate.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from vergence.geometry.blocks import cache_blocks
from vergence.losses.box import box_sum, box_sum_adjoint, traced_box_sum

C1 = 0.01**2
C2 = 0.03**2
Statistics = tuple[Tensor, Tensor]
"""What is kept of the target: sums over 3 x 3 windows, and 81 times the variance in them; (B, C, H, W) each."""


def _mean3x3(x: Tensor) -> Tensor:
    """The same means, differentiable."""
    flat = x.reshape(-1, 1, *x.shape[-2:])
    padded = torch.nn.functional.pad(flat, (1, 1, 1, 1), mode="reflect")
    return torch.nn.functional.avg_pool2d(padded, 3, 1).view(x.shape)


def ssim_distance(x: Tensor, y: Tensor) -> Tensor:
    """Structural dissimilarity clamp((1 - SSIM) / 2, 0, 1) per pixel and channel; images (..., H, W) in [0, 1].

    3 x 3 box windows, reflection padding, biased variances. Symmetric; 0 for identical images.

    Example:
        >>> image = torch.rand(1, 3, 8, 8)
        >>> ssim_distance(image, image).max().item(), ssim_distance(image, 1 - image).max().item() <= 1
        (0.0, True)
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
    """Window sums and variances of the target (B, C, H, W): shared by all comparisons with it."""
    target = _full_precision(target)
    if torch.compiler.is_compiling():
        total = traced_box_sum(target)
        return total, traced_box_sum(target * target) * 9 - total * total
    total, square, scratch = (torch.empty_like(target, memory_format=torch.contiguous_format) for _ in range(3))
    box_sum(target, scratch, total)
    box_sum(target * target, scratch, square)
    return total, square.mul_(9).sub_(total * total)


class _PhotometricError(torch.autograd.Function):
    """Weighted SSIM and L1, channel mean, with its gradient to the prediction (B, S, C, H, W).

    With window sums X of x, Q of x^2, P of x y, and Y and V = 81 var(y) of the target,
    SSIM = a1 a2 / (b1 b2) / 4 with a1 = 2 X Y + 81 C1, a2 = 2 (9 P - X Y) + 81 C2, b1 = X^2 + Y^2 + 81 C1,
    b2 = 9 Q - X^2 + V + 81 C2; below, half of a1 and a2. Both sides of each ratio are summed in one order: equal images
    give exactly 1. |SSIM| > 1 happens by rounding only, at its extremum, so its gradient is not masked.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, y_sum: Tensor, y_variance: Tensor, weight: float) -> Tensor:
        channels = x.shape[2]
        error = x.new_empty(x.shape[0], x.shape[1], *x.shape[3:])
        keep = ctx.needs_input_grad[0]
        by_sum, by_square, by_product = (torch.empty_like(x) if keep else x for _ in range(3))
        for block in cache_blocks(x):
            xs, ys, y_total = x[block], y[block, None], y_sum[block, None]
            scratch, work, p, q, total = (torch.empty_like(xs) for _ in range(5))
            box_sum(xs, scratch, total)
            box_sum(torch.mul(xs, xs, out=work), scratch, q)
            box_sum(torch.mul(xs, ys, out=work), scratch, p)
            cross = torch.mul(total, y_total, out=scratch)
            a1 = torch.add(cross, 40.5 * C1, out=work)
            a2 = p.mul_(9).sub_(cross).add_(40.5 * C2)
            squared = torch.mul(total, total, out=scratch)
            b2 = q.mul_(9).sub_(squared).add_(y_variance[block, None]).add_(81 * C2)
            b1 = squared.add_(y_total * y_total).add_(81 * C1)
            denominator = b1 * b2
            ssim = torch.mul(a1, a2).div_(denominator).mul_(4).clamp_(-1, 1)
            similarity = ssim.sum(dim=2)
            if keep:
                torch.div(a1, denominator, out=by_product[block])
                torch.sub(a2, a1, out=by_sum[block]).div_(denominator).mul_(y_total).mul_(2)
                torch.div(ssim, b2, out=by_square[block])
                by_sum[block].addcmul_(ssim.div_(b1).sub_(by_square[block]), total, value=-1)
            distance = similarity.neg_().add_(channels).mul_(0.5 * weight / channels)
            difference = torch.sub(xs, ys, out=work).abs_().sum(dim=2)
            torch.add(distance, difference, alpha=(1 - weight) / channels, out=error[block])
        if keep:
            ctx.save_for_backward(x, y, by_sum, by_square, by_product)
            ctx.weight = weight
        return error

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        x, y, by_sum, by_square, by_product = ctx.saved_tensors
        channels = x.shape[2]
        result = torch.empty_like(x)
        for block in cache_blocks(x):
            xs, ys, out = x[block], y[block, None], result[block]
            scratch, work, part = (torch.empty_like(xs) for _ in range(3))
            g = gradient[block, :, None]
            by_ssim = g * (-0.5 * ctx.weight / channels)
            box_sum_adjoint(torch.mul(by_square[block], by_ssim, out=work), scratch, out).mul_(xs).mul_(-18)
            box_sum_adjoint(torch.mul(by_product[block], by_ssim, out=work), scratch, part).mul_(ys)
            out.add_(part, alpha=36)
            out.add_(box_sum_adjoint(torch.mul(by_sum[block], by_ssim, out=work), scratch, part), alpha=2)
            out.addcmul_(torch.sub(xs, ys, out=work).sign_(), g, value=(1 - ctx.weight) / channels)
        return result, None, None, None, None


def _traced_error(x: Tensor, y: Tensor, y_sum: Tensor, y_variance: Tensor, weight: float) -> Tensor:
    """What :class:`_PhotometricError` computes, to rounding, with the gradient left to autograd."""
    y, y_total = y[:, None], y_sum[:, None]
    total = traced_box_sum(x)
    cross, squared = total * y_total, total * total
    a1, a2 = cross + 40.5 * C1, traced_box_sum(x * y) * 9 - cross + 40.5 * C2
    b1, b2 = squared + y_total * y_total + 81 * C1, traced_box_sum(x * x) * 9 - squared + y_variance[:, None] + 81 * C2
    ssim = (a1 * a2 / (b1 * b2) * 4).clamp(-1, 1)
    return (1 - ssim).mean(dim=2) * (0.5 * weight) + (x - y).abs().mean(dim=2) * (1 - weight)


def photometric_error(
    prediction: Tensor, target: Tensor, ssim_weight: float = 0.85, statistics: Statistics | None = None
) -> Tensor:
    """``ssim_weight`` * mean_c DSSIM + (1 - ``ssim_weight``) * mean_c |prediction - target| (equation 3).

    Args:
        prediction: (B, S, C, H, W) warped sources, or (B, C, H, W); gradients flow to it (once) and not to the target.
        target: (B, C, H, W) in [0, 1].
        statistics: :func:`target_statistics` of the target, to share it between calls.

    Returns:
        (B, S, H, W), S = 1 for a 4-D prediction; exactly 0 where both are equal in the whole window. In the dtype of
        the prediction; computed in float32 at least.

    Raises:
        ValueError: if shapes do not match, or the images are smaller than 2 x 2.

    Example:
        >>> black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
        >>> photometric_error(white, black, ssim_weight=0).mean().item()
        1.0
    """
    if prediction.ndim == 4:
        prediction = prediction[:, None]
    if prediction.ndim != 5 or prediction.shape[0] != target.shape[0] or prediction.shape[2:] != target.shape[1:]:
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target {tuple(target.shape)}, "
            "expected (B, S, C, H, W) and (B, C, H, W)"
        )
    if ssim_weight == 0:
        return (prediction - target.detach()[:, None]).abs().mean(dim=2)
    if min(target.shape[-2:]) < 2:
        raise ValueError(
            f"images of {tuple(target.shape[-2:])} are too small for a 3 x 3 window, expected 2 x 2 or more"
        )
    total, variance = target_statistics(target) if statistics is None else statistics
    x, y = _full_precision(prediction), _full_precision(target.detach())
    error = _traced_error if torch.compiler.is_compiling() else _PhotometricError.apply
    return cast(Tensor, error(x, y, total, variance, ssim_weight)).to(prediction.dtype)


def _full_precision(x: Tensor) -> Tensor:
    """Variances are differences of nearly equal numbers: never in less than float32."""
    return x if x.dtype == torch.float64 else x.float()


def minimum_error(errors: Tensor, available: Tensor | None = None) -> Tensor:
    """Per-pixel minimum (B, 1, H, W) over sources (B, S, H, W); those not ``available`` (B, S) never win (equation 4).

    Infinite where a sample has none available, which :func:`automasked_loss` leaves out.

    Example:
        >>> errors = torch.tensor([0.2, 0.1]).view(1, 2, 1, 1)
        >>> minimum_error(errors).flatten(), minimum_error(errors, torch.tensor([[True, False]])).flatten()
        (tensor([0.1000]), tensor([0.2000]))
    """
    if errors.ndim != 4 or (available is not None and available.shape != errors.shape[:2]):
        shape = None if available is None else tuple(available.shape)
        raise ValueError(
            f"errors have shape {tuple(errors.shape)} and available {shape}, expected (B, S, H, W) and (B, S)"
        )
    if available is not None:
        absent = torch.where(available, 0.0, torch.inf).to(errors.dtype)
        errors = errors + absent[:, :, None, None]  # three times faster than filling through a mask
    return errors.amin(dim=1, keepdim=True) if errors.shape[1] > 1 else errors


def automask(error: Tensor, identity_error: Tensor) -> Tensor:
    """Bool (B, 1, H, W): pixels that the warped sources explain better than the un-warped ones (equation 5).

    Example:
        >>> automask(torch.tensor([[[[0.1, 0.3]]]]), torch.tensor([[[[0.2, 0.2]]]])).tolist()
        [[[[True, False]]]]
    """
    if error.shape != identity_error.shape:
        raise ValueError(f"errors have shapes {tuple(error.shape)} and {tuple(identity_error.shape)}, expected one")
    return error < identity_error


def _normal(shape: Sequence[int], seed: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Standard normal numbers of a generator of their own."""
    generator = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(shape, generator=generator, device=device, dtype=dtype)


# one operation to a compiler, which cannot see a generator made and seeded
_seeded_normal = torch.library.custom_op("vergence::seeded_normal", _normal, mutates_args=())
_seeded_normal.register_fake(lambda shape, seed, device, dtype: torch.empty(shape, device=device, dtype=dtype))


def tie_break_noise(
    shape: tuple[int, ...], seed: int, step: int, device: torch.device, dtype: torch.dtype, scale: float = 1e-5
) -> Tensor:
    """Gaussian noise for identity errors, fixed by seed and step: the same on every process and for any batch size."""
    draw = _seeded_normal if torch.compiler.is_compiling() else _normal
    return draw(shape, (seed * 1_000_003 + step) % 2**63, device, dtype).mul_(scale)


def automasked_loss(error: Tensor, identity_error: Tensor | None, normalise: Literal["all", "kept"] = "all") -> Tensor:
    """Scalar loss of errors (B, 1, H, W), masked by the identity errors where given.

    "all": mean over all pixels of min(error, identity error); masked pixels are constants (as published).
    "kept": mean over the kept pixels; 0 where none is kept. Pixels with no available source (infinite) do not count;
    an error that is NaN makes the loss NaN, masked or not: what has diverged shall say so.

    Example:
        >>> error, identity = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.5, 0.5]]]])
        >>> automasked_loss(error, identity).item(), automasked_loss(error, identity, "kept").item()
        (0.25, 0.0)
    """
    if normalise not in ("all", "kept"):
        raise ValueError(f'normalise is {normalise!r}, expected "all" or "kept"')
    seen = ~error.isposinf()
    if identity_error is None:
        counting = seen
        value = error
    else:
        better = automask(error, identity_error) | error.isnan()
        counting = better & seen
        value = torch.where(better, error, identity_error) if normalise == "all" else error  # at a tie: a constant
    counted = seen if normalise == "all" else counting
    total = value.masked_fill(~counted, 0).sum()
    return total / counted.sum().clamp(min=1)
