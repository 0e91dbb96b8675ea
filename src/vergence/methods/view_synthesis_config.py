"""Settings of learning depth by view synthesis."""

import math
from dataclasses import dataclass, field
from typing import Literal

from vergence.errors import InputError
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import PoseConfig


@dataclass
class ViewSynthesisConfig:
    """Settings of learning depth by view synthesis."""

    pose: PoseConfig = field(default_factory=PoseConfig)
    loss: ViewLossOptions = field(default_factory=ViewLossOptions)
    metres_per_unit: float = 5.4
    """Metres in one training unit, used with a stereo baseline (5.4 makes KITTI's 0.54 m the published 0.1)."""
    tie_break: float = 1e-5
    """Standard deviation of the noise that breaks ties between identity errors of photometry."""
    learn_intrinsics: Literal["off", "unknown", "all"] = "off"
    """Predict the camera: never, where the manifest has none, or for every frame."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.metres_per_unit) and self.metres_per_unit > 0):
            raise InputError(f"metres_per_unit is {self.metres_per_unit}; give a positive number of metres.")
        if not 0 < self.loss.min_depth < self.loss.max_depth < math.inf:
            raise InputError(
                f"loss.min_depth {self.loss.min_depth:g} and loss.max_depth {self.loss.max_depth:g} are no range of "
                "depths; give positive numbers, the smaller one first."
            )
