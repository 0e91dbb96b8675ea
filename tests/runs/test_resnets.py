"""Which ResNet a state dict is of, told by its blocks: timm's own networks are told by their names."""

import pytest
import timm
import torch

from vergence.errors import InputError
from vergence.runs.resnets import resnet_name


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
