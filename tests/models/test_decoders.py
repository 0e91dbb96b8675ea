"""Decoders: the specs' parameter counts, sizes with any encoder, prefixes of blocks."""

import pytest
import torch

from vergence.errors import InputError
from vergence.models.blocks import ASPP, ConvBlock
from vergence.models.decoders import BLOCKS, LEVELS, MonodepthDecoder, ThreeWaysDepthDecoder

RESNET18 = ((64, 64, 128, 256, 512), (2, 4, 8, 16, 32))
RESNET50 = ((64, 256, 512, 1024, 2048), (2, 4, 8, 16, 32))
RESNET101_OS16 = (RESNET50[0], (2, 4, 8, 16, 16))


def count(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def features_of(shape, size=(64, 96), batch=2) -> list[torch.Tensor]:
    return [torch.rand(batch, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(*shape, strict=True)]


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        (RESNET18, (2_359_808, 2_949_888, 3_097_472, 3_143_616, 3_150_560)),
        (RESNET50, (7_668_224, 8_700_672, 8_958_848, 9_004_992, 9_011_936)),
    ],
)
def test_trunk_parameters_by_shared_levels(shape, counts) -> None:  # semhint 2.2
    decoder = MonodepthDecoder(*shape)
    levels = [count(decoder.first[str(level)], decoder.second[str(level)]) for level in reversed(range(LEVELS))]
    assert tuple(sum(levels[: n + 1]) for n in range(LEVELS)) == counts
    assert [count(decoder.heads[str(scale)]) for scale in range(4)] == [145, 289, 577, 1153]


def test_three_ways_parameters() -> None:  # three_ways 2.1: 22.07 M, 15.54 M of them the ASPP
    decoder = ThreeWaysDepthDecoder(*RESNET101_OS16)
    assert round(count(decoder) / 1e6, 2) == 22.07
    assert round(count(decoder.first["4"]) / 1e6, 2) == 15.54


def test_three_ways_student_parameters() -> None:  # three_ways 5.2: "each decoder about 20.3 M"
    decoder = ThreeWaysDepthDecoder(*RESNET101_OS16, widths=(64, 64, 128, 128, 256), batchnorm=True)
    assert count(decoder) / 1e6 == pytest.approx(20.3, abs=0.05)


def test_three_ways_shapes() -> None:  # three_ways 2.1, the table for 512 x 512
    decoder = ThreeWaysDepthDecoder(*RESNET101_OS16).eval()
    with torch.no_grad():
        features = features_of(RESNET101_OS16, (512, 512), batch=1)
        _, ups = decoder.walk(features[-1], features, (512, 512))
        disparities = decoder.disparities(ups)
    assert {level: tuple(up.shape[1:]) for level, up in ups.items()} == {
        4: (256, 32, 32),
        3: (256, 64, 64),
        2: (128, 128, 128),
        1: (128, 256, 256),
        0: (64, 512, 512),
    }
    assert {s: tuple(d.shape[1:]) for s, d in disparities.items()} == {s: (1, 512 >> s, 512 >> s) for s in range(4)}


@pytest.mark.parametrize(
    ("shape", "skips"),
    [
        (RESNET18, {1: 0, 2: 1, 3: 2, 4: 3}),
        (RESNET101_OS16, {1: 0, 2: 1, 3: 2, 4: 3}),
        ((RESNET50[0], (2, 4, 8, 8, 8)), {1: 0, 2: 1, 3: 2, 4: 3}),
        (((40, 80, 160, 320), (4, 8, 16, 32)), {2: 0, 3: 1, 4: 2}),  # ConvNeXt, ViT: nothing at stride 2
        (((40, 80, 160, 320), (4, 8, 16, 16)), {2: 0, 3: 1, 4: 2}),
        (((16, 24, 40), (2, 4, 8)), {1: 0, 2: 1}),
    ],
)
@pytest.mark.parametrize("kind", [MonodepthDecoder, ThreeWaysDepthDecoder])
def test_skips_join_by_stride(kind, shape, skips) -> None:
    decoder = kind(*shape, widths=(4, 4, 4, 4, 8)).eval()
    assert decoder.skips == skips
    with torch.no_grad():
        out = decoder(features_of(shape), (64, 96))
    assert {s: tuple(d.shape[-2:]) for s, d in out.items()} == {s: (64 >> s, 96 >> s) for s in range(4)}
    assert all(((d > 0) & (d < 1)).all() for d in out.values())


def test_dilated_levels_are_not_upsampled_before_their_size_is_left() -> None:
    strides = (2, 4, 8, 8, 8)
    decoder = MonodepthDecoder(RESNET18[0], strides, widths=(4, 4, 4, 4, 4))
    features = features_of((RESNET18[0], strides))
    _, ups = decoder.walk(features[-1], features, (64, 96))
    assert [tuple(ups[level].shape[-2:]) for level in (4, 3, 2)] == [(8, 12), (8, 12), (16, 24)]


@pytest.mark.parametrize("size", [(65, 97), (70, 33)])
def test_odd_sizes_round_up(size) -> None:
    decoder = MonodepthDecoder(*RESNET18, widths=(4, 4, 4, 4, 8))
    out = decoder(features_of(RESNET18, size), size)
    assert {s: tuple(d.shape[-2:]) for s, d in out.items()} == {
        s: (-(-size[0] // 2**s), -(-size[1] // 2**s)) for s in range(4)
    }


def test_size_defaults_to_the_features() -> None:
    decoder = MonodepthDecoder(*RESNET18, widths=(4, 4, 4, 4, 8)).eval()
    features = features_of(RESNET18)
    assert torch.equal(decoder(features)[0], decoder(features, (64, 96))[0])


@pytest.mark.parametrize("kind", [MonodepthDecoder, ThreeWaysDepthDecoder])
@pytest.mark.parametrize("cut", range(BLOCKS + 1))
def test_a_walk_in_two_stretches_is_the_whole_walk(kind, cut: int) -> None:
    decoder = kind(*RESNET18, widths=(4, 4, 4, 4, 8)).eval()
    features = features_of(RESNET18)
    whole = decoder(features, (64, 96))
    x, ups = decoder.walk(features[-1], features, (64, 96), stop=cut)
    _, rest = decoder.walk(x, features, (64, 96), start=cut)
    assert not set(ups) & set(rest)
    parts = decoder.disparities(ups | rest)
    assert all(torch.equal(parts[s], whole[s]) for s in range(4))


@pytest.mark.parametrize("scales", [(0, 1, 2, 3), (0,), (0, 2), (2, 3), ()])
@pytest.mark.parametrize("kind", [MonodepthDecoder, ThreeWaysDepthDecoder])
def test_every_parameter_learns_whatever_the_scales(kind, scales) -> None:
    decoder = kind(*RESNET18, scales=scales, widths=(4, 4, 4, 4, 8))
    features = features_of(RESNET18)
    x, ups = decoder.walk(features[-1], features, (64, 96))
    outputs = list(decoder.disparities(ups).values())
    assert len(outputs) == len(scales)
    torch.stack([out.mean() for out in outputs or [x]]).sum().backward()
    assert [key for key, p in decoder.named_parameters() if p.grad is None] == []


def test_without_skips() -> None:
    decoder = MonodepthDecoder(*RESNET18, use_skips=False)
    assert decoder.second["4"].conv.in_channels == 256
    features = features_of(RESNET18)
    first = decoder(features)[0]
    assert torch.equal(first, decoder([torch.zeros_like(f) for f in features[:-1]] + features[-1:])[0])


@pytest.mark.parametrize("start", [0.02, 0.5, 0.9])
def test_initial_disparity(start: float) -> None:
    torch.manual_seed(0)
    decoder = MonodepthDecoder(*RESNET18, initial_disparity=start).eval()
    with torch.no_grad():
        out = decoder(features_of(RESNET18))
    logits = [torch.logit(d).mean().item() for d in out.values()]  # the weights add what random weights add
    assert logits == pytest.approx([torch.logit(torch.tensor(start)).item()] * 4, abs=0.6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (16, 32, 64)}, "decoder_widths"),
        ({"widths": (16, 32, 64, 0, 8)}, "decoder_widths"),
        ({"scales": (0, 4)}, "scales"),
        ({"initial_disparity": 1.0}, "initial_disparity"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MonodepthDecoder(*RESNET18, **settings)


def test_conv_block_against_its_definition() -> None:
    block = ConvBlock(2, 3)
    x = torch.rand(1, 2, 4, 5)
    padded = torch.cat((x[..., 1:2, :], x, x[..., -2:-1, :]), dim=-2)
    padded = torch.cat((padded[..., 1:2], padded, padded[..., -2:-1]), dim=-1)
    y = torch.nn.functional.conv2d(padded, block.conv.weight, block.conv.bias)
    assert torch.allclose(block(x), torch.where(y > 0, y, y.exp() - 1), atol=1e-6)
    dropped = ConvBlock(2, 64, dropout=0.5).train()(x)
    assert 0 < (dropped.flatten(2) == 0).all(dim=2).sum() < 64  # whole channels


def test_aspp_sees_the_whole_map_through_its_global_branch() -> None:
    for pooling in (True, False):
        aspp = ASPP(4, 8, rates=(2,), pooling=pooling).eval()
        x = torch.rand(1, 4, 20, 20, requires_grad=True)
        aspp(x)[..., 0, 0].sum().backward()
        assert (x.grad[..., 10:, 10:].abs().sum() > 0) == pooling
        assert (x.grad[..., 2, 2].abs().sum() > 0).item()  # the dilated branch
