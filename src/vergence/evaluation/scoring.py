"""How a run is scored: what was asked for, and with what the run's settings say of the rest."""

from dataclasses import dataclass
from typing import NamedTuple

from vergence.evaluation.class_protocols import class_protocol
from vergence.evaluation.depth_scores import choose_protocol
from vergence.inference.network_maps import Window, window_of
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config_sections import check_resolution
from vergence.settings.protocols import DepthProtocol


@dataclass(frozen=True)
class Scoring:
    """How a run is scored; what is None is as the run's ``evaluate`` settings say."""

    protocol: str | DepthProtocol | None = None
    """How depth is scored: "eigen", "improved", "plain" or one's own."""
    scale: str | float | None = None
    """The scale of depth, instead of the protocol's: "median", "none", or a factor on the network's unit."""
    flip: bool | None = None
    """Average with the prediction of the mirrored picture."""
    resolution: str | None = None
    """Where classes are compared: "working" (prediction and labels at the network's input size), "native" (the labels'
    own size) or ``WIDTHxHEIGHT``."""
    classes: str | None = None
    """Which classes are averaged, see :mod:`vergence.evaluation.class_protocols`."""
    window: str | None = None
    """``WIDTHxHEIGHT`` of a box that slides over the network's input; "none": the whole picture at once."""
    overlap: float | None = None
    """Share of its side by which neighbouring boxes overlap."""
    baselines: bool = True
    """Also score the input-free answers and the untrained network."""
    odometry: bool = True
    """Also score the pose network, where there are poses."""
    limit: int | None = None
    """At most so many images, evenly spaced."""

    def of(self, run: LoadedRun) -> "Settled":
        """With what the run says; InputError for what is unknown or impossible."""
        settings = run.config.evaluate
        resolution = settings.resolution if self.resolution is None else self.resolution
        check_resolution(resolution)
        classes = settings.classes if self.classes is None else self.classes
        class_protocol(classes)
        return Settled(
            choose_protocol(settings.protocol if self.protocol is None else self.protocol, self.scale),
            settings.flip if self.flip is None else self.flip,
            resolution,
            classes,
            window_of(settings, self.window, self.overlap),
        )


class Settled(NamedTuple):
    """How a run is scored."""

    protocol: DepthProtocol
    flip: bool
    resolution: str
    classes: str
    window: Window | None
