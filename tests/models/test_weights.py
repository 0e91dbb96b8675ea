"""Weights from the hub, the package, the cache and files."""

import logging
import pickle
import time

import pytest
import timm
import torch
from safetensors.torch import save_file

from vergence.errors import InputError
from vergence.models import encoders, weights
from vergence.models.encoders import build_encoder, repeat_stem
from vergence.models.weights import LITE0_STAGES, read_state_dict, resnet_name, resolve_source, timm_efficientnet_name


@pytest.mark.usefixtures("offline")
def test_offline_hub_fails_at_once_in_one_sentence() -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=r"resnet18.*hub cannot be reached; go online, or use weights=offline"):
        build_encoder("resnet18", "imagenet")
    assert time.monotonic() - start < 2


def test_silent_network_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PROBE_SECONDS", -0.8)
    monkeypatch.setattr(weights, "hub_offline", lambda: False)
    monkeypatch.setattr(weights, "_probe", {})
    asked = []
    monkeypatch.setattr(weights, "_answers", lambda endpoint: asked.append(endpoint) or time.sleep(5) or True)
    start = time.monotonic()
    assert not weights.hub_reachable()
    assert not weights.hub_reachable()
    assert time.monotonic() - start < 2
    assert len(asked) == 1  # depth and pose network do not both wait


@pytest.mark.usefixtures("offline")
def test_auto_ends_with_random_weights_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vergence"):
        build_encoder("resnet18", "auto")
    assert any(r.levelno == logging.WARNING and "RANDOM WEIGHTS" in r.message for r in caplog.records)


@pytest.mark.usefixtures("offline")
def test_auto_and_offline_take_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    path = tmp_path / "lite.pth"
    monkeypatch.setattr(weights, "offline_file", lambda architecture: path if "lite0" in architecture else None)
    assert resolve_source("tf_efficientnet_lite0", "auto") == weights.WeightSource("package", path)
    assert resolve_source("tf_efficientnet_lite0", "offline") == weights.WeightSource("package", path)
    monkeypatch.setattr(weights, "offline_file", lambda architecture: None)
    with pytest.raises(InputError, match=r"vergence\[offline-weights\]"):
        resolve_source("tf_efficientnet_lite0", "offline")


def test_cache_is_used_without_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path, caplog) -> None:
    model = timm.create_model("resnet18")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(weights, "cached_file", lambda name: tmp_path / "model.safetensors")
    monkeypatch.setattr(weights, "hub_reachable", lambda: pytest.fail("the hub was asked"))
    with caplog.at_level(logging.INFO, "vergence"):
        encoder = build_encoder("resnet18", "imagenet", frames=2)
    stem = model.conv1.weight.detach()
    assert torch.allclose(encoder.backbone.conv1.weight, repeat_stem(stem, 2), atol=1e-7)
    assert "the hub's cache" in caplog.text


def test_failed_download_is_an_error_or_a_fallback(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    create = timm.create_model

    def failing(model: str, pretrained: bool = False, **settings):
        if pretrained:
            raise OSError("connection lost")
        return create(model, **settings)

    monkeypatch.setattr(encoders.timm, "create_model", failing)
    monkeypatch.setattr(weights, "cached_file", lambda name: None)
    monkeypatch.setattr(weights, "hub_reachable", lambda: True)
    with pytest.raises(InputError, match="connection lost"):
        build_encoder("resnet18", "imagenet")
    with caplog.at_level(logging.INFO, "vergence"):
        build_encoder("resnet18", "auto")
    assert "going on without it" in caplog.text
    assert "random weights" in caplog.text


def test_package_names_map_one_to_one() -> None:
    """The package lists the same tensors in the same order: the map by name must give timm's own order."""
    with torch.device("meta"):
        own = list(timm.create_model("tf_efficientnet_lite0").state_dict())
    official = []
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    plain = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    later = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    later |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    for name in own:
        parts = name.split(".")
        if parts[0] != "blocks":
            official.append(".".join([outer[parts[0]], *parts[1:]]))
            continue
        number = sum(LITE0_STAGES[: int(parts[1])]) + int(parts[2])
        layer = (later if int(parts[1]) else plain)[parts[3]]
        official.append(".".join(["_blocks", str(number), layer, *parts[4:]]))
    assert [timm_efficientnet_name(name) for name in official] == own
    assert len(set(official)) == 296


class Bomb:
    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_file_is_never_run(tmp_path) -> None:
    for name, save in {"a.pth": torch.save, "b.pt": lambda o, p: p.write_bytes(pickle.dumps(o))}.items():
        save({"weight": Bomb(tmp_path / "owned")}, tmp_path / name)
        with pytest.raises(InputError, match=f"{name} cannot be read as plain weights"):
            read_state_dict(tmp_path / name)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.pt", "x.bin"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 60])
def test_corrupt_files(name: str, content: bytes, tmp_path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} cannot be read as plain weights"):
        read_state_dict(tmp_path / name)


def test_truncated_files(tmp_path) -> None:
    torch.save({"w": torch.rand(1000)}, tmp_path / "t.pth")
    save_file({"w": torch.rand(1000)}, tmp_path / "t.safetensors")
    for path in (tmp_path / "t.pth", tmp_path / "t.safetensors"):
        path.write_bytes(path.read_bytes()[:-500])
        with pytest.raises(InputError, match="cannot be read as plain weights"):
            read_state_dict(path)


@pytest.mark.parametrize("value", [[1, 2], torch.zeros(2), {"a": 1}, {}])
def test_no_state_dict(value, tmp_path) -> None:
    torch.save(value, tmp_path / "v.pth")
    with pytest.raises(InputError, match=r"v\.pth holds a"):
        read_state_dict(tmp_path / "v.pth")


def test_absent_file(tmp_path) -> None:
    with pytest.raises(InputError, match="is not a weights file; give an existing"):
        read_state_dict(tmp_path / "none.pth")


def test_nested_state_dict(tmp_path) -> None:
    torch.save({"epoch": 3, "state_dict": {"w": torch.ones(2), "note": "text"}}, tmp_path / "n.pth")
    assert list(read_state_dict(tmp_path / "n.pth")) == ["w"]
    save_file({"w": torch.ones(2)}, tmp_path / "N.SAFETENSORS")
    assert list(read_state_dict(tmp_path / "N.SAFETENSORS")) == ["w"]


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_timms_networks(name: str) -> None:
    with torch.device("meta"):
        state = timm.create_model(name).state_dict()
    assert resnet_name(state, "encoder.pth") == name
    assert resnet_name((f"encoder.{key}" for key in state), "encoder.pth") == name


@pytest.mark.parametrize("names", [[], ["layer3.0.conv1.weight"], ["layer1.0.conv3.weight", "layer3.0.conv1.weight"]])
def test_other_networks(names: list[str]) -> None:
    with pytest.raises(InputError, match=r"encoder\.pth is of no ResNet-18, 34, 50 or 101"):
        resnet_name(names, "encoder.pth")
