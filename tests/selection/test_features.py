"""Pooling and standardisation: golden fact 19, agreement of the matrix and the space, constant channels."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.selection.distances import distance_matrix
from vergence.models.frame_features import frame_features
from vergence.models.segmentation_network import build_segmentation_network
from vergence.selection.features import (
    FeatureSpace,
    channel_statistics,
    pooled_features,
)
from vergence.settings.networks import SegmentationNetworkConfig


def test_golden_fact_19() -> None:
    maps = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).view(2, 1, 1, 2)
    assert float(distance_matrix(maps)[0, 1]) == pytest.approx(2.425356, abs=1e-6)
    assert float(distance_matrix(maps, normalize=False)[0, 1]) == 5
    space = FeatureSpace.standardised(maps.flatten(1).numpy(), channels=1)
    assert float(space.exact(torch.tensor([0]), torch.tensor([1]))[0, 0]) == pytest.approx(2.425356, abs=1e-6)


@pytest.mark.parametrize("memory", [0, 2**30])
@pytest.mark.parametrize("form", [np.float32, np.float16])
def test_space_equals_matrix(memory: int, form: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vergence.selection.features._BLOCK_BYTES", 2000)
    maps = torch.randn(23, 5, 4, 8, generator=torch.Generator().manual_seed(0)) * 3 + 2
    maps = torch.from_numpy(maps.numpy().astype(form)).float()
    matrix = distance_matrix(maps)
    space = FeatureSpace.standardised(maps.flatten(1).numpy().astype(form), 5, memory=memory)
    rows = torch.arange(23)
    torch.testing.assert_close(space.exact(rows, rows).float(), matrix, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        space.squared(space.gather(torch.tensor([4, 9]))).clamp(min=0),
        matrix[[4, 9]].amin(0).square(),
        rtol=1e-5,
        atol=space.slack,
    )


def test_pooling_is_the_mean_of_cells_channel_by_channel() -> None:
    maps = torch.arange(2 * 8 * 16, dtype=torch.float32).view(1, 2, 8, 16)
    pooled = pooled_features(maps)
    assert pooled.shape == (1, 64)
    assert float(pooled[0, 0]) == float(maps[0, 0, :2, :2].mean())
    assert float(pooled[0, 32 + 9]) == float(maps[0, 1, 2:4, 2:4].mean())
    with pytest.raises(ValueError, match=r"expected \(B, C, h, w\)"):
        pooled_features(torch.zeros(2, 3))


def test_statistics_are_those_of_numpy() -> None:
    array = np.random.default_rng(0).normal(5, 2, size=(40, 12)).astype(np.float32)
    mean, deviation = channel_statistics(array, 3)
    for channel in range(3):
        values = array[:, 4 * channel : 4 * channel + 4].astype(np.float64)
        assert mean[channel] == pytest.approx(values.mean(), rel=1e-12)
        assert deviation[channel] == pytest.approx(values.std(ddof=1), rel=1e-12)
    with pytest.raises(ValueError, match="multiple of 5 channels"):
        channel_statistics(array, 5)


def test_a_constant_channel_counts_nothing() -> None:
    maps = torch.randn(4, 2, 1, 2, generator=torch.Generator().manual_seed(0))
    maps[:, 1] = 7
    assert torch.isfinite(distance_matrix(maps)).all()
    alone = distance_matrix(maps[:, :1])
    torch.testing.assert_close(distance_matrix(maps), alone)
    space = FeatureSpace.standardised(maps.flatten(1).numpy(), 2)
    rows = torch.arange(4)
    torch.testing.assert_close(space.exact(rows, rows).float(), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [0, 3, 6, 10])
def test_features_of_depth_do_not_depend_on_which_blocks_are_shared(shared: int) -> None:
    widths: dict[str, Any] = {"encoder": "resnet18", "weights": "none", "decoder_widths": (4, 4, 8, 8, 8)}
    torch.manual_seed(0)
    alone = build_segmentation_network(SegmentationNetworkConfig(**widths, scales=(0,)), 3, depth=True).eval()
    torch.manual_seed(0)
    config = SegmentationNetworkConfig(**widths, scales=(0,), shared_blocks=shared)
    network = build_segmentation_network(config, 3, depth=True).eval()
    assert alone.depth is not None
    network.encoder.load_state_dict(alone.encoder.state_dict())
    for part in (network.trunk, network.depth):
        if part is not None:
            part.load_state_dict(alone.depth.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 96)
    torch.testing.assert_close(frame_features(network, images), frame_features(alone, images))
