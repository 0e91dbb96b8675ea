"""Images a second of the paper-exact recipes beside their bare network, and of the loader."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.checks import Row, profiled
from vergence.mixing.draws import step_generator
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder
from vergence.training.optim import build_optimizer, set_learning_rates
from vergence.training.runtime import finish, start_accelerator
from vergence.training.train import Loop

DUSK = "the other town"
RECIPES: dict[str, dict[str, Any]] = {
    "depth-kitti": {},
    "supervised-cityscapes": {"frames.labelled.count": 4},
    "three_ways-cityscapes": {"frames.labelled.count": 4, "three_ways.initialize_from": None},
    "corda-gta": {"frames.source_domain": DUSK, "corda.source_depth": "measured"},
    "semhint-kitti": {
        "semhint.labels": "truth", "semhint.start": 0, "semhint.ramp": 2, "semhint.beta_ramp": 2,
        "semhint.initialize_from": None,
    },
    "unimatch-cityscapes": {"frames.labelled.count": 4},
}  # fmt: skip
"""Paper-exact recipes: their sizes, batches and networks; random weights, and frames of toy town."""
DRY: dict[str, Any] = {"frames.batch_size": 2, "frames.options.height": 64, "frames.options.width": 128}
"""Sizes to try the script on a CPU, where bf16 may take a hundred times as long; so do small encoders."""
DRY_ENCODERS = {"unimatch-cityscapes": "dinov2_vits14", "depth-kitti": "resnet18", "semhint-kitti": "resnet18"}
PROFILED = ("depth-kitti", "semhint-kitti")
VARIANTS, COMPILED = ("float32, contiguous", "float32", "bf16"), ("bf16, compiled", "bf16, step compiled")


@contextlib.contextmanager
def opened(recipe: str, device: str, folder: Path, towns: dict[str, Path], dry: bool, **more: Any) -> Iterator[Loop]:
    """The engine's loop of a recipe on toy town."""
    changes = RECIPES[recipe] | {"network.weights": "none", "frames.workers": 0, "train.device": device}
    changes |= {"train.evaluate_every": 0, "train.precision": "no", "frames.cache": False}
    if "depth" in recipe or "semhint" in recipe or recipe == "three_ways-cityscapes":
        changes["pose.weights"] = "none"
    if dry:
        crop = None if "kitti" in recipe else [56, 56] if "uni" in recipe else [64, 64]
        encoder = DRY_ENCODERS.get(recipe, "resnet26")  # of these the smallest whose strides may become dilation
        changes |= DRY | {"frames.options.random_crop": crop, "network.encoder": encoder}
        changes |= {"corda.source_size": [64, 128]} if "corda" in recipe else {}
    changes = {key: str(towns["dusk"]) if value == DUSK else value for key, value in (changes | more).items()}
    config = load_config(recipe, changes, towns["clear"])
    accelerator = start_accelerator(config.train)
    try:
        with contextlib.closing(Loop(config, RunFolder(folder / recipe), accelerator, None)) as loop:
            yield loop
    finally:
        finish(accelerator)


@contextlib.contextmanager
def learning_network(method: Any) -> Iterator[None]:
    """``predict`` by the network that learns; its teacher, which predicts where there is one, has no gradients."""
    teacher = getattr(method, "teacher", None)
    if teacher is not None:
        method.teacher = None
    try:
        yield
    finally:
        if teacher is not None:
            method.teacher = teacher


def per_second(call: Callable[[], object], images: int, device: str, seconds: float, warm: int) -> float:
    """Images a second over some seconds, after calls that warm up; at least one call is timed."""
    for _ in range(warm):
        call()
    if device == "cuda":
        torch.cuda.synchronize()
    start, done = time.perf_counter(), 0
    while not done or time.perf_counter() - start < seconds:
        call()
        done += 1
        if device == "cuda":
            torch.cuda.synchronize()
    return images * done / (time.perf_counter() - start)


def speeds(
    variants: Sequence[str], recipe: str, device: str, out: Path, folder: Path, towns: dict[str, Path], dry: bool
) -> Iterator[Row]:
    """Whole steps (losses, backward, optimiser, teacher) on a batch, and forward and backward of ``predict``, bare."""
    seconds, warm = (0.0, 0) if dry else (3.0, 3)
    with opened(recipe, device, folder, towns, dry) as loop:
        method, batches = loop.state.method, loop._next_batches()
        images = sum(len(batch["frames"]) for batch in batches.values())
        targets = [batch["jittered"][:, 0] for batch in batches.values()]
        for variant in variants:
            low = "bf16" in variant
            layout = torch.contiguous_format if "contiguous" in variant else torch.channels_last
            method.to(memory_format=layout)  # type: ignore[call-overload]
            if "compiled" in variant:
                (method.compile_step if "step" in variant else method.compile)()
            optimizer = build_optimizer(loop.config.optim, method.parameter_groups())
            set_learning_rates(optimizer, loop.config.optim, loop.config.train.steps, 0)

            def step(low: bool = low, optimizer: torch.optim.Optimizer = optimizer) -> None:
                method.generator = step_generator(0, 1)
                with torch.autocast(device, torch.bfloat16, enabled=low):
                    losses = method(batches, 1)
                torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                method.after_step(1)

            def bare(low: bool = low) -> None:
                for frames in targets:
                    with torch.autocast(device, torch.bfloat16, enabled=low), learning_network(method):
                        maps = method.predict(frames)
                    torch.stack([value.float().mean() for value in maps.values()]).sum().backward()
                method.zero_grad()

            found = {"bare": per_second(bare, images, device, seconds, warm),
                     "step": per_second(step, images, device, seconds, warm)}  # fmt: skip
            for what, value in found.items():
                row = {"part": "speed", "name": recipe, "variant": f"{variant}, {what}", "unit": "images/s"}
                ratio = f"{found['bare'] / value:.3f}"
                yield row | {"value": f"{value:.2f}", "ratio": ratio, "note": f"{images} images"}
            if variant == "float32" and recipe in PROFILED:
                yield profiled(device, out, recipe, step)
        if device == "cuda":
            yield {"part": "memory", "name": recipe, "value": f"{torch.cuda.max_memory_allocated() / 2**30:.2f}",
                   "unit": "GiB at most"}  # fmt: skip
            torch.cuda.reset_peak_memory_stats()


def loading(device: str, folder: Path, towns: dict[str, Path], dry: bool) -> Iterator[Row]:
    """Batches of depth-kitti, loaded and moved to the device, uncached."""
    for workers in (0, "auto"):
        (here := folder / f"load{workers}").mkdir()
        with opened("depth-kitti", device, here, towns, dry, **{"frames.workers": workers}) as loop:
            size = int(loop.config.frames.batch_size)
            value = per_second(loop._next_batches, size, device, 0.0 if dry else 5.0, 2)
            yield {"part": "loader", "name": "depth-kitti", "variant": f"{workers} workers", "value": f"{value:.1f}",
                   "unit": "samples/s", "note": "each with its sources"}  # fmt: skip
