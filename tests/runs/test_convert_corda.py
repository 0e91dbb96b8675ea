"""Official CorDA and DACS state dicts become runs that every verb takes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models.official_corda_names import official_corda_state
from vergence.errors import InputError
from vergence.models import deeplabv2
from vergence.models.corda_network import VARIANTS, CordaNetwork, build_corda_network
from vergence.runs.checkpoint import load_run
from vergence.runs.convert import convert
from vergence.runs.convert_corda import read_corda
from vergence.settings.networks import CordaNetworkConfig


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeplabv2, "BLOCKS", (1, 1, 1, 1))


def network_of(variant: str, classes: int = 19) -> tuple[CordaNetwork, dict[str, Tensor]]:
    torch.manual_seed(0)
    network = build_corda_network(CordaNetworkConfig(variant, weights="none"), classes).eval()
    return network, official_corda_state(network, variant == "dacs")


@pytest.mark.parametrize("variant", ["gta", "dacs"])
def test_a_run_predicts_as_the_network_did(variant: str, tmp_path: Path) -> None:
    network, state = network_of(variant)
    checkpoint = {"iteration": 250000, "optimizer": {"state": {}}, "config": {"model": "DeepLab"}, "model": state}
    teacher = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save(checkpoint | {"ema_model": teacher}, tmp_path / "checkpoint-iter250000.pth")
    run = load_run(convert([tmp_path / "checkpoint-iter250000.pth"], tmp_path / "run", "corda"))
    tasks = ("segmentation", "depth") if variant == "gta" else ("segmentation",)
    assert (run.config.method, run.step, run.method.tasks) == ("corda", 0, tasks)
    assert run.config.section.network.variant == variant
    assert run.method.label_space.name == "cityscapes19"
    images = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        expected = torch.nn.functional.interpolate(
            network(images)["logits"], (48, 64), mode="bilinear", align_corners=True
        )
        torch.testing.assert_close(run.method.predict(images)["logits"], expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_variant_is_told_by_its_tensors(variant: str, tmp_path: Path) -> None:
    _, state = network_of(variant, classes=7)
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "model.pth")
    config, _ = read_corda([tmp_path])
    settings = config.section
    assert settings.network.variant == variant
    assert settings.depth == (variant != "dacs")
    assert settings.weighs_difficulty == (variant in ("gta", "synthia"))
    assert config.frames.options.label_space.startswith("official7:")
    settings.check()


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with pytest.raises(InputError, match=r"model\.pth is not a weights file; give an existing"):
        read_corda([path])
    with pytest.raises(InputError, match=r"0 files of weights; give the one state dict of CorDA or DACS\."):
        read_corda([tmp_path])
    torch.save({"conv1.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"model\.pth has neither heads\.S nor layer5, the heads of CorDA and DACS"):
        read_corda([path])
    _, state = network_of("dacs")
    torch.save({name: value for name, value in state.items() if not name.startswith("layer4")}, path)
    with pytest.raises(InputError, match=r"CorDA: \d+ tensors are missing and 0 unknown"):
        convert([path], tmp_path / "run", "corda")
    assert not (tmp_path / "run").exists()
