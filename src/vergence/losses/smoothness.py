"""Edge-aware smoothness of disparity (Monodepth2, section 3.1)."""

from torch import Tensor


def edge_aware_smoothness(disparity: Tensor, image: Tensor, normalise: bool = True) -> Tensor:
    """mean |dx d| exp(-mean_c |dx I|) + mean |dy d| exp(-mean_c |dy I|), a scalar.

    Args:
        disparity: (B, 1, H, W).
        image: (B, C, H, W) at the same size, not augmented.
        normalise: divide each disparity map by its mean (+ 1e-7) first, so that shrinking depth does not pay.

    Raises:
        ValueError: if the sizes differ.

    Example:
        >>> import torch
        >>> edge_aware_smoothness(torch.full((1, 1, 4, 4), 0.3), torch.rand(1, 3, 4, 4)).item()
        0.0
    """
    if disparity.shape[-2:] != image.shape[-2:] or disparity.shape[0] != image.shape[0]:
        raise ValueError(
            f"disparity has shape {tuple(disparity.shape)} and image {tuple(image.shape)}, expected the same B, H, W"
        )
    if normalise:
        disparity = disparity / (disparity.mean(dim=(2, 3), keepdim=True) + 1e-7)
    steps_x = (disparity[..., :-1] - disparity[..., 1:]).abs()
    steps_y = (disparity[..., :-1, :] - disparity[..., 1:, :]).abs()
    edges_x = (image[..., :-1] - image[..., 1:]).abs().mean(dim=1, keepdim=True)
    edges_y = (image[..., :-1, :] - image[..., 1:, :]).abs().mean(dim=1, keepdim=True)
    return (steps_x * (-edges_x).exp()).mean() + (steps_y * (-edges_y).exp()).mean()
