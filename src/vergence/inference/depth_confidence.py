"""How far a predicted depth can be trusted, pixel by pixel, without any truth."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.camera import resize_inverse_depth

_NEAR = 5
"""Pixels over which disagreement is averaged: a single pixel's is noise."""
_CONSTANT, _DISAGREEMENT, _FAR = 0.26, 0.318, 1.351


def depth_evidence(plain: Tensor, mirrored: Tensor, coarser: Tensor | None = None) -> dict[str, Tensor]:
    """What speaks against a depth, free of units: each (B, 1, h, w), large where depth is doubtful.

    ``disagreement``: log of the mean difference of log depth between the picture and its mirror image (for a network
    that predicts at several scales also between its two finest), around the pixel. ``far``: log of the depth over the
    picture's median.

    Args:
        plain: inverse depth (B, 1, h, w), any unit.
        mirrored: that of the mirrored picture, mirrored back.
        coarser: that of the next coarser scale, at any size.
    """
    if plain.shape != mirrored.shape or plain.ndim != 4 or plain.shape[1] != 1:
        raise ValueError(
            f"inverse depths have shapes {tuple(plain.shape)} and {tuple(mirrored.shape)}, expected one (B, 1, h, w)"
        )
    depth = -_log(plain)
    differences = [(depth + _log(mirrored)).abs()]
    if coarser is not None:
        resized = resize_inverse_depth(coarser.float(), plain.shape[-2:])
        differences.append((depth + _log(resized)).abs())
    near = F.avg_pool2d(torch.stack(differences).amax(0), _NEAR, 1, _NEAR // 2, count_include_pad=False)
    median = depth.flatten(1).median(dim=1).values[:, None, None, None]
    return {"disagreement": (near + 3e-3).log(), "far": depth - median}


def depth_confidence(plain: Tensor, mirrored: Tensor, coarser: Tensor | None = None) -> Tensor:
    """The probability (B, 1, h, w) that depth is within a factor of 1.25 of the truth, where scale is right.

    A logistic model of :func:`depth_evidence`, fitted on toy town, where depth is known exactly
    (``benchmarks/studies/depth_confidence.py``, which also says how well it holds on KITTI).
    """
    evidence = depth_evidence(plain, mirrored, coarser)
    doubt = _CONSTANT + _DISAGREEMENT * evidence["disagreement"] + _FAR * evidence["far"]
    return torch.sigmoid(-doubt)


def _log(values: Tensor) -> Tensor:
    return values.float().clamp_min(1e-6).log()
