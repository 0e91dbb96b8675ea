"""The loop of every method on a pretended device, with the smallest networks, over a few frames of toy town."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import PartialState
from torch import Tensor

import vergence.training.train as engine
from tests.pretend_cuda import CUDA, Watch, pinned, pretend_cuda
from vergence.data.toytown import TownOptions, write_toytown
from vergence.runs.config import RunConfig, load_config
from vergence.runs.folder import RunFolder
from vergence.training.runtime import finish, start_accelerator
from vergence.training.train import Loop

HEIGHT, WIDTH = 64, 96
SMALL: dict[str, Any] = {
    "frames.options.height": HEIGHT,
    "frames.options.width": WIDTH,
    "frames.options.random_crop": None,
    "frames.batch_size": 2,
    "frames.workers": 0,
    "frames.cache": False,
    "frames.labelled.count": 2,
    "network.encoder": "test_resnet",
    "network.weights": "none",
    "optim.clip": 1.0,
    "train.steps": 4,
    "train.evaluate_every": 4,
    "train.device": "cpu",
    "evaluate.limit": 1,
}
HINTS = {"semhint.start": 0, "semhint.ramp": 2, "semhint.beta_ramp": 2}
FAMILIES = ["components", "cells", "neighbours", "borders", "contacts"]
DUSK = "the other town"
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "depth": ("depth-toytown-tiny", {"train.ema": 0.9}),
    "supervised": ("supervised-toytown-tiny", {}),
    "frozen": ("frozen-toytown", {"network.encoder": "mobilenetv3_small_050"}),
    "three_ways": ("three_ways-toytown-tiny", {}),
    "three_ways, both tasks": (
        "three_ways-toytown-tiny",
        {"three_ways.multi_task": True, "three_ways.depth": "online"},
    ),
    "corda": (
        "corda-toytown-tiny",
        {"frames.source_domain": DUSK, "corda.align_depth": "median", "corda.feature_distance.weight": 0.01},
    ),
    "semhint": ("semhint-toytown-tiny", {**HINTS, "semhint.proposals.families": FAMILIES, "semhint.sky": ["sky"]}),
    "unimatch": ("unimatch-toytown-tiny", {}),
    "ssda": ("three_ways-ssda-tiny", {"frames.source_domain": DUSK, "network.output_stride": None}),
    "distill": ("method: distill\nframes: {options: {jitter: 0.2}}", {"distill.teacher": "truth"}),
}


def write_towns(folder: Path) -> dict[str, Path]:
    """Manifests of two toy towns, by style."""
    return {
        style: write_toytown(
            folder / style, TownOptions(width=WIDTH, height=HEIGHT, style=style), {"train": 1, "val": 1}, frames=4
        )
        for style in ("clear", "dusk")
    }


class Pinning:
    """A loader whose batches lie in pinned memory."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for batch in self.loader:
            yield {key: pinned(value) for key, value in batch.items()}

    def close(self) -> None:
        self.loader.close()


def pinning(*args: Any) -> dict[str, Pinning]:
    """Loaders as they are on a machine with a GPU, which pin their batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        loaders = BUILD_LOADERS(*args)
    for loader in loaders.values():
        assert loader.pin_memory
        loader.pin_memory = False  # there is none
    return {name: Pinning(loader) for name, loader in loaders.items()}


BUILD_LOADERS = engine.build_loaders


def loop_config(name: str, folder: Path, towns: Mapping[str, Path], **more: Any) -> RunConfig:
    """The settings of a method's loop, one of ``STEPS``."""
    recipe, changes = STEPS[name]
    changes = changes | more
    changes = {key: str(towns["dusk"]) if value == DUSK else value for key, value in changes.items()}
    if ":" in recipe:
        (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
        recipe = str(folder / "recipe.yaml")
    return load_config(recipe, SMALL | changes, towns["clear"])


@contextlib.contextmanager
def loop_on_cpu(name: str, folder: Path, towns: Mapping[str, Path], **more: Any) -> Iterator[Loop]:
    """The engine's loop of a method on the CPU, with more settings."""
    config = loop_config(name, folder, towns, **more)
    accelerator = start_accelerator(config.train)
    try:
        with contextlib.closing(Loop(config, RunFolder(folder / "run"), accelerator, None)) as loop:
            yield loop
    finally:
        finish(accelerator)


@contextlib.contextmanager
def loop_on_device(name: str, folder: Path, towns: Mapping[str, Path]) -> Iterator[tuple[Loop, Watch]]:
    """The engine's loop of a method, all of it on the pretended device."""
    config = loop_config(name, folder, towns)
    accelerator = start_accelerator(config.train)
    for state in (PartialState(), accelerator.state):
        state.device = CUDA
    try:
        with pretend_cuda() as watch, pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "build_loaders", pinning)
            with contextlib.closing(Loop(config, RunFolder(folder / "run"), accelerator, None)) as loop:
                assert {value.device for value in loop.state.method.state_dict().values()} == {CUDA}
                yield loop, watch
    finally:
        finish(accelerator)
