"""The depth network as a whole: settings, memory formats, scripts around it, freezing."""

import pytest
import torch

from tests.models.depth_networks import build
from vergence.errors import InputError


@pytest.mark.parametrize(
    "encoder", ["resnet18", "efficientnet_lite0", "convnext_atto", "dinov2_vits14", "dinov3_vits16"]
)
@pytest.mark.parametrize("decoder", ["monodepth2", "three_ways"])
def test_any_encoder_with_any_decoder(encoder: str, decoder: str) -> None:
    network = build(encoder=encoder, decoder=decoder, decoder_widths=(4, 8, 8, 8, 16))
    out = network(torch.rand(2, 3, 64, 96))
    assert {s: tuple(d.shape) for s, d in out.items()} == {s: (2, 1, 64 >> s, 96 >> s) for s in range(4)}
    torch.stack([d.mean() for d in out.values()]).sum().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None] == []  # DDP needs no special flag


def test_papers_resnet18_network() -> None:
    network = build(encoder="resnet18")
    assert sum(p.numel() for p in network.decoder.parameters()) == 3_150_560 + 145 + 289 + 577 + 1153
    assert sum(p.numel() for p in network.encoder.parameters()) == 11_176_512


def test_decoder_settings_reach_the_decoder() -> None:
    network = build(
        decoder="three_ways", output_stride=16, aspp_rates=(2, 4), decoder_batchnorm=True, decoder_dropout=0.2
    )
    assert [branch[0].dilation[0] for branch in network.decoder.first["4"].branches] == [1, 2, 4]
    assert isinstance(network.decoder.second["0"].norm, torch.nn.BatchNorm2d)
    assert network.decoder.second["0"].dropout.p == 0.2
    assert network.encoder.strides[-1] == 16


def test_unknown_decoder() -> None:
    with pytest.raises(InputError, match="decoder='unet' is unknown"):
        build(decoder="unet")


@pytest.mark.parametrize("encoder", ["resnet18", "dinov3_vits16"])
def test_channels_last_gives_the_same_numbers(encoder: str) -> None:
    network = build(encoder=encoder).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        plain = network(image)[0]
        last = network.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))[0]
    assert torch.allclose(plain, last, atol=1e-5)


def test_double_precision_agrees() -> None:
    network = build(encoder="resnet18", normalization="monodepth2").eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        single = network(image)[0]
        assert torch.allclose(single.double(), network.double()(image.double())[0], atol=1e-5)


def test_exported_program_equals_eager() -> None:
    network = build(decoder_widths=(4, 8, 8, 8, 16)).eval()
    image = torch.rand(1, 3, 64, 96)
    program = torch.export.export(network, (image,))
    with torch.no_grad():
        assert torch.allclose(program.module()(image)[0], network(image)[0], atol=1e-5)


def test_batch_size_does_not_change_an_image_in_evaluation() -> None:
    network = build().eval()
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(images)[0][1:2], network(images[1:2])[0], atol=1e-5)


@pytest.mark.parametrize("encoder", ["resnet18", "dinov2_vits14"])
def test_traces_into_one_graph(encoder: str) -> None:
    network = build(encoder=encoder, decoder_widths=(4, 8, 8, 8, 16)).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        traced = torch.compile(network, backend="eager", fullgraph=True)(image)[0]  # breaks would be errors
        assert torch.allclose(traced, network(image)[0], atol=1e-5)
