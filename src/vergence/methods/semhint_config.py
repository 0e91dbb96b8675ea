"""Settings of SemHint-MD: which semantic hints depth gets, how labels are refined, and when."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from vergence.errors import InputError
from vergence.methods.config import MethodConfig
from vergence.methods.role import Role
from vergence.methods.view_synthesis_config import ViewSynthesisConfig
from vergence.settings.losses import HintProposalConfig, RefinementConfig, VerificationConfig, ViewLossOptions
from vergence.settings.networks import SegmentationNetworkConfig

FOREGROUND = ("pole", "traffic light", "traffic sign")
DYNAMIC = (
    *("person", "rider", "bicyclist", "motorcyclist"),
    *("car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
"""By name or by meaning: a "pedestrian" is a person, "pavement" is sidewalk (vergence.data.labels.meaning)."""


@dataclass
class SemHintConfig(ViewSynthesisConfig, MethodConfig):
    """Depth by view synthesis with a segmentation branch, hints from noisy labels and refined labels
    (docs/semhint.md)."""

    what: ClassVar[str] = "Monocular depth with hints from semantics: SemHint-MD (ICRA 2023)."
    network: SegmentationNetworkConfig = field(default_factory=lambda: SegmentationNetworkConfig(shared_blocks=4))
    loss: ViewLossOptions = field(default_factory=lambda: ViewLossOptions(normalise="kept"))
    labels: str = ""
    """Label port: a segmentation run, a folder that ``vergence predict --labels`` wrote, "manifest" (columns
    pseudo_label and confidence), or "truth" (the data's own labels: the oracle)."""
    segmentation: bool = True
    """Learn the segmentation branch; without it the labels only give hints."""
    segmentation_weight: float = 0.3
    """Weight of the segmentation branch's loss."""
    segmentation_loss: Literal["cross_entropy", "generalised", "symmetric"] = "cross_entropy"
    """Loss of the segmentation branch; generalised and symmetric bear heavily wrong labels better."""
    triplet_weight: float = 0.0
    """Weight of the semantic triplet loss on the depth decoder's levels 3, 2, 1 (FSRE-Depth: 0.1)."""
    hints: bool = True
    """Propose depth from regions of one class, and learn what the images confirm."""
    hint_weight: float = 1.0
    """Weight of the loss of hints."""
    hint_form: Literal["auto", "log_l1", "log_ratio", "inverse"] = "auto"
    """How depth D differs from its hint H: log_l1 ``ln(1 + abs(D - H))``; log_ratio ``abs(ln D - ln H)``, which a free
    scale does not change; auto: the latter without stereo; inverse: difference of inverse depth over its mean, which
    pulls near and far alike."""
    hint_balance: float = 0.0
    """How much hints of small classes are raised: a pixel weighs n^-hint_balance where its class has n hints in the
    batch. 0: all pixels weigh alike, 1: all classes do."""
    hint_every: int = 1
    """Look for hints in every so many steps only, and let their loss weigh as many times as much there: the search
    takes about a fifth of a step."""
    hint_downsample: int = 1
    """Look for hints in frames so many times smaller in height and width: at 2 the search takes about a quarter of its
    time, and things of a pixel or two get none."""
    refine: bool = True
    """Refine the labels by the other views and depth before they are used."""
    teacher_decay: float = 0.999
    """Weight of the teacher's past, 0 to 1."""
    proposals_from: Literal["teacher", "student"] = "teacher"
    """Whose depth the planes are fitted to, and whose classes join the vote."""
    start: int = 0
    """Step from which hints, refinement and the teacher work; before it, depth and classes learn from the images and
    the noisy labels as they are."""
    ramp: int = 0
    """Steps after ``start`` in which the weight of hints grows from 0 to 1."""
    beta_ramp: int = 0
    """Steps after ``start`` in which ``refinement.beta`` grows from 0 to its value."""
    sky: tuple[str, ...] = ("sky",)
    """Classes that are as far as depth goes."""
    dynamic: tuple[str, ...] = DYNAMIC
    """Classes that move by themselves; these and the other lists go by name or meaning: a pedestrian is a person."""
    dynamic_guard: bool = True
    """Only a stereo partner may confirm hints on them: a car that moves with the camera looks best at infinity."""
    foreground: tuple[str, ...] = (*FOREGROUND, *DYNAMIC)
    """Classes whose outlines the borders family pulls depth edges to, and that stand on each other for contacts."""
    ground: tuple[str, ...] = ("road", "sidewalk", "terrain")
    """Classes that things stand on, for the contacts family."""
    standing: tuple[str, ...] = ("wall", "fence", *FOREGROUND, *DYNAMIC)
    """Upright classes that the contacts family makes as far as the ground at their foot."""
    oracle: bool = False
    """Verify hints by measured depth instead of the images: an upper bound for studies."""
    proposals: HintProposalConfig = field(default_factory=HintProposalConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    initialize_from: str | None = None
    """A run folder, checkpoint folder or weights file to start from, of depth, segmentation or semhint; null for
    none."""
    initialize_parts: tuple[str, ...] = ("encoder", "decoder", "pose")
    """Which parts are taken from there."""

    @property
    def uses_labels(self) -> bool:
        """Whether any part reads the noisy labels."""
        return self.segmentation or self.hints or self.triplet_weight > 0

    @property
    def second_stage(self) -> bool:
        """Whether there is anything but the two losses of the first stage."""
        return self.hints or (self.refine and self.segmentation)

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("depth", "segmentation") if self.segmentation else ("depth",)

    @property
    def needs_label_space(self) -> bool:
        return True

    @property
    def roles(self) -> dict[str, Role]:
        """Noisy labels of the target, or of all frames where the views vote; measured depth for the oracle alone."""
        role = Role(
            neighbours=True,
            label_port=self.labels if self.uses_labels else "",
            pseudo_labels="all" if self.refine and self.second_stage else "target",
            measured_depth=self.oracle and self.hints,
        )
        return {"unlabelled": role}

    @property
    def shown(self) -> tuple[str, ...]:
        return ("unlabelled",) if self.uses_labels and self.second_stage else ()

    @property
    def networks(self) -> dict[str, Any]:
        return {"depth": self.network, "pose": self.pose}

    def for_loading(self, keep_reference: bool = False) -> Self:
        return replace(
            self,
            network=replace(self.network, weights="none"),
            pose=replace(self.pose, weights="none"),
            hints=self.hints and keep_reference,
            refine=self.refine and keep_reference,
            initialize_from=None,
        )

    def check(self) -> None:
        """InputError for settings that contradict each other."""
        if self.uses_labels and not self.labels:
            raise InputError(
                "semhint learns from noisy labels and there are none; set semhint.labels to a segmentation run, a "
                "folder that vergence predict --labels wrote, manifest, or truth."
            )
        if not 0 <= self.teacher_decay <= 1:
            raise InputError(f"semhint.teacher_decay is {self.teacher_decay}; give 0 to 1, such as 0.999.")
        lengths, weights = ("start", "ramp", "beta_ramp"), ("segmentation_weight", "hint_weight", "triplet_weight")
        for name in (*lengths, *weights, "hint_balance"):
            if getattr(self, name) < 0:
                raise InputError(f"semhint.{name} is {getattr(self, name)}; give 0 or more.")
        for name, kind in (("hint_every", "a number of steps"), ("hint_downsample", "a whole factor")):
            if getattr(self, name) < 1:
                raise InputError(f"semhint.{name} is {getattr(self, name)}; give {kind}, 1 or more.")
