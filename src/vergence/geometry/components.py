"""Connected components of label maps, as batched tensor code for any device.

Rows are cut into runs of one label; runs that touch a run of the same label in the next row are joined by hooking
larger roots onto smaller ones and shortening the paths (Shiloach and Vishkin 1982), a few rounds for any picture.
"""

import torch
from torch import Tensor

IGNORED = 255
ROUNDS = 24
"""Hooking rounds on a device that is not asked whether it has finished; ordinary label maps take less than 10."""


def connected_components(labels: Tensor, minimum: int, ignore: int = IGNORED) -> tuple[Tensor, int]:
    """4-connected components of equal labels that have at least ``minimum`` pixels.

    Args:
        labels: (B, H, W) integers; ``ignore`` belongs to no component.
        minimum: pixels, 1 or more.

    Returns:
        Regions (B, H, W) int64: 0, 1, ... in each image in the order of their first pixels, -1 where there is none;
        and a number that all of them are below (H W / minimum), known without asking the device.

    Example:
        >>> regions, bound = connected_components(torch.tensor([[[7, 7, 3], [3, 3, 7]]]), minimum=2)
        >>> regions.tolist(), bound
        ([[[0, 0, -1], [1, 1, -1]]], 3)
    """
    if labels.dim() != 3 or labels.is_floating_point() or minimum < 1:
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} of {labels.dtype}, minimum {minimum}; "
            "expected integers (B, H, W) and 1 or more"
        )
    batch, height, width = labels.shape
    starts = torch.ones_like(labels, dtype=torch.bool)
    torch.ne(labels[:, :, 1:], labels[:, :, :-1], out=starts[:, :, 1:])
    run = starts.flatten().cumsum(0).sub_(1).view(labels.shape)
    parent = _join(run, labels, starts)

    root = parent[run.flatten()]
    size = torch.zeros_like(parent).scatter_add_(0, root, (labels != ignore).flatten().long())
    large = size >= minimum  # only roots have a size, and only of pixels that count
    number = large.cumsum(0)
    before = (number - large.long())[run[:, 0, 0]]  # components of earlier images
    number = torch.where(large, number - 1, -1)
    regions = number[root].view(batch, -1)
    return torch.where(regions >= 0, regions - before[:, None], -1).view(labels.shape), max(
        height * width // minimum, 1
    )


def on_host(x: Tensor) -> bool:
    """Whether looking at values costs nothing."""
    return x.device.type == "cpu"


def _join(run: Tensor, labels: Tensor, starts: Tensor) -> Tensor:
    """Root (the smallest run) of every run."""
    touching = labels[:, 1:] == labels[:, :-1]
    touching &= starts[:, 1:] | starts[:, :-1]  # where two runs begin to touch: one pixel for each pair
    upper, lower = run[:, :-1], run[:, 1:]
    on_cpu = on_host(run)
    if on_cpu:
        upper, lower = upper[touching], lower[touching]
        parent = torch.arange(int(run.flatten()[-1]) + 1)
    else:  # no shape may depend on what the device holds: pairs that do not touch are joined to themselves
        upper, lower = upper.flatten(), torch.where(touching, lower, upper).flatten()
        parent = torch.arange(run.numel(), device=run.device)
    settled = False
    for _ in range(parent.numel() if on_cpu else ROUNDS):
        above, below = parent[upper], parent[lower]
        smallest = torch.minimum(above, below)
        joined = parent.scatter_reduce(0, above, smallest, "amin").scatter_reduce_(0, below, smallest, "amin")
        joined = joined[joined]
        joined = joined[joined]
        settled = on_cpu and torch.equal(joined, parent)
        parent = joined
        if settled:
            break
    return parent
