"""What is frozen stays as it is, also in copies."""

import copy
import pickle

import pytest
import torch

from tests.models.depth_networks import build
from vergence.models.freeze import freeze, freeze_batchnorm


def test_freeze() -> None:
    network = build()
    assert freeze(network.encoder) is network.encoder
    assert not any(p.requires_grad for p in network.encoder.parameters())
    assert all(p.requires_grad for p in network.decoder.parameters())
    assert not network.encoder.training
    freeze(network.train().encoder, training_mode=True)
    assert network.encoder.training  # the official Three Ways meaning: statistics still drift


@pytest.mark.parametrize("copied", [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_frozen_batchnorm_stays_still_in_training(copied) -> None:
    network = copied(freeze_batchnorm(build(encoder="resnet18")))
    before = {key: value.clone() for key, value in network.state_dict().items() if "running" in key}
    network.train()
    assert network.training
    assert network.encoder.training
    network(torch.rand(2, 3, 64, 64))
    after = network.state_dict()
    assert before
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    assert not any(norm.training for norm in norms)


def test_frozen_batchnorm_of_a_copy_is_its_own() -> None:
    original = freeze_batchnorm(build(encoder="resnet18"))
    twin = copy.deepcopy(original)
    assert twin.encoder.backbone.bn1.train() is twin.encoder.backbone.bn1
