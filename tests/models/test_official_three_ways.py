"""Official Three Ways state dicts go in strictly."""

from dataclasses import replace

import pytest
import torch

from tests.models.official_names import three_ways_encoder, three_ways_network, three_ways_pose
from vergence.errors import InputError
from vergence.models.depth_network import build_depth_network, build_pose_network
from vergence.models.encoders import build_encoder
from vergence.models.official_three_ways import load_official_three_ways
from vergence.models.segmentation_network import build_segmentation_network
from vergence.settings.networks import DepthNetworkConfig, PoseConfig, SegmentationNetworkConfig

SMALL = SegmentationNetworkConfig(weights="none", decoder="three_ways", decoder_widths=(8, 8, 8, 8, 8))
FORMS = {
    "pad": (replace(SMALL, exchange="pad"), True),
    "pad without side output": (replace(SMALL, exchange="pad", side_output=False, decoder="monodepth2"), True),
    "segmentation": (SMALL, False),
    "student": (
        replace(SMALL, head_levels=(1,), head_hidden=True, head_stride=2, decoder_batchnorm=True),
        True,
    ),
    "levels": (replace(SMALL, head_levels=(5, 4, 2, 0), head_hidden=True, head_channels=16), False),
}


@pytest.mark.parametrize("form", FORMS)
def test_whole_networks(form: str) -> None:
    config, depth = FORMS[form]
    torch.manual_seed(0)
    theirs, ours = (build_segmentation_network(config, 5, depth) for _ in range(2))
    state = three_ways_network(theirs)
    load_official_three_ways(ours, state | three_ways_pose(build_pose_network(PoseConfig(weights="none"))))
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_depth_model_with_pose_and_reference() -> None:
    config = DepthNetworkConfig(weights="none", decoder="three_ways", decoder_widths=(8,) * 5)
    theirs = build_segmentation_network(SMALL, 5, True)
    pose, reference = build_pose_network(PoseConfig(weights="none")), build_encoder("resnet18", "none")
    state = {name: value for name, value in three_ways_network(theirs).items() if ".segmentation." not in name}
    state |= three_ways_pose(pose) | three_ways_encoder(reference, "models.imnet_encoder.")
    network, own_pose = build_depth_network(config), build_pose_network(PoseConfig(weights="none"))
    own_reference = build_encoder("resnet18", "none")
    load_official_three_ways(network, state, own_pose, own_reference)
    assert torch.equal(network.decoder.heads["3"].weight, theirs.depth.heads["3"].weight)
    assert torch.equal(own_pose.head.last.weight, pose.head.last.weight)
    assert torch.equal(own_reference.backbone.conv1.weight, reference.backbone.conv1.weight)
    load_official_three_ways(build_depth_network(config), state)  # without the parts that are not wanted
    with pytest.raises(InputError, match=r"Three Ways models\.pose: 8 tensors are missing"):
        load_official_three_ways(network, {n: v for n, v in state.items() if "pose.net" not in n}, own_pose)


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("pad", lambda s: s.pop("models.mtl_decoder.sa_seg.conv.weight"), "lacks conv.weight"),
        ("pad", lambda s: s.pop("models.mtl_decoder.seg_final_head.0.bias"), "lacks classify.bias"),
        ("pad", lambda s: s.update({"models.mtl_decoder.seg_dec.decoder.18.conv.bias": torch.ones(1)}), "18.conv.bias"),
        ("pad", lambda s: s.update({"models.mtl_decoder.junk": torch.ones(1)}), "junk has no place"),
        ("segmentation", lambda s: s.update({"models.depth.decoder.14.conv.bias": torch.ones(1)}), "has no place"),
        ("segmentation", lambda s: s.update({"models.segmentation.head.1.bias": torch.ones(1)}), "head.1.bias is not"),
        ("segmentation", lambda s: s.pop("models.segmentation.project.seg9.0.weight"), "lacks project.0.weight"),
        ("segmentation", lambda s: s.update({"models.segmentation.head.2.bias": torch.ones(7)}), "has shape"),
    ],
)  # fmt: skip
def test_every_tensor_has_its_place(form: str, change, message: str) -> None:
    config, depth = FORMS[form]
    network = build_segmentation_network(config, 5, depth)
    state = three_ways_network(network)
    change(state)
    with pytest.raises(InputError, match=message):
        load_official_three_ways(network, state)


def test_networks_that_official_weights_are_not_of() -> None:
    deeplab = build_segmentation_network(replace(SMALL, decoder="deeplabv3plus"), 5, False)
    with pytest.raises(InputError, match="not of a deeplabv3plus decoder"):
        load_official_three_ways(deeplab, {})
