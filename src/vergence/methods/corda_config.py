"""Settings of CorDA and of the methods that it grew from; see :mod:`vergence.methods.corda`."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from vergence.errors import InputError
from vergence.methods.config import MethodConfig
from vergence.methods.role import Pool, Role
from vergence.settings.losses import DifficultyMode
from vergence.settings.networks import CordaNetworkConfig

DomainMixing = Literal["classmix", "cutmix", "depthmix", "none"]
STORED_DEPTH = ("measured", "estimate")
"""Depth supervision that the manifest itself has; anything else is a depth port."""
FULL_VARIANTS = ("gta", "synthia")
"""Variants of the network that have a depth decoder for each domain and initial heads."""


@dataclass
class CordaConsistencyConfig:
    """Constants of learning from target frames under pieces of source frames."""

    mix: DomainMixing = "classmix"
    """Which source pixels cover the target: half of the source label's classes, all but a box, or what is nearer than
    the target (depthmix); "none" leaves the target as it is."""
    mix_void: bool = False
    """Classmix takes pixels without a label for a class like any other (as released)."""
    margin: float = 0.03
    """Part of inverse depth that one domain is ahead by in depthmix, the source or the target by chance."""
    confidence: float = 0.968
    """Probability from which a pseudo-label counts as confident; the confident share weighs all target pixels."""
    weight: float = 1.0
    """Weight of the loss on mixed target frames."""
    jitter: float = 0.8
    """Probability of changing the mixed batch's colours, by ``strength``."""
    strength: float = 0.25
    """Largest change of brightness, contrast, saturation and hue."""
    blur: float = 0.5
    """Probability of blurring the mixed batch."""


@dataclass
class FeatureDistanceConfig:
    """Keeping source features of some classes near those of the starting weights (DAFormer, CVPR 2022)."""

    weight: float = 0.0
    """Weight of the distance; 0 for none, DAFormer has 0.005."""
    classes: tuple[str, ...] = (
        "traffic light", "traffic sign", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    )  # fmt: skip
    """By name; those that the label space lacks are left out."""
    share: float = 0.75
    """Part of a feature's pixels that must be of one of these classes."""

    def __post_init__(self) -> None:
        self.classes = tuple(self.classes)


@dataclass
class CordaConfig(MethodConfig):
    """Settings of CorDA; the defaults are the paper's method, with the released program's slips corrected.

    From a source domain, whose frames come from ``frames.source_domain``, to a target domain (docs/corda.md). Its
    steps are switches: ``adapt`` false learns from source labels alone; ``depth`` false adapts by mixing alone (DACS,
    with the network variant "dacs"); the variant "multitask" adds depth as a simple auxiliary task, "gta" and "synthia"
    the correlation of the tasks; ``difficulty`` lets depth say which pixels are hard to adapt to.
    """

    what: ClassVar[str] = "Semantic segmentation carried to an unlabelled domain with its depth: CorDA (ICCV 2021)."
    network: CordaNetworkConfig = field(default_factory=CordaNetworkConfig)
    adapt: bool = True
    """Learn from target frames too; false: from source labels alone."""
    depth: bool = True
    """Learn depth beside segmentation; false with ``network.variant`` dacs."""
    difficulty: DifficultyMode = "per_image"
    """How pixels are weighted by adaptation difficulty; "batch_mean" as released, "off" for not at all."""
    source_depth: str = "measured"
    """Depth supervision of source frames: "measured" (metres of the manifest), "estimate" (the manifest's column of
    that name, 16-bit sigmoid disparity), or a depth port such as a depth run."""
    target_depth: str = "measured"
    """The same of target frames."""
    align_depth: Literal["none", "median"] = "none"
    """median: scale the source's inverse depth so that running medians of both domains agree; for unlike kinds."""
    source_depth_weight: float = 0.01
    """Weight of the depth losses on source frames."""
    mixed_depth_weight: float = 0.001
    """Weight of the depth losses on mixed frames."""
    pseudo_head: Literal["final", "initial", "switch"] = "final"
    """Head of the teacher that makes pseudo-labels; switch: the initial head before ``switch_step``."""
    switch_step: int = 25001
    """First step at which pseudo-labels come from the final head, with ``pseudo_head`` switch."""
    repeat_encoder: bool = False
    """As released: an update of an encoder's parameter for every module around it, about three in a step."""
    teacher_decay: float = 0.999
    """Largest decay of the mean teacher's weights, 0 to 1."""
    teacher_buffers: bool = False
    """The teacher follows batch norm statistics too, and works in evaluation mode; as published it does not."""
    evaluate: Literal["student", "teacher"] = "student"
    """Which of the two predicts."""
    consistency: CordaConsistencyConfig = field(default_factory=CordaConsistencyConfig)
    feature_distance: FeatureDistanceConfig = field(default_factory=FeatureDistanceConfig)
    rare_class_temperature: float = 0.0
    """Temperature of drawing source frames for the rare classes that they show (DAFormer: 0.01); 0 draws all alike."""
    labelled: bool = False
    """Learn from labelled target frames too (semi-supervised adaptation): those of ``frames.labelled``."""
    labelled_weight: float = 1.0
    """Weight of the loss on labelled target frames."""
    source_size: tuple[int, int] | None = None
    """Height and width of source frames before ``frames.options.random_crop``; null: those of the target."""

    source_resampling: Literal["", "lanczos", "bicubic", "bilinear"] = ""
    """Filter that resizes source images; "" for that of the target's. As published: bicubic, and bilinear there."""

    def __post_init__(self) -> None:
        if self.source_size is not None:
            self.source_size = (int(self.source_size[0]), int(self.source_size[1]))

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation", "depth") if self.predicts_depth else ("segmentation",)

    @property
    def depth_from(self) -> str:
        return self.target_depth

    @property
    def roles(self) -> dict[str, Role]:
        """Labels of all but the target's own frames, inverse depth of both domains, no neighbours."""
        source = replace(
            self._domain("source_domain", self.source_depth),
            labels=True,
            rare_classes=self.rare_class_temperature,
            size=self.source_size,
            resampling=self.source_resampling,
        )
        roles = {"source": source}
        if self.adapt:
            roles["target"] = self._domain("training", self.target_depth)
        if self.labelled:
            roles["labelled"] = Role("labelled", labels=True)
        return roles

    def _domain(self, pool: Pool, depth: str) -> Role:
        """Frames of a domain with their depth supervision, where depth is used."""
        if not (self.depth or (self.adapt and self.consistency.mix == "depthmix")):
            return Role(pool)
        port = "" if depth in STORED_DEPTH else depth
        return Role(pool, depth_port=port, inverse_depth="measured" if depth == "measured" else "estimate")

    @property
    def shown(self) -> tuple[str, ...]:
        return ("target", "source") if self.adapt else ()

    @property
    def networks(self) -> dict[str, Any]:
        return {"segmentation": self.network}

    @property
    def facts(self) -> dict[str, str]:
        return {"Mixing": self.consistency.mix} if self.adapt else {}

    @property
    def weighs_difficulty(self) -> bool:
        """Whether pixels are weighted by adaptation difficulty."""
        return self.adapt and self.depth and self.difficulty != "off"

    @property
    def predicts_depth(self) -> bool:
        """Whether depth of target frames is learned, and predicted beside classes."""
        return self.adapt and self.depth

    @property
    def learns_metres(self) -> bool:
        """Whether that depth is in metres."""
        others = self.network.variant not in FULL_VARIANTS and self.source_depth != "measured"  # one decoder for both
        return self.target_depth == "measured" and not others

    def for_loading(self, keep_reference: bool = False) -> Self:
        distance = self.feature_distance if keep_reference else replace(self.feature_distance, weight=0.0)
        return replace(
            self,
            network=replace(self.network, weights="none"),
            adapt=self.adapt and (keep_reference or self.evaluate == "teacher"),
            evaluate=self.evaluate if self.adapt else "student",
            feature_distance=distance,
        )

    def check(self) -> None:
        """InputError for settings that contradict each other."""
        variant = self.network.variant
        if self.depth and variant == "dacs":
            raise InputError("network.variant dacs has no depth; set corda.depth to false, or another variant.")
        if self.weighs_difficulty and variant not in FULL_VARIANTS:
            raise InputError(
                f"corda.difficulty {self.difficulty} compares two depth decoders, and network.variant {variant} has "
                "one; set corda.difficulty to off, or another variant."
            )
        if self.rare_class_temperature < 0:
            raise InputError(
                f"corda.rare_class_temperature is {self.rare_class_temperature:g}; give a positive number such as "
                "0.01, or 0 for no such sampling."
            )
        if self.evaluate == "teacher" and not self.adapt:
            raise InputError("corda.evaluate is teacher and there is none; set corda.adapt to true.")
        if self.pseudo_head != "final" and variant not in FULL_VARIANTS:
            raise InputError(
                f"corda.pseudo_head {self.pseudo_head} takes an initial head, and network.variant {variant} has none; "
                "set corda.pseudo_head to final."
            )
        for role in ("source", "target"):
            if (self.depth or self.consistency.mix == "depthmix") and not getattr(self, f"{role}_depth"):
                raise InputError(
                    f"corda.{role}_depth is empty; set it to measured, estimate or a depth port, or corda.depth to "
                    "false."
                )
        kinds = {kind if kind == "measured" else "estimate" for kind in (self.source_depth, self.target_depth)}
        if self.adapt and self.consistency.mix == "depthmix" and len(kinds) > 1 and self.align_depth == "none":
            raise InputError(
                f"consistency.mix depthmix compares the depths of both domains, and corda.source_depth "
                f"{self.source_depth} and corda.target_depth {self.target_depth} have different units; set "
                "corda.align_depth to median."
            )
