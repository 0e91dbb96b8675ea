"""Settings of Three Ways with a source domain."""

from dataclasses import dataclass, replace
from typing import ClassVar

from vergence.errors import InputError
from vergence.methods.role import Role
from vergence.methods.three_ways_config import ThreeWaysConfig


@dataclass
class SSDAConfig(ThreeWaysConfig):
    """Settings of adaptation: those of Three Ways on the target domain, and what the source domain adds.

    Depth to mix by is estimated beforehand in both domains, as published.
    """

    what: ClassVar[str] = (
        "Semantic segmentation carried from one domain to another with few labels: Improving Semi-Supervised and "
        "Domain-Adaptive Semantic Segmentation with Self-Supervised Depth Estimation (IJCV 2023)."
    )
    section: ClassVar[str] = "ssda"
    source_depth: str = ""
    """Depth port of source frames; "" for that of the target's, ``depth``."""
    source_weight: float = 1.0
    """Weight of the loss on source labels."""
    cross_weight: float = 1.0
    """Weight of the loss on frames mixed across domains; 0 for no such frames."""
    cross_margin: float = 0.03
    """Across domains this difference of normalised disparity is in favour of one of the two, drawn for each pair."""
    candidates: int = 5
    """Source frames among which each target frame has its geometry's best match; 1 for no choice."""
    ignored_top: float = 0.15625
    """Share of rows at the top that matching does not look at (80 of 512)."""
    ignored_bottom: float = 0.1953125
    """The same at the bottom (100 of 512)."""

    @property
    def roles(self) -> dict[str, Role]:
        """Those of the target domain, with estimates where domains are mixed, and the source domain's."""
        roles = super().roles
        if self.crosses:
            roles["unlabelled"] = replace(roles["unlabelled"], depth_port=self.depth)
        port = (self.source_depth or self.depth) if self.crosses else ""
        samples = self.candidates if self.crosses else 1
        return {**roles, "source": Role("source_domain", labels=True, depth_port=port, samples=samples)}

    @property
    def crosses(self) -> bool:
        """Whether frames are mixed across domains."""
        return self.teacher and self.cross_weight > 0

    def check(self) -> None:
        super().check()
        if self.crosses and self.depth in ("", "online"):
            raise InputError(
                "mixing across domains compares depths that are estimated beforehand; set ssda.depth to a depth run, a "
                "folder of depth files or another depth port, or ssda.cross_weight to 0."
            )
        if self.candidates < 1:
            raise InputError(f"ssda.candidates is {self.candidates}; give 1 or more.")
        if min(self.ignored_top, self.ignored_bottom) < 0 or self.ignored_top + self.ignored_bottom >= 1:
            raise InputError(
                f"ssda.ignored_top {self.ignored_top} and ssda.ignored_bottom {self.ignored_bottom} leave no rows; "
                "give shares of the rows, together less than 1."
            )
