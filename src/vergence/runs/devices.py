"""Which device a run is opened on."""

import torch

from vergence.errors import InputError


def resolve_device(name: str = "auto") -> str:
    """ "cpu" or "cuda[:n]" for "auto", "cpu", "cuda", "cuda:n"; InputError for what is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
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
