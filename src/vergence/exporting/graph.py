"""All that a run predicts as one graph: pixels in, maps out, normalisation inside."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from vergence.errors import InputError, first_line
from vergence.inference.exported_engines import quiet
from vergence.inference.exported_facts import MULTIPLE, OUTPUTS, Facts
from vergence.methods import Method
from vergence.models.encoders import ViTEncoder

LARGEST = 4096
"""Pixels of a side, and pictures at once, of graphs where they are free."""


class Graph(nn.Module):
    """Images (B, 3, H, W), RGB, uint8 from 0 to 255 or float from 0 to 1, to those maps of ``OUTPUTS`` that are wanted.

    Args:
        method: in evaluation mode; of 16 bits it is a copy that is used.
        outputs: names of maps, in the order of ``OUTPUTS``.
        factor: units of depth in one of the method's.
        uint8: what images are.
        half: compute in 16 bits; maps come in 32.
        size: (H, W) of all images, where it is fixed; what depends on it alone is then computed once.
    """

    def __init__(
        self,
        method: Method,
        outputs: Sequence[str],
        factor: float,
        uint8: bool,
        half: bool,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if half or size is not None:
            method = copy.deepcopy(method)
        if size is not None:  # programs disagree on how positions are resampled, or cannot do it
            for encoder in (module for module in method.modules() if isinstance(module, ViTEncoder)):
                encoder.fix_size(*size)
        self.method = method.half() if half else method
        self.outputs, self.factor, self.uint8 = tuple(outputs), factor, uint8
        self.dtype = torch.float16 if half else torch.float32

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps, as a tuple: names are the file's."""
        pixels = images.to(self.dtype)
        outputs = self.method.predict(pixels / 255 if self.uint8 else pixels)
        maps: dict[str, Tensor] = {}
        if "inverse_depth" in self.outputs:
            inverse = outputs["inverse_depth"].float() / self.factor
            maps |= {"inverse_depth": inverse, "depth": inverse.clamp(min=0).reciprocal()}
        if "classes" in self.outputs:
            logits = outputs["logits"].float()
            best = logits.amax(dim=1)
            maps |= {"logits": logits, "classes": logits.argmax(dim=1).to(torch.uint8)}
            maps["confidence"] = (best - logits.logsumexp(dim=1)).exp()
        return tuple(maps[name] for name in self.outputs)


def outputs_of(tasks: Sequence[str], logits: bool) -> tuple[str, ...]:
    """What a graph gives, by the tasks of its run."""
    wanted = {"inverse_depth", "depth"} if "depth" in tasks else set[str]()
    if "segmentation" in tasks:
        wanted |= {"classes", "confidence"} | ({"logits"} if logits else set())
    return tuple(name for name in OUTPUTS if name in wanted)


def example(facts: Facts) -> Tensor:
    """Images such as a file takes, (B, 3, H, W); of free size, of the run's own."""
    height, width = facts.size or (_multiple(facts.frames["height"]), _multiple(facts.frames["width"]))
    pixels = torch.randint(0, 256, (facts.batch or 2, 3, height, width), dtype=torch.uint8)
    return pixels if facts.input == "uint8" else pixels.float() / 255


def traced(graph: Graph, facts: Facts) -> ExportedProgram:
    """The graph of an image of the file's size, or of any; InputError where PyTorch cannot follow the network."""
    shapes = dynamic_shapes(facts)
    if facts.size is None and any(isinstance(module, ViTEncoder) for module in graph.modules()):
        raise InputError(
            f"the encoder of {facts.name} resamples its positions for each size, which a file cannot do; give --size "
            "WIDTHxHEIGHT, or leave it out for the run's own."
        )
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                graph, (example(facts),), dynamic_shapes={"images": shapes} if shapes else None, strict=False
            )
    except Exception as error:  # of any network's code, and of PyTorch's view of it
        free = facts.size is None or facts.batch is None
        remedy = "export it with a fixed size and batch" if free else "this network cannot be exported"
        raise InputError(
            f"the network of {facts.name} cannot be made one graph ({type(error).__name__}: {first_line(error)}); "
            f"{remedy}."
        ) from error


def dynamic_shapes(facts: Facts) -> dict[int, Any] | None:
    """Which sides of images are free, as PyTorch names them; None where none is."""
    shapes: dict[int, Any] = {}
    if facts.batch is None:
        shapes[0] = Dim("batch", min=1, max=LARGEST)
    if facts.size is None:
        most = LARGEST // MULTIPLE
        shapes |= {2: MULTIPLE * Dim("rows", min=2, max=most), 3: MULTIPLE * Dim("columns", min=2, max=most)}
    return shapes or None


def _multiple(side: int) -> int:
    return max(2, round(side / MULTIPLE)) * MULTIPLE
