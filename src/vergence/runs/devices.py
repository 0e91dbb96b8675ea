"""Which device a run is opened on, and in which precision it trains there."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from vergence.errors import InputError


def resolve_device(name: str = "auto") -> str:
    """ "cpu" or "cuda[:n]" for "auto", "cpu", "cuda", "cuda:n"; InputError for what is not there.

    "auto" is a GPU of its own for each process that torchrun has started on a machine with several.
    """
    if name == "auto":
        if not torch.cuda.is_available():
            return "cpu"
        rank, devices = os.environ.get("LOCAL_RANK", ""), torch.cuda.device_count()
        return f"cuda:{int(rank) % devices}" if rank.isdigit() and devices > 1 else "cuda"
    if name == "cpu":
        return name
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdigit()):
        raise InputError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N.")
    if not torch.cuda.is_available():
        raise InputError(f"device {name!r} is asked for and this machine has no usable GPU; use cpu or auto.")
    if index and int(index) >= torch.cuda.device_count():
        raise InputError(f"device {name!r} is asked for and there are {torch.cuda.device_count()} GPUs, from cuda:0.")
    return name


def has_bf16_instructions() -> bool:
    """Whether this processor multiplies in bf16 (x86: AVX-512 or AMX with bf16); without, it is slower."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.6 does not tell
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def resolve_precision(name: str, device: str) -> str:
    """ "no", "bf16" or "fp16" for a ``train.precision``; "auto" is bf16 on a processor with instructions for it."""
    if name != "auto":
        return name
    return "bf16" if device == "cpu" and has_bf16_instructions() else "no"
