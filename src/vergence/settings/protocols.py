"""Protocols by which depth is scored."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DepthProtocol:
    """Which pixels count, and how the prediction's scale is found."""

    name: str
    min_depth: float = 1e-3
    """Predictions are clipped to this range, metres."""
    max_depth: float = 80.0
    cap_ground_truth: bool = False
    """Leave out truth outside the range (else only truth of 0 is left out)."""
    crop: Literal["garg"] | None = None
    scale: Literal["median", "none"] | float = "median"
    """median(truth) / median(prediction) per image, none, or a factor."""

    def describe(self) -> str:
        """One line: everything a number depends on."""
        capped = (
            f"ground truth {self.min_depth:g}-{self.max_depth:g} m" if self.cap_ground_truth else "all ground truth"
        )
        scale = {"median": "median scaling per image", "none": "no scaling"}.get(
            str(self.scale), f"scaled by {self.scale}"
        )
        crop = "Garg crop" if self.crop else "no crop"
        return f"{self.name}: {capped}, {crop}, prediction clipped to {self.min_depth:g}-{self.max_depth:g} m, {scale}"


PROTOCOLS: dict[str, DepthProtocol] = {
    "eigen": DepthProtocol("eigen", cap_ground_truth=True, crop="garg"),
    "improved": DepthProtocol("improved"),
    "plain": DepthProtocol("plain", cap_ground_truth=True),
}
