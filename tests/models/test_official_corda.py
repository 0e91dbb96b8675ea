"""Official CorDA and DACS state dicts go in strictly."""

import pytest
import torch

from tests.models.official_corda_names import official_corda_state
from vergence.errors import InputError
from vergence.models import deeplabv2
from vergence.models.corda_network import VARIANTS, CordaNetwork, build_corda_network
from vergence.models.official_corda import load_official_corda
from vergence.settings.networks import CordaNetworkConfig


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeplabv2, "BLOCKS", (1, 1, 1, 1))


def network_of(variant: str) -> CordaNetwork:
    return build_corda_network(CordaNetworkConfig(variant, weights="none", width=16), 5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tensor_has_its_place(variant: str) -> None:
    theirs, ours = network_of(variant), network_of(variant)
    state = official_corda_state(theirs, variant == "dacs")
    load_official_corda(ours, {f"module.{name}": value for name, value in state.items()})
    expected = theirs.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())


def test_what_does_not_fit() -> None:
    network = network_of("synthia")
    state = official_corda_state(network)
    for name, message in (
        ("heads.S.conv2d_list.3.bias", r"CorDA: 1 tensors are missing and 0 unknown \(the file lacks heads\.segm"),
        ("multi_modal_distillation.self_attention.D.S.conv.weight", "lacks correlation.from_segmentation.conv.weight"),
    ):
        with pytest.raises(InputError, match=message):
            load_official_corda(network, {key: value for key, value in state.items() if key != name})
    with pytest.raises(InputError, match=r"CorDA: layer6\.weight is not a tensor of that network"):
        load_official_corda(network, state | {"layer6.weight": torch.ones(1)})
    other = state | {"initial_task_prediction_heads.conv_out.S.weight": torch.ones(7, 16, 1, 1)}
    with pytest.raises(InputError, match=r"initial\.segmentation\.weight has shape \(7, 16, 1, 1\), expected \(5,"):
        load_official_corda(network, other)
    with pytest.raises(InputError, match="tensors are missing"):
        load_official_corda(network_of("gta"), state)
