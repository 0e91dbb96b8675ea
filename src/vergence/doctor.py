"""What works on this machine: versions, devices, weights, disk, threads, and three steps of training."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import vergence
from vergence.errors import in_bytes

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "pyarrow",
    "safetensors",
    "av",
)
_TIGHT = 2e9


@dataclass(frozen=True)
class Check:
    """One finding; "note" is worth knowing, "broken" needs doing something."""

    name: str
    status: Literal["ok", "note", "broken"]
    text: str


def examine(folder: Path) -> list[Check]:
    """All checks, each at most a few seconds; ``folder`` is where runs would go."""
    checks: list[Check] = []
    for look in (_versions, _torchvision, _devices, _threads, _weights, lambda: _disk(folder), _self_test):
        checks.extend(_guarded(look))
    return checks


def _guarded(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What a check finds; that it fails is a finding too."""
    try:
        yield from look()
    except Exception as error:
        name = getattr(look, "__name__", "check").strip("_").replace("_", " ")
        yield Check(name, "broken", f"{type(error).__name__}: {error}")


def _versions() -> Iterator[Check]:
    yield Check("vergence", "ok", f"{vergence.__version__}, Python {platform.python_version()}, {platform.platform()}")
    installed, missing = [], []
    for name in _PACKAGES:
        try:
            installed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("packages", "ok", ", ".join(installed))
    if missing:
        yield Check("packages", "broken", f"missing: {', '.join(missing)}; install vergence again with pip")


def _torchvision() -> Iterator[Check]:
    from vergence._compat import operators_load

    loads = operators_load()
    for name in ("torchvision.transforms.v2", "timm"):
        importlib.import_module(name)
    if loads:
        yield Check("torchvision", "ok", "its operators load")
    else:
        yield Check("torchvision", "ok", "built for another torch; repaired (its own nms and image reader stay broken)")


def _devices() -> Iterator[Check]:
    import torch

    from vergence.runs.devices import has_bf16_instructions

    if not torch.cuda.is_available():
        yield Check("GPU", "note", "none usable: training runs on the CPU; start with -tiny recipes")
        bf16 = "with bf16 instructions" if has_bf16_instructions() else "without bf16 instructions"
        yield Check("processor", "ok", f"{platform.processor() or platform.machine()}, {bf16}")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Check(f"cuda:{index}", "ok", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}")


def _threads() -> Iterator[Check]:
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    text = f"{threads} computing threads on {cores} cores"
    if threads > cores:
        yield Check("threads", "note", f"{text}: set OMP_NUM_THREADS={cores}, more than cores is slower")
    elif threads < cores and "OMP_NUM_THREADS" in os.environ:
        yield Check("threads", "note", f"{text}, because OMP_NUM_THREADS says so")
    else:
        yield Check("threads", "ok", text)


def _weights() -> Iterator[Check]:
    from vergence.models.weights import hub_reachable, offline_file

    online = hub_reachable()
    package = offline_file("tf_efficientnet_lite0")
    hub = "the hub answers" if online else "the hub cannot be reached"
    offline = (
        "offline weights are installed" if package is not None else "offline weights are not (extra offline-weights)"
    )
    status: Literal["ok", "note"] = "ok" if online or package is not None else "note"
    yield Check("ImageNet weights", status, f"{hub}; {offline}")


def _disk(folder: Path) -> Iterator[Check]:
    from vergence.data.atomic import is_writable
    from vergence.data.caching.cache import default_cache_folder

    for name, target in (("output", folder.absolute()), ("frame cache", default_cache_folder())):
        existing = next(path for path in (target, *target.parents) if path.is_dir())
        free = shutil.disk_usage(existing).free
        text = f"{target}: {in_bytes(free)} free"
        if not is_writable(target):
            yield Check(name, "broken", f"{target} cannot be written; use another folder")
        else:
            yield Check(name, "ok" if free > _TIGHT else "note", text)


def _self_test() -> Iterator[Check]:
    """Three steps of the smallest network on a few rendered frames, a checkpoint, and loading it."""
    import torch

    from vergence.data.toytown import TownOptions, write_toytown
    from vergence.runs.checkpoint import load_run
    from vergence.runs.config import config_from_dict
    from vergence.training.train import train

    start = time.perf_counter()
    stderr = sys.stderr
    with tempfile.TemporaryDirectory() as temporary, open(os.devnull, "w") as nowhere:
        root = Path(temporary)
        manifest = write_toytown(root / "town", TownOptions(width=96, height=64), {"train": 1}, frames=5, workers=1)
        config = config_from_dict(
            {
                "recipe": "self-test",
                "frames": {
                    "source": str(manifest), "batch_size": 2, "workers": 0, "cache": False,
                    "options": {"height": 64, "width": 96, "offsets": [-1, 1, "s"]},
                },
                "network": {"weights": "none"}, "pose": {"weights": "none"},
                "train": {"steps": 3, "log_every": 1},
            }
        )  # fmt: skip
        try:
            sys.stderr = nowhere
            run = train(config, root / "run")
        finally:
            sys.stderr = stderr
        loaded = load_run(run)
        depth = loaded.method.predict(torch.rand(1, 3, 64, 96))["inverse_depth"]
        if not torch.isfinite(depth).all():
            yield Check("self-test", "broken", "three steps of training end in numbers that are not finite")
            return
    yield Check("self-test", "ok", f"three steps, a checkpoint, a prediction: {time.perf_counter() - start:.0f} s")
