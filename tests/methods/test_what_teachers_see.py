"""Mean teachers work in training mode on clean frames, and clean frames are what is mixed (three_ways 4.1 to 4.3;
corda 1.3): jittered ones are not a number here wherever nothing may read them."""

from typing import Any

import pytest
import torch

from vergence.data.frame_options import FrameOptions
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig, CordaConsistencyConfig
from vergence.methods.ssda import SSDAMethod
from vergence.methods.ssda_config import SSDAConfig
from vergence.methods.teacher import MeanTeacher
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.settings.networks import CordaNetworkConfig, SegmentationNetworkConfig

OPTIONS = FrameOptions(height=64, width=64, label_space="toy:a#000000,b#0000ff,c#00ff00")


def frames(jittered: bool) -> dict[str, Any]:
    """A batch of two, with everything that any role may need."""
    clean = torch.rand(2, 1, 3, 64, 64)
    seen = clean.flip(-1) if jittered else torch.full_like(clean, torch.nan)
    return {
        "frames": clean,
        "jittered": seen,
        "label": torch.randint(0, 3, (2, 64, 64)),
        "labelled": torch.tensor([True, False]),
        "estimate": torch.rand(2, 1, 64, 64),
        "inverse_depth": 1 + torch.rand(2, 1, 64, 64),
    }


def three_ways(config: type, method: type, **settings: Any) -> Any:
    network = SegmentationNetworkConfig(encoder="resnet18", weights="none")
    return method(config(network=network, **settings), OPTIONS)


def built(name: str) -> tuple[Any, dict[str, dict[str, Any]]]:
    """A method in training mode, and batches whose unlabelled frames have no jittered ones."""
    torch.manual_seed(1)
    mixing = ConsistencyConfig(mix="depthmix", jitter=0, blur=0)
    batches = {"labelled": frames(True), "unlabelled": frames(False), "source": frames(True), "target": frames(False)}
    if name == "corda":
        network = CordaNetworkConfig(variant="synthia", encoder="resnet18", weights="none", width=8)
        settings = CordaConsistencyConfig(jitter=0, blur=0)
        method: Any = CordaMethod(CordaConfig(network=network, consistency=settings), OPTIONS)
    elif name == "three_ways":
        method = three_ways(ThreeWaysConfig, ThreeWaysMethod, consistency=mixing, depth="truth")
    else:
        method = three_ways(SSDAConfig, SSDAMethod, consistency=mixing, depth="truth", candidates=1)
    return method.train(), {role: batches[role] for role in method.config.roles}


@pytest.mark.parametrize("name", ["three_ways", "ssda", "corda"])
def test_a_step_reads_the_clean_frames_through_a_teacher_in_training_mode(name: str) -> None:
    method, batches = built(name)
    seen: list[torch.Tensor] = []
    teacher: MeanTeacher = method.mean_teacher
    layers = [layer for layer in teacher.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    before = [layer.running_mean.clone() for layer in layers]
    teacher.network.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].clone()))
    losses = method(batches, 3)
    assert all(value.isfinite() for value in losses.values())
    role = "target" if name == "corda" else "unlabelled"
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], batches[role]["frames"][:, 0])
    assert layers
    assert all(layer.training for layer in layers)
    changed = [not torch.equal(old, layer.running_mean) for old, layer in zip(before, layers, strict=True)]
    assert all(changed)  # batch statistics were used, and its own running ones follow them


@pytest.mark.parametrize("name", ["three_ways", "ssda", "corda"])
def test_clean_frames_are_mixed(name: str) -> None:
    """Every pixel of what the student learns from unlabelled frames is one of the clean frames' pixels."""
    method, batches = built(name)
    inputs: list[torch.Tensor] = []
    method.network.register_forward_pre_hook(lambda module, arguments: inputs.append(arguments[0].clone()))
    method(batches, 3)
    clean = [batch["frames"][:, 0] for role, batch in batches.items() if role != "labelled"]
    allowed = torch.stack([*clean, *(images.roll(-1, 0) for images in clean)])
    supervised = [batches[role]["jittered"][:, 0] for role in batches if role in ("labelled", "source")]
    mixed = [images for images in inputs if not any(torch.equal(images, own) for own in supervised)]
    assert len(mixed) == (2 if name == "ssda" else 1)
    for images in mixed:
        assert (images[None] == allowed).all(2).any(0).all()
        assert not any(torch.equal(images, own) for own in clean)
