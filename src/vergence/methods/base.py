"""What the engine asks of a method: one ``nn.Module`` that owns the networks and turns batches into losses."""

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from vergence.data.batch import Batch


class Method(nn.Module):
    """Owns student (and teacher), losses and mixing; knows nothing of devices, processes or files of a run.

    A method runs, and is tested, without an engine: build it, call it on batches, sum the losses, step an optimiser.
    """

    roles: ClassVar[tuple[str, ...]] = ("unlabelled",)
    """Names of the batches that :meth:`forward` needs."""
    scale: Literal["metric", "unscaled"] = "unscaled"
    """Whether ``metres_per_unit`` is meaningful (a known baseline was seen in training) or depth has a free factor."""
    metres_per_unit: float = 1.0
    """Metres in one unit of predicted depth, where ``scale`` is "metric"."""

    def initialize(self) -> None:
        """Load starting weights. The engine calls it once, at the start of a fresh run; never when a run is loaded."""

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        """Weighted scalar losses, summed by the engine; keys that start with "_" are logged and not summed."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Called after each optimiser step (teacher updates)."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Trainable parameters as ``{"name": str, "params": list}``; names are keys of ``optim.group_lr``."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Predict from images (B, 3, H, W) in [0, 1]; maps at the size of the input, (B, 1, H, W)."""
        raise NotImplementedError

    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """Maps for pictures of one batch: what was predicted, what was compared, what was masked."""
        raise NotImplementedError


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of a module that the optimiser may change."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
