"""Settings of self-supervised depth."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from vergence.methods.config import MethodConfig
from vergence.methods.view_synthesis_config import ViewSynthesisConfig
from vergence.settings.networks import DepthNetworkConfig


@dataclass
class DepthConfig(ViewSynthesisConfig, MethodConfig):
    """Settings of self-supervised depth."""

    what: ClassVar[str] = "Monocular depth, learned from video without labels (view synthesis)."
    network: DepthNetworkConfig = field(default_factory=DepthNetworkConfig)
    feature_distance: float = 0.0
    """Weight of the distance to the initial encoder's bottleneck features (Three Ways phase B: 0.01).
    Initial means with ``network.weights``, or, where these are none, with what ``initialize_from`` brings."""
    freeze_encoder: bool = False
    """Keep the encoder at its initial weights (Three Ways phase A)."""
    freeze_batchnorm: bool = False
    """Keep the encoders' batch norm statistics and affine parameters fixed."""
    initialize_from: str | None = None
    """A run folder, checkpoint folder or weights file to start from, after the network's own weights; null for none."""
    initialize_parts: tuple[str, ...] = ("encoder", "decoder", "pose")
    """Which parts are taken from there."""

    @property
    def networks(self) -> dict[str, Any]:
        return {"depth": self.network, "pose": self.pose}

    def for_loading(self, keep_reference: bool = False) -> "DepthConfig":
        """Without initial weights; ``keep_reference`` keeps the frozen encoder of the feature distance."""
        return replace(
            self,
            network=replace(self.network, weights="none"),
            pose=replace(self.pose, weights="none"),
            feature_distance=self.feature_distance if keep_reference else 0.0,
            initialize_from=None,
        )
