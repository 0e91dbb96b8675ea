"""Settings of depth from a teacher."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from vergence.methods.config import MethodConfig
from vergence.methods.role import Role
from vergence.settings.networks import DepthNetworkConfig


@dataclass
class DistillConfig(MethodConfig):
    """Settings of learning depth from a teacher; the student of ``vergence select``, and a method for other uses."""

    what: ClassVar[str] = "Depth of a student that imitates estimated depth."
    network: DepthNetworkConfig = field(default_factory=lambda: DepthNetworkConfig(scales=(0,)))
    teacher: str = "manifest"
    """The depth port that is learned from; manifest: the estimates in its column ``estimate``."""
    ignored_bottom: float = 0.1
    """Share of rows at the bottom that are not learned: the camera's own car."""
    log: bool = False
    """Compare log(1 + disparity)."""

    @property
    def roles(self) -> dict[str, Role]:
        return {"unlabelled": Role(depth_port=self.teacher)}

    @property
    def networks(self) -> dict[str, Any]:
        return {"depth": self.network}

    def for_loading(self, keep_reference: bool = False) -> Self:
        return replace(self, network=replace(self.network, weights="none"))
