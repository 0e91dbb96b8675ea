"""Settings of segmentation from labels."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from vergence.errors import InputError
from vergence.methods.config import MethodConfig
from vergence.methods.role import Role
from vergence.settings.networks import SegmentationNetworkConfig


class FromLabels(MethodConfig):
    """What settings of segmentation from labels alone say; no dataclass, so that a method's fields keep their order."""

    network: Any
    initialize_from: str | None

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation",)

    @property
    def roles(self) -> dict[str, Role]:
        return {"labelled": Role("labelled", labels=True)}

    @property
    def networks(self) -> dict[str, Any]:
        return {"segmentation": self.network}

    def for_loading(self, keep_reference: bool = False) -> Self:
        changes: dict[str, Any] = {"network": replace(self.network, weights="none"), "initialize_from": None}
        return replace(self, **changes)


@dataclass
class SupervisedConfig(FromLabels):
    """Settings of segmentation from labels."""

    what: ClassVar[str] = "Semantic segmentation, learned from labels."
    network: SegmentationNetworkConfig = field(default_factory=SegmentationNetworkConfig)
    freeze_batchnorm: bool = False
    """Keep the encoder's batch norm statistics and affine parameters fixed."""
    class_balance: float = 0.0
    """Weight labelled pixels by the share of their class in the batch to this negative power: 0 for none, 0.5 for its
    root. Rare classes decide mIoU and are few pixels."""
    initialize_from: str | None = None
    """A run folder, checkpoint folder or weights file to start from, after the network's own weights; a depth run is
    the paper's transfer: the encoder, and both decoders from its one. Null for none."""
    initialize_parts: tuple[str, ...] = ("encoder", "decoder")
    """Which parts are taken from there; pose too, where depth is learned."""


def check_class_balance(power: float) -> None:
    """InputError unless it is a power."""
    if not 0 <= power <= 1:
        raise InputError(f"class_balance is {power}; give 0 (every pixel counts alike) to 1 (every class does).")
