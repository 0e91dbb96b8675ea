"""Devices by name: what is there is given, what is not gets a sentence."""

import pytest
import torch

from vergence.errors import InputError
from vergence.runs.devices import has_bf16_instructions, resolve_device, resolve_precision


@pytest.mark.parametrize(
    ("gpus", "name", "found"),
    [(0, "auto", "cpu"), (2, "auto", "cuda"), (2, "cpu", "cpu"), (2, "cuda", "cuda"), (2, "cuda:1", "cuda:1")],
)
def test_what_is_there(monkeypatch: pytest.MonkeyPatch, gpus: int, name: str, found: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert resolve_device(name) == found


def test_processes_of_torchrun_have_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resolve_device("auto") == "cuda:1"
    assert resolve_device("cuda") == "cuda"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == "cuda"


@pytest.mark.parametrize(
    ("gpus", "name", "said"),
    [
        (0, "cuda", "no usable GPU; use cpu or auto"),
        (2, "cuda:2", "there are 2 GPUs, from cuda:0"),
        (2, "gpu", "device 'gpu' is unknown"),
        (2, "cuda:one", "device 'cuda:one' is unknown"),
        (2, "cpu:0", "device 'cpu:0' is unknown"),
    ],
)
def test_what_is_not(monkeypatch: pytest.MonkeyPatch, gpus: int, name: str, said: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(InputError, match=said):
        resolve_device(name)


@pytest.mark.parametrize(
    ("told", "device", "found"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "cpu", "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "cpu", "bf16"),
        ({"avx512_bf16": True}, "cuda:1", "no"),
        ({"avx512_bf16": False, "avx512_f": True}, "cpu", "no"),
        (None, "cpu", "no"),
    ],
)
def test_precision_that_the_processor_is_made_for(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, bool] | None, device: str, found: str
) -> None:
    if told is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert has_bf16_instructions() == any((told or {}).get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    assert resolve_precision("auto", device) == found
    assert [resolve_precision(name, device) for name in ("no", "bf16", "fp16")] == ["no", "bf16", "fp16"]
