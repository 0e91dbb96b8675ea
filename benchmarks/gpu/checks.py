"""Whether every method does on a GPU what it does on a CPU: losses, waiting for the host, launches of a step."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.device_loops import STEPS, loop_on_cpu
from vergence.mixing.draws import step_generator

STEP = 1
CLOSE = {"float32": 1e-3, "bf16": 2e-2}
"""Relative difference to the CPU's float32 losses that is allowed, as tests allow bf16 on a CPU."""
ROWS = 15

Row = dict[str, Any]


def losses_of(method: Any, batches: Any, device: str, low: bool) -> dict[str, float]:
    """Losses of one step, without those that are only logged."""
    torch.manual_seed(0)
    method.generator = step_generator(0, STEP)
    with torch.autocast(device, torch.bfloat16, enabled=low):
        losses = method(batches, STEP)
    return {key: float(value.detach()) for key, value in losses.items() if not key.startswith("_")}


def correctness(device: str, folder: Path, towns: dict[str, Path], names: list[str]) -> Iterator[Row]:
    """Every method on its smallest networks: the same weights and frames on both, without TF32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for number, name in enumerate(names):
        (here := folder / f"correct{number}").mkdir()
        with loop_on_cpu(name, here, towns) as loop:
            method: Any = loop.state.method
            batches: Any = loop._next_batches()
            wanted = losses_of(method, batches, "cpu", False)
            method.to(device)
            moved = {role: {key: value.to(device) if key not in ("index", "flipped") else value
                            for key, value in batch.items()} for role, batch in batches.items()}  # fmt: skip
            for kind, bound in CLOSE.items():
                found = losses_of(method, moved, device, kind == "bf16")
                apart = max(abs(found[key] - wanted[key]) / max(abs(wanted[key]), 1e-6) for key in wanted)
                note = "near" if found.keys() == wanted.keys() and apart <= bound else f"WRONG: bound {bound}"
                row = {"part": "correctness", "name": name, "variant": kind, "unit": "relative", "note": note}
                yield row | {"value": f"{apart:.2e}"}
    torch.backends.cudnn.allow_tf32 = True


def waiting(device: str, folder: Path, towns: dict[str, Path], names: list[str]) -> Iterator[Row]:
    """Whether a second step, optimiser and log included, ever waits for the device: an error there says where."""
    for number, name in enumerate(names):
        (here := folder / f"wait{number}").mkdir()
        with loop_on_cpu(name, here, towns, **{"train.device": device}) as loop:
            loop._step()
            loop.batches = iter([loop._next_batches()])  # what the loader hands over is copied before
            note = "no wait" if device == "cuda" else "not checked: no GPU"
            try:
                if device == "cuda":
                    torch.cuda.synchronize()
                    torch.cuda.set_sync_debug_mode("error")
                loop._step()
            except RuntimeError as error:
                note = f"WAITS: {str(error).splitlines()[0][:160]}"
            finally:
                if device == "cuda":
                    torch.cuda.set_sync_debug_mode("default")
            yield {"part": "waiting", "name": name, "note": note}


def profiled(device: str, out: Path, name: str, step: Any) -> Row:
    """A table of one step's operations in a file, and its launches."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as seen:
        step()
        if device == "cuda":
            torch.cuda.synchronize()
    averages = seen.key_averages()
    order = "cuda_time_total" if device == "cuda" else "cpu_time_total"
    file = out / f"profile-{name}.txt"
    file.write_text(averages.table(sort_by=order, row_limit=ROWS) + "\n", encoding="utf-8")
    launches = sum(entry.count for entry in averages if "LaunchKernel" in entry.key)
    operations = sum(entry.count for entry in averages if entry.key.startswith("aten::"))
    value, unit = (launches, "launches a step") if device == "cuda" else (operations, "operations a step")
    return {"part": "profile", "name": name, "value": value, "unit": unit, "note": file.name}


ALL = list(STEPS)
