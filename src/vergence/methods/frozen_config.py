"""Settings of a light head on a frozen encoder."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from vergence.methods.config import MethodConfig
from vergence.methods.role import Role
from vergence.settings.networks import FrozenNetworkConfig


@dataclass
class FrozenConfig(MethodConfig):
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
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation",)

    @property
    def roles(self) -> dict[str, Role]:
        return {"labelled": Role("labelled", labels=True)}

    @property
    def networks(self) -> dict[str, Any]:
        return {"segmentation": self.network}

    @property
    def starts_from(self) -> str:
        return self.initialize_from or ""

    def for_loading(self, keep_reference: bool = False) -> Self:
        return replace(self, network=replace(self.network, weights="none"), initialize_from=None)
