"""Official Three Ways state dicts become runs that every verb takes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.models.official_names import three_ways_network, three_ways_pose
from vergence.errors import InputError
from vergence.models.depth_network import build_pose_network
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network
from vergence.runs.checkpoint import load_run
from vergence.runs.convert import convert
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

SMALL = SegmentationNetworkConfig(
    weights="none", decoder="three_ways", decoder_widths=(8, 16, 24, 24, 32), normalization="monodepth2"
)
PYRAMID = replace(SMALL, output_stride=16)


@pytest.fixture(scope="module")
def pose() -> torch.nn.Module:
    return build_pose_network(PoseConfig(weights="none"), "monodepth2")


def network_of(config: SegmentationNetworkConfig, depth: bool, classes: int = 19) -> MultiTaskNetwork:
    torch.manual_seed(0)
    return build_segmentation_network(config, classes, depth).eval()


def test_multi_task_network(pose, tmp_path: Path) -> None:
    network = network_of(replace(PYRAMID, exchange="pad"), True)
    state = three_ways_network(network) | three_ways_pose(pose)
    torch.save({"iteration": 40000, "model": state}, tmp_path / "best_model.pkl")
    run = load_run(convert([tmp_path / "best_model.pkl"], tmp_path / "run", "three_ways"))
    assert (run.config.method, run.step) == ("three_ways", 0)
    settings = run.config.section.network
    assert (settings.exchange_level, settings.side_output, settings.output_stride) == (2, True, 16)
    assert run.method.label_space.name == "cityscapes19"
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        found, expected = run.method.predict(images), network(images, depth=True)
    assert torch.equal(found["logits"], expected["logits"])
    assert torch.equal(found["disparity"], expected["disparities"][0])


@pytest.mark.parametrize(
    "config",
    [
        PYRAMID,
        replace(PYRAMID, head_levels=(1,), head_hidden=True, head_stride=2, decoder_batchnorm=True, head_channels=24),
        replace(SMALL, decoder="monodepth2", head_levels=(5, 4, 2, 0), head_hidden=True),
    ],
    ids=["transfer", "student", "levels"],
)
def test_segmentation_alone(config: SegmentationNetworkConfig, tmp_path: Path) -> None:
    network = network_of(config, False, classes=7)
    torch.save(three_ways_network(network), tmp_path / "model.pth")
    run = load_run(convert([tmp_path], tmp_path / "run", "three_ways"))
    assert run.method.tasks == ("segmentation",)
    assert run.method.label_space.classes == tuple(f"class {index}" for index in range(7))
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(run.method.predict(images)["logits"], network(images)["logits"])


def test_depth_model_whole_and_in_parts(pose, tmp_path: Path) -> None:
    network = network_of(PYRAMID, True)
    state = {name: value for name, value in three_ways_network(network).items() if ".segmentation." not in name}
    state |= three_ways_pose(pose)
    (tmp_path / "parts").mkdir()
    torch.save(state, tmp_path / "model.pth")
    for part in ("encoder", "depth", "pose_encoder", "pose"):
        prefix = f"models.{part}."
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        torch.save(own, tmp_path / "parts" / f"mono_{part}.pth")
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected = network(images, segmentation=False, depth=True)["disparities"][0]
        for name in ("model.pth", "parts"):
            run = load_run(convert([tmp_path / name], tmp_path / f"run {name}", "three_ways"))
            assert run.config.method == "depth"
            assert torch.equal(run.method.predict(images)["disparity"], expected)
            assert torch.equal(run.method.pose.head.last.weight, pose.head.last.weight)


def test_pose_network_may_be_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = network_of(
        replace(SMALL, decoder="monodepth2", exchange="pad", exchange_level=3, side_output=False), True
    )
    torch.save(three_ways_network(network), tmp_path / "model.pth")
    run = load_run(convert([tmp_path / "model.pth"], tmp_path / "run", "three_ways"))
    assert "no pose network" in caplog.text
    assert run.config.section.network.exchange_level == 2  # widths of levels 2 and 3 are equal: the published one
    assert run.method.tasks == ("segmentation", "depth")


def test_what_cannot_be_converted(pose, tmp_path: Path) -> None:
    network, out = network_of(replace(PYRAMID, exchange="pad"), True), tmp_path / "run"
    state = three_ways_network(network)

    def refused(content: dict, message: str, name: str = "model.pth") -> None:
        torch.save(content, tmp_path / name)
        with pytest.raises(InputError, match=message):
            convert([tmp_path / name], out, "three_ways")
        assert not out.exists()

    with pytest.raises(InputError, match=r"nothing does not exist; give a Three Ways state dict"):
        convert([tmp_path / "nothing"], out, "three_ways")
    with pytest.raises(InputError, match=r"holds no file \.pth, "):
        convert([tmp_path], out, "three_ways")
    refused({"conv1.weight": torch.ones(1)}, r"model\.pth holds no tensors called models")
    state |= three_ways_pose(pose)
    refused({name: value for name, value in state.items() if "decoder" not in name}, "neither models.depth nor a seg")
    refused({name: value for name, value in state.items() if "layer4.1.conv1" not in name}, "1 tensors are missing")
    refused({name: value for name, value in state.items() if "layer3" not in name}, "state dict is of no ResNet-18")
    refused({name: value for name, value in state.items() if "final_head" not in name}, "lacks seg_final_head")
    refused(state | {"models.mtl_decoder.sa_depth.conv.weight": torch.ones(5, 5, 3, 3)}, "the exchange's 5 channels")
    refused(state | {"models.other.weight": torch.ones(1)}, r"models\.other\.weight has no place")
