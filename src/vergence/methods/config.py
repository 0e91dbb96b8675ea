"""What every method's settings say of it; those of each method stand in a file of their own, free of PyTorch."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vergence.methods.role import Role


@dataclass
class MethodConfig:
    """What the engine asks of a method's settings (a dataclass)."""

    what: ClassVar[str] = ""
    """What a model of this method is, in a sentence, for its card."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the method predicts, of "depth" and "segmentation"."""
        return ("depth",)

    @property
    def roles(self) -> dict[str, Role]:
        """The batches that the method's ``forward`` needs, by name."""
        return {"unlabelled": Role(neighbours=True)}

    @property
    def needs_label_space(self) -> bool:
        """Whether the method speaks of classes, its own or those of a label port."""
        return "segmentation" in self.tasks or any(role.label_port for role in self.roles.values())

    @property
    def shown(self) -> tuple[str, ...]:
        """Roles whose frames :meth:`Method.training_pictures` takes; it does without all but the first."""
        return ()

    @property
    def networks(self) -> dict[str, Any]:
        """Settings of the networks by what they are for ("depth"), each with ``encoder`` and ``weights``."""
        return {}

    @property
    def starts_from(self) -> str:
        """A run or weights file whose weights replace those of the networks; "" for none."""
        return getattr(self, "initialize_from", None) or ""

    @property
    def depth_from(self) -> str:
        """What depth is learned from, where that is no other views."""
        return ""

    @property
    def facts(self) -> dict[str, str]:
        """What else a reader of a report should know of the settings, by name."""
        return {}

    def check(self) -> None:
        """InputError for settings that contradict each other."""

    def for_loading(self, keep_reference: bool = False) -> Self:
        """The same networks without initial weights: what a stored run is rebuilt from before its weights are read.

        ``keep_reference`` keeps what only training needs (named ``reference.*``), which resuming must have.
        """
        return self
