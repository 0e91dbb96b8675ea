"""A written file is run on frames, and its maps are compared with those of PyTorch at the same precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.errors import InputError
from vergence.exporting.graph import Graph
from vergence.inference.exported_engines import open_exported
from vergence.inference.exported_facts import MULTIPLE, Facts
from vergence.inference.frame_streams import Frame, open_stream
from vergence.runs.checkpoint import LoadedRun

FRAMES = 4
"""Frames that are compared."""
TOLERANCE = {"fp32": 1e-3, "fp16": 3e-2, "int8": 0.5}
"""Largest difference, as a share of the map's largest value; that of int8 is to PyTorch in full precision."""


@dataclass(frozen=True)
class Known:
    """Frames to compare on."""

    frames: tuple[Frame, ...]
    origin: str
    """What they are, in words."""
    real: bool = True
    """Not made up."""


def known_frames(run: LoadedRun, given: Path | str | None, most: int = FRAMES) -> Known:
    """Frames that were given, else of the run's own data, else made up, which is said."""
    if given is not None:
        return Known(tuple(open_stream(given).sample(most)), f"frames of {Path(given).name}")
    data = run.config.frames.val or run.config.frames.source
    try:
        if data:
            return Known(tuple(open_stream(data).sample(most)), f"frames of the run's own data, {Path(data).name}")
        why = "the run names no data"
    except InputError:
        why = "the run's data are not here"
    return Known(_made_up(run, most), f"made-up pictures, because {why}", False)


def _made_up(run: LoadedRun, most: int) -> tuple[Frame, ...]:
    """Smooth pictures of random colours."""
    draws, size = np.random.default_rng(0), (run.config.frames.options.width, run.config.frames.options.height)
    coarse = [Image.fromarray(draws.integers(0, 256, (5, 8, 3), dtype=np.uint8)) for _ in range(most)]
    return tuple(Frame(f"{number}", one.resize(size, Image.Resampling.BICUBIC)) for number, one in enumerate(coarse))


def compared(path: Path, graph: Graph, images: Sequence[NDArray[Any]]) -> dict[str, float]:
    """Largest difference of a file's maps to the graph's, by name, over batches (B, 3, H, W).

    Of maps of numbers, as a share of the map's largest value; of classes, by how much PyTorch's logits of the class
    that the file says fall behind its best ones, as a share of the largest logit: 0 where they agree.
    """
    facts, run = open_exported(path)
    largest = dict.fromkeys(facts.outputs, 0.0)
    for batch in images:
        with torch.no_grad():
            expected = dict(zip(graph.outputs, graph(torch.from_numpy(batch)), strict=True))
        results = run(batch)
        for name in facts.outputs:
            largest[name] = max(largest[name], difference(name, torch.from_numpy(results[name]), expected))
    return largest


def difference(name: str, result: Tensor, expected: Mapping[str, Tensor]) -> float:
    """See :func:`compared`; infinite where shapes differ or only one is finite."""
    wanted = expected[name]
    if result.shape != wanted.shape:
        return float("inf")
    if name == "classes":
        logits = expected["logits"]
        own_logit = logits.gather(1, result.long()[:, None])[:, 0]
        return float((logits.amax(dim=1) - own_logit).max() / logits.abs().max().clamp_min(1e-12))
    apart = torch.where(result == wanted, 0.0, (result - wanted).abs())  # infinite depth on both sides is no difference
    finite = wanted[wanted.isfinite()]
    scale = finite.abs().max().clamp_min(1e-12) if finite.numel() else torch.ones(())
    return float((apart / scale).nan_to_num(nan=float("inf"), posinf=float("inf")).max())


def batches(prepared: Sequence[Tensor], facts: Facts) -> list[NDArray[Any]]:
    """Prepared pictures (3, H, W) as batches that the file takes; of free size, also at another one."""
    pixels = [one.numpy() for one in prepared]
    if facts.input == "float":
        pixels = [one.astype(np.float32) / np.float32(255) for one in pixels]
    at_once = facts.batch or len(pixels)
    repeated = [pixels[index % len(pixels)] for index in range(-(-len(pixels) // at_once) * at_once)]
    same = all(one.shape == pixels[0].shape for one in pixels)
    groups = (
        [repeated[start : start + at_once] for start in range(0, len(repeated), at_once)]
        if same
        else [[one] * (facts.batch or 1) for one in pixels]
    )
    stacks = [np.stack(group) for group in groups]
    if facts.size is None:
        height, width = stacks[0].shape[2:]
        other = (max(height - MULTIPLE, 2 * MULTIPLE), width + MULTIPLE)
        stacks.append(np.ascontiguousarray(np.resize(stacks[0], (*stacks[0].shape[:2], *other))))
    if facts.batch is None:
        stacks.append(stacks[0][:1])
    return stacks
