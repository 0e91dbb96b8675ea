"""Settings of Three Ways; the numbers are sections of three_ways.md."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from vergence.errors import InputError
from vergence.methods.consistency_config import DEPTH_MIXES, ConsistencyConfig
from vergence.methods.role import Role
from vergence.methods.supervised_config import SupervisedConfig
from vergence.methods.view_synthesis_config import ViewSynthesisConfig


@dataclass
class ThreeWaysConfig(SupervisedConfig, ViewSynthesisConfig):
    """Settings of Three Ways; every experiment of the paper is a line of them.

    ``pose``, ``loss`` and what else is of view synthesis are used with ``multi_task``.
    """

    what: ClassVar[str] = (
        "Semantic segmentation that depth taught: Three Ways to Improve Semantic Segmentation with Self-Supervised "
        "Depth Estimation (CVPR 2021)."
    )
    section: ClassVar[str] = "three_ways"
    """Where these settings stand in a recipe, for messages."""
    multi_task: bool = False
    """Learn depth by view synthesis beside segmentation; needs neighbour frames (``frames.options.offsets``)."""
    segmentation_weight: float = 1.0
    """Weight of the cross-entropy on labelled frames."""
    depth_weight: float = 1.0
    """Weight of the view synthesis losses, on labelled and unlabelled frames alike."""
    pseudo_depth: float = 0.0
    """Weight of berHu to the depth port's estimate on labelled frames; needs ``multi_task``."""
    freeze_encoder: bool = False
    """Keep the encoder at its initial weights."""
    teacher: bool = True
    """Learn from unlabelled frames by a mean teacher; false: labelled frames are all that is used."""
    start: int = 0
    """Steps of labels alone; then the teacher begins as a copy of the student, and unlabelled frames teach."""
    ramp: int = 0
    """Steps after ``start`` in which the weight of unlabelled frames grows from nothing to its full value."""
    teacher_decay: float = 0.99
    """Largest decay of the teacher's running mean, 0 to 1; it begins at 0.5."""
    teacher_buffers: bool = False
    """Average the teacher's batch norm statistics too; it then runs in evaluation mode."""
    evaluate: Literal["student", "teacher"] = "student"
    """Which of the two predicts."""
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    mix_labels: bool = True
    """Unlabelled batches also hold labelled frames, with ground truth for pseudo-label."""
    depth: str = ""
    """Depth for mixing: online (the student's own, with ``multi_task``), or a depth port: a depth run, a folder of
    depth files, truth (measured depth), ``hf:MODEL``, ``onnx:FILE`` or ``onnx-depth:FILE`` (docs/recipes.md)."""

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation", "depth") if self.multi_task else ("segmentation",)

    def self_training(self, step: int) -> float:
        """Factor of what unlabelled frames teach at a step (from 0)."""
        if not self.teacher or step < self.start:
            return 0.0
        return min(1.0, (step - self.start + 1) / self.ramp) if self.ramp else 1.0

    @property
    def mixes_depth(self) -> bool:
        """Whether the mask of mixing compares depths."""
        return self.teacher and self.consistency.mix in DEPTH_MIXES

    @property
    def roles(self) -> dict[str, Role]:
        """Labelled frames and, with a teacher, unlabelled ones: neighbours only where depth is learned."""
        port = "" if self.depth == "online" else self.depth
        taught = port if self.pseudo_depth > 0 else ""
        online = self.teacher and self.multi_task and self.depth == "online"
        roles = {
            "labelled": Role("labelled", labels=True, neighbours=self.multi_task, sourceless=online, depth_port=taught)
        }
        if self.teacher:
            roles["unlabelled"] = Role(
                "unlabelled",
                labels=self.mix_labels,
                neighbours=online,
                depth_port=port if self.mixes_depth else "",
            )
        return roles

    @property
    def shown(self) -> tuple[str, ...]:
        return ("unlabelled",) if self.teacher else ()

    @property
    def networks(self) -> dict[str, Any]:
        sections = {"segmentation": self.network}
        return sections | {"pose": self.pose} if self.multi_task else sections

    @property
    def facts(self) -> dict[str, str]:
        return {"Mixing": self.consistency.mix} if self.teacher else {}

    def for_loading(self, keep_reference: bool = False) -> Self:
        teacher = self.teacher and (keep_reference or self.evaluate == "teacher")
        return replace(
            super().for_loading(keep_reference),
            pose=replace(self.pose, weights="none"),
            teacher=teacher,
            start=self.start if teacher else 0,
        )

    def check(self) -> None:
        """InputError for settings that contradict each other."""
        if self.mixes_depth and not self.depth:
            raise InputError(
                f"consistency.mix {self.consistency.mix} compares depths and there is no depth port; set "
                f"{self.section}.depth to a depth run, a folder of depth files, or online (with multi_task)."
            )
        if self.depth == "online" and self.mixes_depth and not self.multi_task:
            raise InputError(
                f"{self.section}.depth is online, and depth is not learned; set {self.section}.multi_task to true."
            )
        if self.pseudo_depth > 0 and (not self.multi_task or self.depth in ("", "online")):
            raise InputError(f"{self.section}.pseudo_depth needs multi_task and a depth port other than online.")
        for name in ("start", "ramp"):
            if getattr(self, name) < 0:
                raise InputError(f"{self.section}.{name} is {getattr(self, name)}; give steps, 0 for none.")
        if self.start and not self.teacher:
            raise InputError(
                f"{self.section}.start is {self.start} and no teacher follows; set {self.section}.teacher to true, or "
                "start to 0."
            )
        if self.evaluate == "teacher" and not self.teacher:
            raise InputError(
                f"{self.section}.evaluate is teacher and there is none; set {self.section}.teacher to true."
            )
        if self.network.exchange != "none" and not self.multi_task:
            raise InputError(
                f"network.exchange {self.network.exchange} joins two tasks; set {self.section}.multi_task to true."
            )
