"""Settings of learning from mixed frames."""

from dataclasses import dataclass
from typing import Literal

Mixing = Literal["none", "cutmix", "classmix", "depthmix", "depth_threshold", "depth_histogram"]
DEPTH_MIXES = ("depthmix", "depth_threshold", "depth_histogram")


@dataclass
class ConsistencyConfig:
    """Constants of learning from unlabelled frames; the defaults are the paper's."""

    mix: Mixing = "depthmix"
    """What decides whose pixels are kept: nothing, boxes, classes, or depth in three forms."""
    margin: float = 0.03
    """How much farther the own pixel may be in DepthMix (normalised disparity)."""
    threshold: tuple[float, float] = (0.0, 0.0)
    """In DepthMix the own pixel must be at least so near; drawn from this range for each image."""
    confidence: float = 0.968
    """Probability from which a pseudo-label counts as confident."""
    confidence_weight: bool = True
    """Weight the loss with the share of confident pixels."""
    weight: float = 1.0
    """Weight of the loss on mixed frames."""
    mixed_statistics: bool = True
    """Let mixed frames change the batch norm statistics that prediction uses, as the published program does. Short
    trainings do better without: strongly changed colours are no part of the frames that one predicts for."""
    clean: float = 0.0
    """Weight of the same loss on the unmixed frames."""
    jitter: float = 0.8
    """Probability of changing the mixed batch's colours, by ``strength``."""
    strength: float = 0.25
    """Largest change of brightness, contrast, saturation and hue."""
    blur: float = 0.5
    """Probability of blurring the mixed batch."""
