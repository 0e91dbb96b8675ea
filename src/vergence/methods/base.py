"""What the engine asks of a method: one ``nn.Module`` that owns the networks and turns batches into losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace


@dataclass
class MethodConfig:
    """What the engine asks of a method's settings (a dataclass)."""

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the batches that the method's ``forward`` needs."""
        return ("unlabelled",)

    @property
    def depth_port(self) -> str:
        """Where the ``estimate`` of frames comes from (:mod:`vergence.inference.estimates`); "" where none is used."""
        return ""

    def depth_port_of(self, role: str) -> str:
        """The same for the frames of one role, where roles differ."""
        return self.depth_port

    def label_port_of(self, role: str) -> str:
        """Where its ``pseudo_label`` comes from (see :mod:`vergence.runs.label_ports`); "" where none is used."""
        return ""

    def samples(self, role: str) -> int:
        """How many samples of a role come for each one of ``frames.batch_size``."""
        return 1

    def rare_classes(self, role: str) -> float:
        """Temperature of rare-class sampling of a role's frames (:mod:`vergence.data.rare_classes`), 0 for none."""
        return 0.0

    def frame_options(self, role: str, options: FrameOptions) -> FrameOptions:
        """How frames of a role are loaded, from the run's own options."""
        return options

    def for_loading(self, keep_reference: bool = False) -> Self:
        """The same networks without initial weights: what a stored run is rebuilt from before its weights are read.

        ``keep_reference`` keeps what only training needs (named ``reference.*``), which resuming must have.
        """
        raise NotImplementedError


class Method(nn.Module):
    """Owns student (and teacher), losses and mixing; knows nothing of devices, processes or files of a run.

    A method runs, and is tested, without an engine: build it, call it on batches, sum the losses, step an optimiser.
    """

    tasks: ClassVar[tuple[str, ...]] = ("depth",)
    """What :meth:`predict` gives, of "depth" and "segmentation"."""
    label_space: LabelSpace | None = None
    """The classes of ``logits``."""
    corners_aligned: ClassVar[bool] = False
    """Whether evaluation resizes :meth:`predict_small` once, with corners aligned, as the method's paper does."""
    scale: Literal["metric", "unscaled"] = "unscaled"
    """Whether ``metres_per_unit`` is meaningful (a known baseline was seen in training) or depth has a free factor."""
    origin_of_metres: str = "metres from the stereo baseline seen in training"
    """What metres come from, in words."""
    metres_per_unit: float = 1.0
    """Metres in one unit of predicted depth, where ``scale`` is "metric"."""
    generator: torch.Generator | None = None
    """Of the random draws of :meth:`forward`; the engine sets it before each (:mod:`vergence.mixing.draws`). None is
    PyTorch's own."""

    def initialize(self) -> None:
        """Load starting weights. The engine calls it once, at the start of a fresh run; never when a run is loaded."""

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        """Weighted scalar losses, summed by the engine; keys that start with "_" are logged and not summed."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Called after each optimiser step (teacher updates)."""

    def remark(self, values: Mapping[str, float]) -> str:
        """What people should know of the mean losses and values since the last logging; "" for nothing."""
        return ""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Trainable parameters as ``{"name": str, "params": list}``; names are keys of ``optim.group_lr``."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Predict from images (B, 3, H, W) in [0, 1]; maps at the size of the input.

        ``disparity`` and ``inverse_depth`` (B, 1, H, W) where depth is among the tasks, ``logits`` (B, K, H, W) where
        segmentation is.
        """
        raise NotImplementedError

    def predict_small(self, images: Tensor) -> dict[str, Tensor]:
        """The same, with logits (B, K, h, w) before they are resized to the images."""
        return self.predict(images)

    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """Maps for pictures of one batch: what was predicted, what was compared, what was masked."""
        raise NotImplementedError


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of a module that the optimiser may change."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def groups_of(parts: Mapping[str, Sequence[nn.Module]]) -> list[dict[str, Any]]:
    """Parameter groups of modules by part; a part in which nothing is trainable has none."""
    groups = [
        {"name": name, "params": [value for module in modules for value in trainable(module)]}
        for name, modules in parts.items()
    ]
    return [group for group in groups if group["params"]]
