"""What a method receives for one role: frames, cameras and truth of a batch of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from torch import Tensor

ON_HOST = ("index", "flipped", "jitter")
"""What is known of samples that is looked at before the device computes, and stays on the CPU."""
IGNORED_LABEL = 255
"""Value of pixels without a label."""


class Batch(TypedDict):
    """Tensors of B samples of F frames: the target first, then the sources in the order of ``FrameOptions.offsets``."""

    frames: Tensor
    """(B, F, 3, H, W) float in [0, 1], not jittered: what losses compare. Missing sources repeat the target."""
    jittered: Tensor
    """(B, F, 3, H, W) float in [0, 1]: what networks see; the same tensor object as ``frames`` without jitter."""
    intrinsics: Tensor
    """(B, F, 3, 3) float32 pixels of the H x W image, after resize, crop and flip."""
    stereo_transform: Tensor
    """(B, 4, 4) float32, points of the target camera to its stereo partner, metres; identity where there is none."""
    available: Tensor
    """(B, F) bool: whether the frame exists; the target always does."""
    intrinsics_known: Tensor
    """(B,) bool: False where the intrinsics are a guess from the field of view."""
    index: Tensor
    """(B,) int64, on the CPU: row of the target in the manifest."""
    flipped: Tensor
    """(B,) bool, on the CPU: whether the sample was mirrored."""
    label: NotRequired[Tensor]
    """(B, H, W) int64 train ids, ``IGNORED_LABEL`` where there is none."""
    labelled: NotRequired[Tensor]
    """(B,) bool, beside ``label``: whether the row has a label at all."""
    label_confidence: NotRequired[Tensor]
    """(B, H, W) uint8, beside ``label`` where some labels are more sure than others: value / 255 is how sure."""
    estimate: NotRequired[Tensor]
    """(B, 1, H, W) float32 in [0, 1], near is large: estimated inverse depth, min-max normalised over the image."""
    inverse_depth: NotRequired[Tensor]
    """(B, 1, H, W) float32 >= 1, near is large, exactly 1.0 where there is none: depth supervision in CorDA's unit."""
    pseudo_label: NotRequired[Tensor]
    """(B, F, H, W) int64 guessed train ids, ``IGNORED_LABEL`` where there is none; F = 1 if only of the target."""
    confidence: NotRequired[Tensor]
    """(B, F, H, W) float32 in [0, 1], beside ``pseudo_label``: how sure it is; 0 where there is none."""
    depth: NotRequired[Tensor]
    """(B, 1, H, W) float32 metres, 0 where there is none."""
