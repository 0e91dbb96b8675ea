"""Settings of a light head on a frozen encoder."""

from dataclasses import dataclass, field
from typing import ClassVar

from vergence.methods.supervised_config import FromLabels
from vergence.settings.networks import FrozenNetworkConfig


@dataclass
class FrozenConfig(FromLabels):
    """Settings of a head on frozen features; these are made once for each labelled frame, so that training is short."""

    what: ClassVar[str] = "Semantic segmentation by a light head on a frozen encoder, learned from labels."
    network: FrozenNetworkConfig = field(default_factory=FrozenNetworkConfig)
    initialize_from: str | None = None
    """A run folder, checkpoint folder or weights file to take the encoder from, such as a depth run's; null for
    none."""
    class_balance: float = 0.5
    """Weight labelled pixels by the share of their class in the batch to this negative power; 0 for none."""
    memory_mb: int = 2000
    """Features of training frames that are kept in memory instead of being made at every step; 0 for none. Frames that
    are cropped at random or change their colours are never kept."""

    @property
    def starts_from(self) -> str:
        """As of the other methods."""
        return self.initialize_from or ""
