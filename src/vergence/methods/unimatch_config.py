"""Settings of UniMatch."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from vergence.methods.consistency_config import ConsistencyConfig, Mixing
from vergence.methods.three_ways_config import ThreeWaysConfig


@dataclass
class WeakToStrongConfig(ConsistencyConfig):
    """Constants of learning from unlabelled frames; the defaults are those of UniMatch V2 for Cityscapes."""

    mix: Mixing = "cutmix"
    mix_probability: float = 0.5
    """Probability of mixing a view at all."""
    confidence: float = 0.95
    """Probability from which a pixel's pseudo-label teaches."""
    confidence_weight: bool = True
    """Learn from confident pixels alone; false: from all."""
    strength: float = 0.5
    """Largest change of brightness, contrast and saturation; of hue half of it."""
    grey: float = 0.2
    """Probability of taking a view's colours away."""
    dropout: float = 0.5
    """Probability that the two views of a frame lose complementary halves of the encoder's channels."""


@dataclass
class UniMatchConfig(ThreeWaysConfig):
    """Settings of UniMatch: those of Three Ways, with other defaults for the teacher and for what views look like."""

    what: ClassVar[str] = (
        "Semantic segmentation from few labels: UniMatch (CVPR 2023), with depth where it is asked for."
    )
    section: ClassVar[str] = "unimatch"
    teacher_decay: float = 0.996
    teacher_buffers: bool = True
    evaluate: Literal["student", "teacher"] = "teacher"
    consistency: WeakToStrongConfig = field(default_factory=WeakToStrongConfig)
    mix_labels: bool = False
