"""Depth that labels suggest: planes through regions of one class, and neighbours of it (SemHint-MD; our choices,
specification 2.6; neighbours: F3).

What is proposed may be wrong; :mod:`vergence.losses.hint_verification` asks the images.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.components import IGNORED, connected_components
from vergence.geometry.plane_fits import below_median, fit_sampled, pixel_lattice, plane_values
from vergence.losses.hint_borders import border_candidates
from vergence.losses.hint_contacts import contact_candidates
from vergence.settings.losses import HintProposalConfig

FAMILIES = ("components", "cells", "neighbours", "borders", "contacts")
OFFSETS = (-20, -8, -3, 3, 8, 20)
"""Neighbours whose inverse depth is carried along its slope: pixels away in x, and in y."""


class Proposals(NamedTuple):
    """Candidates of inverse depth for every pixel."""

    inverse_depth: Tensor  # (B, N, H, W) in the unit of the input; the input itself where not valid
    valid: Tensor  # (B, N, H, W) bool
    family: Tensor  # (N,) int64, index into FAMILIES


class ClassGroups(NamedTuple):
    """Classes of a kind, as numbers of the labels."""

    sky: tuple[int, ...] = ()
    """Their only candidate is the farthest depth."""
    foreground: tuple[int, ...] = ()
    """Their outline is what "borders" pulls depth edges to, and they may stand on each other for "contacts"; not used
    by other families."""
    ground: tuple[int, ...] = ()
    """What things stand on, for "contacts"."""
    standing: tuple[int, ...] = ()
    """Upright ones that get "contacts"."""


NO_GROUPS = ClassGroups()


def is_class(labels: Tensor, classes: Sequence[int]) -> Tensor:
    """Bool in the shape of the labels: the pixel is of one of the classes.

    Example:
        >>> is_class(torch.tensor([0, 5, 7]), (5, 7)).tolist()
        [False, True, True]
    """
    return torch.isin(labels, torch.tensor(classes, dtype=labels.dtype).to(labels.device, non_blocking=True))


@torch.no_grad()
def propose(
    inverse_depth: Tensor,
    labels: Tensor,
    error: Tensor,
    config: HintProposalConfig,
    groups: ClassGroups = NO_GROUPS,
    far_value: float = 0.01,
    classes: int = 256,
) -> Proposals:
    """Candidates of inverse depth from present depth and labels.

    Args:
        inverse_depth: (B, 1, H, W) present (teacher's), any unit, positive.
        labels: (B, H, W) integers below ``classes``; 255 suggests nothing.
        error: (B, 1, H, W) present photometric error: planes are fitted to the better half of each region.
        groups: what classes are; none by default.
        far_value: inverse depth of the farthest depth, in the unit of the input.
        classes: number of them; a smaller number is faster.

    Raises:
        ValueError: unknown or no families, or shapes that do not match.
    """
    _check(inverse_depth, labels, error, config)
    labels = labels.long()
    q_raw = inverse_depth.detach().float()
    scale = q_raw.mean(dim=(1, 2, 3), keepdim=True)
    q = q_raw / scale
    is_sky = is_class(labels, groups.sky)
    plain = labels.masked_fill(is_sky, IGNORED) if groups.sky else labels
    regions = {name: divide(plain, config, classes) for name, divide in REGIONS.items() if name in config.families}
    candidates = _planes(q[:, 0], regions, error[:, 0].detach(), config)
    if "neighbours" in config.families:
        candidates["neighbours"] = neighbour_candidates(q, plain)
    if "borders" in config.families:
        candidates["borders"] = border_candidates(q, is_class(labels, groups.foreground) & (labels != IGNORED))
    if "contacts" in config.families:
        kinds = [is_class(plain, group) for group in (groups.ground, groups.standing, groups.foreground)]
        candidates["contacts"] = contact_candidates(q, plain, *kinds)
    family = [FAMILIES.index(name) for name, maps in candidates.items() for _ in range(maps.shape[1])]
    suggested = torch.cat(list(candidates.values()), dim=1)
    valid = (suggested >= config.least) & (plain != IGNORED)[:, None]  # NaN, where there is none, is false
    if groups.sky:
        far = far_value / scale
        suggested[:, :1] = torch.where(is_sky[:, None], far, suggested[:, :1])
        valid[:, 0] |= is_sky
    family_index = torch.tensor(family).to(labels.device, non_blocking=True)
    limit = config.least_change
    low, high = q * float(torch.exp(torch.tensor(-limit))), q * float(torch.exp(torch.tensor(limit)))
    valid &= (suggested <= low) | (suggested >= high)
    return Proposals(torch.where(valid, suggested * scale, q_raw), valid, family_index)


def _check(inverse_depth: Tensor, labels: Tensor, error: Tensor, config: HintProposalConfig) -> None:
    shape = inverse_depth.shape
    if inverse_depth.dim() != 4 or shape[1] != 1 or error.shape != shape or labels.shape != (shape[0], *shape[2:]):
        raise ValueError(
            f"inverse_depth has shape {tuple(shape)}, labels {tuple(labels.shape)}, error {tuple(error.shape)}; "
            "expected (B, 1, H, W), (B, H, W) and (B, 1, H, W)"
        )
    unknown = [name for name in config.families if name not in FAMILIES]
    if unknown or not config.families:
        raise ValueError(f"families of hints are {list(config.families)}, expected one or more of {list(FAMILIES)}")


def _planes(
    q: Tensor, divisions: Mapping[str, tuple[Tensor, int]], error: Tensor, config: HintProposalConfig
) -> dict[str, Tensor]:
    """Planes (B, M, H, W) of the region maps of each family, all fitted at once; NaN where there is none."""
    if not divisions:
        return {}
    maps = [maps for maps, _ in divisions.values()]
    regions, count = torch.cat(maps, dim=1), max(count for _, count in divisions.values())
    height, width = regions.shape[2:]
    stride = min(max(height * width // config.fit_pixels, 1), 4)
    sample = pixel_lattice(height, width, stride, q.device)
    inside = regions.flatten(2).index_select(2, sample)
    values, errors = (x.flatten(1).index_select(1, sample) for x in (q, error))
    reliable = below_median(errors, inside, count).flatten(0, 1)
    values = values[:, None].expand_as(inside).flatten(0, 1)
    fits = fit_sampled(values, inside.flatten(0, 1), count, reliable, sample, height, width, config.rounds)
    theta = torch.where(fits.ok[..., None], fits.theta, torch.nan)
    planes = plane_values(theta, regions.flatten(0, 1)).view(regions.shape)
    planes = planes.masked_fill_(regions < 0, torch.nan).split([part.shape[1] for part in maps], dim=1)
    return dict(zip(divisions, planes, strict=True))


def _component_regions(labels: Tensor, config: HintProposalConfig, _: int) -> tuple[Tensor, int]:
    """Connected components (B, 1, H, W) large enough to be trusted with a plane."""
    minimum = max(round(config.component_share * labels.shape[-2] * labels.shape[-1]), 1)
    regions, count = connected_components(labels, minimum)
    return regions[:, None], count


def _cells(labels: Tensor, config: HintProposalConfig, classes: int) -> tuple[Tensor, int]:
    """Square grid cells, cut by class: (B, M, H, W) for M grids, and a number their ids are below."""
    height, width = labels.shape[-2:]
    y, x = torch.arange(height, device=labels.device)[:, None], torch.arange(width, device=labels.device)
    grids, count = [], 1
    for share in config.cell_shares:
        side = max(round(share * width), 4)
        for shift in (0, side // 2):
            columns = (width - 1 + shift) // side + 1
            rows = (height - 1 + shift) // side + 1
            grids.append((y + shift).div(side, rounding_mode="floor") * columns + (x + shift) // side)
            count = max(count, rows * columns)
    regions = torch.stack(grids) * classes + labels[:, None]
    return regions.masked_fill_(((labels == IGNORED) | (labels >= classes))[:, None], -1), count * classes


REGIONS: dict[str, Callable[[Tensor, HintProposalConfig, int], tuple[Tensor, int]]] = {
    "components": _component_regions,
    "cells": _cells,
}
"""Families that are planes through regions: how labels are divided, given the number of classes."""


def shifted(x: Tensor, moves: Sequence[tuple[int, int]], fill: float) -> Tensor:
    """(B, N, H, W) with y[:, n, v, u] = x[:, v + dy, u + dx] for the n-th move (dy, dx), ``fill`` outside.

    Example:
        >>> shifted(torch.tensor([[[1, 2, 3]]]), [(0, 1), (0, -1)], fill=0).tolist()
        [[[[2, 3, 0]], [[0, 1, 2]]]]
    """
    height, width = x.shape[-2:]
    down, right = (max(map(abs, steps)) for steps in zip(*moves, strict=True))
    padded = F.pad(x, (right, right, down, down), value=fill)
    views = [padded[:, down + dy :, right + dx :][:, :height, :width] for dy, dx in moves]
    return torch.stack(views, dim=1)


def _both_ways(steps: Sequence[int], device: torch.device) -> tuple[list[tuple[int, int]], Tensor]:
    """Moves (dy, dx) by these steps in x, then in y; and the steps (2 N, 1, 1)."""
    moves = [(0, step) for step in steps] + [(step, 0) for step in steps]
    return moves, torch.tensor([*steps, *steps]).to(device, non_blocking=True)[:, None, None]


def slopes(q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of q (B, 1, H, W) per pixel in x and y: median of one- and two-pixel differences inside the label.

    NaN where no such neighbour has the label (B, H, W) of the pixel.
    """
    moves, steps = _both_ways((-2, -1, 1, 2), q.device)
    labels = labels.short()
    differences = shifted(q[:, 0], moves, torch.nan).sub_(q).div_(steps)
    differences.masked_fill_(shifted(labels, moves, -1) != labels[:, None], torch.nan)
    ways = differences.unflatten(1, (2, -1))
    low, high = ways.nanmedian(dim=2).values, -(-ways).nanmedian(dim=2).values  # torch takes the lower of two middles
    by_x, by_y = ((low + high) / 2).split(1, dim=1)
    return by_x, by_y


def neighbour_candidates(q: Tensor, labels: Tensor) -> Tensor:
    """q(p + o) - slope(p + o) . o from pixels of the same label 3, 8 and 20 away in x and y.

    q (B, 1, H, W), labels (B, H, W) integers below 2^15 -> (B, 12, H, W), NaN where the label differs.
    """
    moves, steps = _both_ways(OFFSETS, q.device)
    ways = moves[: len(OFFSETS)], moves[len(OFFSETS) :]
    slope = torch.cat([shifted(by[:, 0], way, 0) for by, way in zip(slopes(q, labels), ways, strict=True)], dim=1)
    labels = labels.short()
    carried = shifted(q[:, 0], moves, torch.nan).sub_(slope.mul_(steps))
    return carried.masked_fill_(shifted(labels, moves, -1) != labels[:, None], torch.nan)
