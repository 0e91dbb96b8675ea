"""Depth that labels suggest: planes through regions of one class, and neighbours of it (SemHint-MD; our choices,
specification 2.6; neighbours: F3).

What is proposed may be wrong; :mod:`vergence.losses.hint_verification` asks the images.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
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
    member = torch.zeros_like(labels, dtype=torch.bool)
    for index in classes:
        member |= labels == index
    return member


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
    candidates: list[Tensor] = []
    family: list[int] = []
    for name in FAMILIES:  # in this order whatever the order of the setting
        if name not in config.families:
            continue
        if name in ("components", "cells"):
            maps, count = _component_regions(plain, config) if name == "components" else _cells(plain, config, classes)
            proposals = _planes(q[:, 0], maps, count, error[:, 0].detach(), config)
        elif name == "neighbours":
            proposals = neighbour_candidates(q, plain)
        elif name == "borders":
            proposals = border_candidates(q, is_class(labels, groups.foreground) & (labels != IGNORED))
        else:
            regions = [is_class(plain, group) for group in (groups.ground, groups.standing, groups.foreground)]
            proposals = contact_candidates(q, plain, *regions)
        candidates.append(proposals)
        family += [FAMILIES.index(name)] * proposals.shape[1]
    suggested = torch.cat(candidates, dim=1)
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


def _planes(q: Tensor, regions: Tensor, count: int, error: Tensor, config: HintProposalConfig) -> Tensor:
    """Planes (B, M, H, W) of region maps (B, M, H, W); NaN where there is none."""
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
    return planes.masked_fill_(regions < 0, torch.nan)


def _component_regions(labels: Tensor, config: HintProposalConfig) -> tuple[Tensor, int]:
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


def shifted(x: Tensor, dy: int, dx: int, fill: float) -> Tensor:
    """y with y[..., v, u] = x[..., v + dy, u + dx], ``fill`` where that lies outside.

    Example:
        >>> shifted(torch.tensor([[1, 2, 3]]), dy=0, dx=1, fill=0).tolist()
        [[2, 3, 0]]
    """
    out = torch.full_like(x, fill)
    height, width = x.shape[-2:]
    if abs(dy) < height and abs(dx) < width:
        rows = slice(max(-dy, 0), height - max(dy, 0))
        columns = slice(max(-dx, 0), width - max(dx, 0))
        inside = x[..., max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        out[..., rows, columns] = inside
    return out


def slopes(q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of q (B, 1, H, W) per pixel in x and y: median of one- and two-pixel differences inside the label.

    NaN where no such neighbour has the label (B, H, W) of the pixel.
    """
    medians = []
    for dy, dx in ((0, 1), (1, 0)):
        differences = []
        for step in (-2, -1, 1, 2):
            value = (shifted(q, step * dy, step * dx, torch.nan) - q) / step
            same = shifted(labels, step * dy, step * dx, -1) == labels
            differences.append(torch.where(same[:, None], value, torch.nan))
        medians.append(torch.cat(differences, dim=1).nanmedian(dim=1, keepdim=True).values)
    return medians[0], medians[1]


def neighbour_candidates(q: Tensor, labels: Tensor) -> Tensor:
    """q(p + o) - slope(p + o) . o from pixels of the same label 3, 8 and 20 away in x and y.

    q (B, 1, H, W), labels (B, H, W) int64 -> (B, 12, H, W), NaN where the label differs.
    """
    by_x, by_y = slopes(q, labels)
    candidates = []
    for dy, dx, slope in ((0, 1, by_x), (1, 0, by_y)):
        for step in OFFSETS:
            carried = shifted(q - slope * step, step * dy, step * dx, torch.nan)
            same = shifted(labels, step * dy, step * dx, -1) == labels
            candidates.append(torch.where(same[:, None], carried, torch.nan))
    return torch.cat(candidates, dim=1)
