"""What the engine asks of a method: one ``nn.Module`` that owns the networks and turns batches into losses."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.labels import LabelSpace
from vergence.errors import InputError
from vergence.methods.config import MethodConfig
from vergence.methods.panels import Exhibit
from vergence.methods.teacher import MeanTeacher
from vergence.models.frame_features import frame_features


class Method(nn.Module):
    """Owns student (and teacher), losses and mixing; knows nothing of devices, processes or files of a run.

    A method runs, and is tested, without an engine: build it, call it on batches, sum the losses, step an optimiser.
    """

    settings: ClassVar[type[MethodConfig]]
    """The class of its settings, which stand in a recipe's section of the method's name."""
    config: MethodConfig
    """The settings of this one."""
    whole: MethodConfig | None = None
    """The settings of the run, where those of a loaded method lack what only training needs."""
    eager_parts: ClassVar[tuple[str, ...]] = ()
    """Methods of it that no compiler may trace: what they draw decides which operations follow."""
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
    """What :meth:`forward` draws from; the engine sets it before each step (:mod:`vergence.mixing.draws`). None is
    PyTorch's own."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What :meth:`predict` gives, of "depth" and "segmentation"."""
        return self.config.tasks if self.whole is None else self.whole.tasks

    def initialize(self) -> None:
        """Load starting weights. The engine calls it once, at the start of a fresh run; never when a run is loaded."""

    def begin_anew(self) -> None:
        """Make what only training needs from weights that were stored without it: teachers copy their student."""
        reference = getattr(self, "reference", None)
        for part in reference.modules() if isinstance(reference, nn.Module) else ():
            if isinstance(part, MeanTeacher):
                part.restart(cast(nn.Module, self.network))

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        """Weighted scalar losses, summed by the engine; keys that start with "_" are logged and not summed."""
        raise NotImplementedError

    def compile_step(self, *args: Any, **kwargs: Any) -> None:
        """Compile :meth:`forward`, networks and losses together, in place; ``eager_parts`` run as they are written."""
        for name in self.eager_parts:
            setattr(self, name, torch.compiler.disable(getattr(self, name)))
        nn.Module.compile(self, *args, **kwargs)

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

    def frame_features(self, images: Tensor) -> Tensor:
        """What frames are compared by when some are chosen for labels: maps (B, C, h, w) of images (B, 3, H, W).

        Those of the decoder or encoder of ``network``; InputError where that has none.
        """
        network = getattr(self, "network", None)
        if not isinstance(network, nn.Module) or not hasattr(network, "encoder"):
            raise InputError(
                f"{type(self).__name__} does not say what frames are compared by; give it a method frame_features."
            )
        return frame_features(network, images)

    def frame_pictures(self, batch: Batch) -> Exhibit:
        """What a report shows of frames beside prediction and truth, of a batch of frames and their sources.

        Called in evaluation mode. Nothing, where training compares nothing with a frame's sources.
        """
        return Exhibit([])

    def training_pictures(self, batches: Mapping[str, Batch]) -> Exhibit:
        """What a step makes of its batches, of those roles of ``config.shown`` that are at hand.

        Called in training mode, with all that training needs.
        """
        return Exhibit([])


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
