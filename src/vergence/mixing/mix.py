"""Putting two images, or what is known about them, together."""

from torch import Tensor, where


def mix(own: Tensor, mask: Tensor, other: Tensor | None = None) -> Tensor:
    """``own`` where the mask is 1, ``other`` where it is 0; of images, probabilities and integer labels alike.

    Args:
        own: (B, C, H, W) or (B, H, W), any type.
        mask: (B, 1, H, W), or (B, H, W) with maps of that shape; 0 or 1.
        other: the shape of ``own``; by default each image's partner, the next one of the batch.

    Example:
        >>> import torch
        >>> mix(torch.tensor([[[1, 1]]]), torch.tensor([[[1, 0]]]), torch.tensor([[[9, 9]]])).tolist()
        [[[1, 9]]]
    """
    other = own.roll(-1, 0) if other is None else other
    if own.shape != other.shape:
        raise ValueError(f"own and other have shapes {tuple(own.shape)} and {tuple(other.shape)}, expected one")
    batch, size = own.shape[0], own.shape[-2:]
    if own.ndim not in (3, 4) or mask.shape not in ((batch, 1, *size), (batch, *size)):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)} for maps {tuple(own.shape)}, expected (B, 1, H, W) of their size"
        )
    shape = (batch, *size) if own.ndim == 3 else (batch, 1, *size)
    return where(mask.reshape(shape) != 0, own, other)
