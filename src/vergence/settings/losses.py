"""Settings of losses, of hints and of the refinement of labels."""

from dataclasses import dataclass
from typing import Literal

DifficultyMode = Literal["per_image", "batch_mean", "off"]


@dataclass(frozen=True)
class ViewLossOptions:
    """Constants of the loss of view synthesis; the defaults are Monodepth2's."""

    min_depth: float = 0.1
    """Depth at disparity 1, training units."""
    max_depth: float = 100.0
    """Depth at disparity 0, training units."""
    ssim_weight: float = 0.85
    """Share of SSIM in the photometric error; the rest is L1. 0 for L1 only."""
    reduction: Literal["min", "mean"] = "min"
    """How the errors of several sources become one."""
    automask: bool = True
    """Leave out pixels that the un-warped source explains better."""
    normalise: Literal["all", "kept"] = "all"
    """all: mean over all pixels (masked ones count as constants); kept: over the kept ones."""
    smoothness: float = 1e-3
    """Weight of edge-aware smoothness, halved at each coarser scale."""
    align_corners: bool = True
    """How views are sampled; false repeats programs that ran on a PyTorch whose default had changed."""


@dataclass(frozen=True)
class HintProposalConfig:
    """Where candidates of depth come from, that is hints."""

    families: tuple[str, ...] = ("components", "cells")
    """Where hints come from: components (planes of connected components), cells (of one class in a grid cell),
    neighbours (slanted copies of pixels of the class), borders (depth edges pulled onto label edges), contacts (upright
    things as far as the ground at their foot)."""
    component_share: float = 0.0015
    """Smallest component, as a share of the image."""
    cell_shares: tuple[float, ...] = (0.1, 0.2)
    """Sides of grid cells as shares of the width; each grid is used twice, moved by half a cell."""
    rounds: int = 5
    """Re-weighting rounds of a plane fit."""
    fit_pixels: int = 8192
    """Planes of larger images are fitted to one pixel in 2, 3 or 4 of each row, such that about this many are left."""
    least: float = 0.03
    """Candidates farther than this inverse depth (mean of the image = 1) are left out."""
    least_change: float = 0.02
    """Candidates whose log depth changes less are left out."""


@dataclass(frozen=True)
class VerificationConfig:
    """When a candidate is believed: its photometric error E must be less than ``(1 - kappa) E_now - floor``, and less
    than that of the frame as it is."""

    kappa: float = 0.1
    """By what share a hint's photometric error must be lower than that of the present depth."""
    floor: float = 0.01
    """And by how much more; about the image noise in the photometric error."""
    window: int = 5
    """Side of the window that errors are averaged in, odd; only neighbours of the pixel's class count."""
    cap: float = 1.5
    """Errors count no more than this; also what a pixel costs that no source sees."""
    confidence: float = 0.5
    """Least confidence of a label that gives hints."""


@dataclass(frozen=True)
class RefinementConfig:
    """Constants of the refinement of noisy labels."""

    beta: float = 0.5
    """Share of the teacher's probabilities in the evidence at the target; the rest is the noisy label."""
    pe_scale: float = 0.1
    """Another view's vote is ``exp(-photometric error / pe_scale)``."""
    window: int = 11
    """Taps a side of the smoothing, odd; 1: no smoothing."""
    dilation: int = 2
    """Distance of the taps, pixels of half the image size."""
    sigma: float = 2.5
    """Standard deviation, in taps, of the Gaussian over the taps."""
    depth_scale: float = 0.15
    """A neighbour counts ``exp(-difference of ln depth / depth_scale)``."""
    colour_scale: float = 0.1
    """And ``exp(-mean difference of colour / colour_scale)``."""
    fallback: float = 0.5
    """Where the best class has less than this share, the noisy label stays, with this weight."""
