"""What a method draws from: each of its roles as data, from which the training loop makes loaders."""

from dataclasses import dataclass, replace
from typing import Literal

from vergence.data.frame_options import FrameOptions

Pool = Literal["training", "labelled", "unlabelled", "source_domain"]
LABELLED_POOLS = ("labelled", "source_domain")
"""Pools in which every frame has a label."""


@dataclass(frozen=True)
class Role:
    """One stream of batches of a method: which frames, and what each of them brings."""

    pool: Pool = "training"
    """The whole training split; its labelled frames (``frames.labelled``); its frames for learning without labels
    (``frames.unlabelled``), where labels outside the labelled ones are closed; or the labelled frames of another
    domain (``frames.source_domain``)."""
    labels: bool = False
    """Frames bring their labels."""
    neighbours: bool = False
    """Frames bring their sources (``frames.options.offsets``)."""
    sourceless: bool = False
    """Frames without a source are taken as well, whatever ``frames.options.require`` says: they teach other things."""
    depth_port: str = ""
    """Where the column ``estimate`` comes from (:mod:`vergence.inference.depth_port`); "" for nowhere."""
    inverse_depth: Literal["", "measured", "estimate"] = ""
    """Depth as supervision in CorDA's unit, of measured depth or of estimates; else estimates of a depth port are
    normalised disparity (batch entry ``estimate``)."""
    measured_depth: bool = False
    """Frames bring measured depth in metres."""
    label_port: str = ""
    """Where pseudo-labels come from (:mod:`vergence.runs.label_port_classes`); "" for nowhere."""
    pseudo_labels: Literal["target", "all"] = "target"
    """Whether a frame's sources bring pseudo-labels as well."""
    samples: int = 1
    """How many samples come for each one of ``frames.batch_size``."""
    rare_classes: float = 0.0
    """Temperature of rare-class sampling (:mod:`vergence.data.masks.rare_classes`), 0 for none."""
    size: tuple[int, int] | None = None
    """Height and width of frames, where they are not the run's."""
    resampling: Literal["", "lanczos", "bicubic", "bilinear"] = ""
    """Filter that resizes images, where it is not the run's."""

    def frame_options(self, options: FrameOptions) -> FrameOptions:
        """How frames of this role are loaded, from the run's own options."""
        height, width = self.size or (options.height, options.width)
        estimates = bool(self.depth_port) and not self.inverse_depth
        return replace(
            options,
            height=height,
            width=width,
            resampling=self.resampling or options.resampling,
            offsets=options.offsets if self.neighbours else (),
            require="none" if self.sourceless else options.require,
            load_label=options.load_label or self.labels,
            load_depth=options.load_depth or self.measured_depth,
            load_estimate=options.load_estimate or estimates,
            load_inverse_depth=self.inverse_depth or options.load_inverse_depth,
            load_pseudo_label=self.pseudo_labels if self.label_port else options.load_pseudo_label,
        )
