"""The DeepLabv2 backbone and its heads against the specification's facts 16, 17, 19 and 24."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models import deeplabv2
from vergence.models.deeplabv2 import AtrousHead, DeepLabEncoder, build_deeplab_encoder, copy_matching, to_caffe_input


@pytest.fixture(scope="module")
def outline() -> DeepLabEncoder:
    """Shapes without numbers."""
    with torch.device("meta"):
        return DeepLabEncoder()


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> DeepLabEncoder:
    monkeypatch.setattr(deeplabv2, "BLOCKS", (1, 1, 1, 1))
    torch.manual_seed(0)
    return DeepLabEncoder()


def stored(path: Path, encoder: DeepLabEncoder, prefix: str = "", without: str = "-") -> Path:
    """A file of the backbone's names and shapes, each tensor a constant of its own, held in a few bytes."""
    names = enumerate(encoder.backbone.state_dict().items())
    state = {prefix + name: torch.tensor(1.0 + i).expand(value.shape) for i, (name, value) in names}
    torch.save({name: value for name, value in state.items() if without not in name}, path)
    return path


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((65, 65), (9, 9)),
        ((512, 512), (65, 65)),
        ((720, 1280), (91, 161)),
        ((1024, 2048), (129, 257)),
        ((512, 1024), (65, 129)),
    ],
)
def test_feature_size(outline: DeepLabEncoder, size: tuple[int, int], expected: tuple[int, int]) -> None:
    (feature,) = outline(torch.zeros(1, 3, *size, device="meta"))
    assert feature.shape == (1, 2048, *expected)
    assert (outline.channels, outline.strides) == ((2048,), (8,))


def test_parameters_and_strides(outline: DeepLabEncoder) -> None:
    assert sum(value.numel() for value in outline.parameters()) == 42_500_160
    assert sum(value.numel() for value in outline.parameters() if value.requires_grad) == 42_500_160 - 105_344
    convolutions = {name: layer for name, layer in outline.backbone.named_modules() if isinstance(layer, nn.Conv2d)}
    strided = {name for name, layer in convolutions.items() if layer.stride == (2, 2)}
    assert strided == {"conv1", "layer2.0.conv1", "layer2.0.downsample.0"}
    for layer, dilation in (("layer2", 1), ("layer3", 2), ("layer4", 4)):
        inner = [found for name, found in convolutions.items() if name.startswith(layer) and name.endswith("conv2")]
        assert {found.dilation[0] for found in inner} == {found.padding[0] for found in inner} == {dilation}


def test_colours_are_turned_round_and_scaled(shallow: DeepLabEncoder) -> None:
    pixels = shallow.normalise(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).T[None, :, :, None])
    torch.testing.assert_close(pixels[0, :, 0, 0], torch.tensor([-104.007, -116.669, -122.679]), atol=1e-3, rtol=0)
    torch.testing.assert_close(pixels[0, :, 1, 0], torch.tensor([-104.007, -116.669, 132.321]), atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match=r"images have shape \(1, 4, 8, 8\)"):
        shallow.normalise(torch.zeros(1, 4, 8, 8))


def test_batch_norm_keeps_its_scale_and_follows_the_data(shallow: DeepLabEncoder) -> None:
    shallow.train()(torch.rand(2, 3, 33, 40))[0].square().mean().backward()
    for name, layer in shallow.backbone.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.grad is None
            assert layer.running_mean.abs().sum() > 0
            assert layer.num_batches_tracked == 1
        elif isinstance(layer, nn.Conv2d):
            assert layer.weight.grad.abs().sum() > 0, name


def test_two_of_four_branches_take_part() -> None:
    for used, total in ((2, 11.0), (4, 1111.0)):
        head = AtrousHead(1, 1, used)
        for branch, bias in zip(head.branches, (1.0, 10.0, 100.0, 1000.0), strict=True):
            nn.init.zeros_(branch.weight)
            nn.init.constant_(branch.bias, bias)
        assert torch.equal(head(torch.rand(1, 1, 3, 5)), torch.full((1, 1, 3, 5), total))
    head = AtrousHead(1, 1)
    for branch in head.branches:
        nn.init.ones_(branch.weight)
        nn.init.zeros_(branch.bias)
    impulse = torch.zeros(1, 1, 41, 41)
    impulse[..., 20, 20] = 1
    answer = head(impulse)[0, 0]
    touched = answer.nonzero() - 20
    assert len(touched) == 17
    assert set(touched.abs().unique().tolist()) == {0, 6, 12}
    assert answer[20, 20] == 2
    answer.sum().backward()
    assert [branch.weight.grad is None for branch in head.branches] == [False, False, True, True]
    with pytest.raises(InputError, match=r"aspp_branches=3 is not offered; use 2 \(as released\) or 4\."):
        AtrousHead(1, 1, 3)


@pytest.mark.parametrize("prefix", ["", "Scale.", "module."])
def test_weights_of_a_file(shallow: DeepLabEncoder, prefix: str, tmp_path: Path) -> None:
    encoder = build_deeplab_encoder(str(stored(tmp_path / "coco.pth", shallow, prefix)))
    for i, (name, value) in enumerate(encoder.backbone.state_dict().items()):
        assert (value == 1.0 + i).all(), name


def test_weights_that_fit_in_part_or_not(
    shallow: DeepLabEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(tmp_path / "coco.pth", shallow, without="layer4.0.conv")
    build_deeplab_encoder(str(path))
    assert "lacks 3 tensors, first layer4.0.conv1.weight: they start at random" in caplog.text
    torch.save({"conv1.weight": torch.ones(64, 3, 3, 3), "fc.weight": torch.ones(2)}, path)
    with pytest.raises(InputError, match=r"has 0 of the \d+ tensors of a DeepLabv2 ResNet-101, and not conv1\.weight"):
        build_deeplab_encoder(str(path))
    with pytest.raises(InputError, match=r"coco is not a weights file"):
        build_deeplab_encoder("coco")


def test_only_names_and_shapes_that_agree_are_copied() -> None:
    own = {"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(1)}
    given = {"a": torch.ones(2), "b": torch.ones(4), "d": torch.ones(1), "Scale.a": torch.full((2,), 5.0)}
    assert {name: value.tolist() for name, value in copy_matching(own, given).items()} == {"a": [1, 1]}
    assert copy_matching(own, {}) == {}


def test_stem_of_another_colour_convention() -> None:
    torch.manual_seed(0)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    stem, statistics = nn.Conv2d(3, 8, 7, stride=2, bias=False), torch.rand(8)
    state = {"conv1.weight": stem.weight.detach(), "bn1.running_mean": statistics, "fc.bias": torch.ones(1)}
    changed = to_caffe_input(state, mean, std)

    def answer(weights: dict[str, Tensor], images: Tensor) -> Tensor:
        answers = nn.functional.conv2d(images, weights["conv1.weight"], stride=2)
        return answers - weights["bn1.running_mean"].view(-1, 1, 1)

    images = torch.rand(2, 3, 15, 15)
    caffe = (255 * images - torch.tensor(deeplabv2.CAFFE_MEAN).view(3, 1, 1)).flip(1)
    torch.testing.assert_close(answer(changed, caffe), answer(state, (images - mean) / std), atol=1e-4, rtol=1e-4)
    assert changed["fc.bias"] is state["fc.bias"]
