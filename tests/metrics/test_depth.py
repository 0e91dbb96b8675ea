"""Depth metrics and protocols: golden facts, NumPy twins, bad input."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from vergence.metrics.depth import (
    DEPTH_METRICS,
    counted,
    depth_errors,
    flip_postprocess,
    garg_crop,
    median,
    score_inverse_depth,
)
from vergence.settings.protocols import PROTOCOLS

TRUTH, PREDICTION = torch.tensor([2.0, 4, 10, 20]).double(), torch.tensor([2.0, 5, 8, 40]).double()
UNSCALED = dataclasses.replace(PROTOCOLS["plain"], scale="none")


def naive_errors(g: np.ndarray, p: np.ndarray) -> list[float]:
    ratios = [max(a / b, b / a) for a, b in zip(g, p, strict=True)]
    return [
        float(np.mean([abs(a - b) / a for a, b in zip(g, p, strict=True)])),
        float(np.mean([(a - b) ** 2 / a for a, b in zip(g, p, strict=True)])),
        math.sqrt(np.mean([(a - b) ** 2 for a, b in zip(g, p, strict=True)])),
        math.sqrt(np.mean([(math.log(a) - math.log(b)) ** 2 for a, b in zip(g, p, strict=True)])),
        *(sum(ratio < 1.25**power for ratio in ratios) / len(ratios) for power in (1, 2, 3)),
    ]


def scene(count: int, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    """Inverse depths (B, 1, 12, 20) and sparse truths, each of its own size, some beyond 80 m, some absent."""
    generator = np.random.default_rng(seed)
    inverse = torch.from_numpy(generator.uniform(0.02, 0.5, (count, 1, 12, 20)))
    truths = []
    for index in range(count):
        truth = generator.uniform(0.5, 100, (30 + index, 50 - index))
        truth[generator.random(truth.shape) < 0.6] = 0
        truths.append(torch.from_numpy(truth))
    return inverse, truths


def naive_score(inverse: np.ndarray, truth: np.ndarray, crop: bool, cap: bool, scale: float | None) -> list[float]:
    """Spec section 1.7 in NumPy, bilinear resizing written out; ratio last."""
    height, width = truth.shape
    rows = np.clip((np.arange(height) + 0.5) * inverse.shape[0] / height - 0.5, 0, inverse.shape[0] - 1)
    columns = np.clip((np.arange(width) + 0.5) * inverse.shape[1] / width - 0.5, 0, inverse.shape[1] - 1)
    tall = np.stack([np.interp(rows, np.arange(inverse.shape[0]), column) for column in inverse.T], axis=1)
    full = np.stack([np.interp(columns, np.arange(inverse.shape[1]), row) for row in tall])
    mask = (truth > 1e-3) & (truth < 80) if cap else truth > 0
    if crop:
        outside = np.ones_like(mask)
        top, bottom = int(0.40810811 * height), int(0.99189189 * height)
        outside[top:bottom, int(0.03594771 * width) : int(0.96405229 * width)] = False
        mask &= ~outside
    g, p = truth[mask], 1 / full[mask]
    ratio = float(np.median(g) / np.median(p)) if scale is None else 1.0
    return [*naive_errors(g, np.clip(p * (ratio if scale is None else scale), 1e-3, 80)), ratio, float(mask.sum())]


class TestErrors:
    def test_golden(self) -> None:
        """Golden fact 25; ratios of exactly 1.25 do not count."""
        expected = [0.3625, 5.1625, 10.062306, 0.380801, 0.25, 0.75, 0.75]
        assert depth_errors(TRUTH, PREDICTION).tolist() == pytest.approx(expected, abs=1e-6)

    def test_against_naive_twin(self) -> None:
        generator = np.random.default_rng(0)
        g, p = generator.uniform(1, 80, 333), generator.uniform(1, 80, 333)
        got = depth_errors(torch.from_numpy(g), torch.from_numpy(p)).tolist()
        assert got == pytest.approx(naive_errors(g, p), rel=1e-12)

    def test_perfect(self) -> None:
        assert depth_errors(TRUTH, TRUTH).tolist() == [0, 0, 0, 0, 1, 1, 1]
        assert len(DEPTH_METRICS) == 7

    def test_nothing_is_not_a_number(self) -> None:
        assert depth_errors(torch.ones(0), torch.ones(0)).isnan().all()

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(4,\) and \(3,\)"):
            depth_errors(TRUTH, PREDICTION[:3])
        with pytest.raises(ValueError, match=r"\(2, 2\)"):
            depth_errors(TRUTH.view(2, 2), PREDICTION.view(2, 2))

    @pytest.mark.parametrize("count", [1, 2, 3, 4, 101, 102])
    def test_median_is_numpys(self, count: int) -> None:
        values = np.random.default_rng(count).normal(size=count)
        assert median(torch.from_numpy(values)).item() == pytest.approx(float(np.median(values)), rel=1e-15)

    def test_median_of_nothing(self) -> None:
        assert median(torch.ones(0)).isnan()


class TestProtocol:
    @pytest.mark.parametrize(
        ("size", "rows", "columns"),
        [  # golden fact 27
            ((375, 1242), (153, 371), (44, 1197)),
            ((370, 1226), (151, 366), (44, 1181)),
            ((374, 1238), (152, 370), (44, 1193)),
            ((376, 1241), (153, 372), (44, 1196)),
            ((370, 1224), (151, 366), (43, 1180)),
        ],
    )
    def test_garg_crop(self, size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> None:
        expected = torch.zeros(size, dtype=torch.bool)
        expected[slice(*rows), slice(*columns)] = True
        assert torch.equal(garg_crop(torch.ones(size)), expected)
        assert torch.equal(counted(torch.full(size, 5.0), PROTOCOLS["eigen"]), expected)

    def test_masks(self) -> None:
        truth = torch.tensor([[0.0, 1e-3, 0.01, 79.9, 80.0, 200.0]])
        assert counted(truth, PROTOCOLS["plain"]).tolist() == [[False, False, True, True, False, False]]
        assert counted(truth, PROTOCOLS["improved"]).tolist() == [[False, True, True, True, True, True]]

    def test_description_names_all_that_matters(self) -> None:
        lines = {protocol.describe() for protocol in PROTOCOLS.values()}
        assert len(lines) == len(PROTOCOLS)
        base = PROTOCOLS["eigen"]
        changes = [{"scale": 5.4}, {"scale": "none"}, {"crop": None}, {"cap_ground_truth": False}, {"max_depth": 50.0}]
        changed = {dataclasses.replace(base, **change).describe() for change in changes}  # type: ignore[arg-type]
        assert len(changed | {base.describe()}) == len(changes) + 1
        assert all("\n" not in line for line in lines | changed)
        assert "5.4" in dataclasses.replace(base, scale=5.4).describe()


class TestScore:
    @pytest.mark.parametrize("name", ["eigen", "improved", "plain"])
    @pytest.mark.parametrize("scale", [None, 5.4])
    def test_against_naive_twin(self, name: str, scale: float | None) -> None:
        protocol = PROTOCOLS[name] if scale is None else dataclasses.replace(PROTOCOLS[name], scale=scale)
        inverse, truths = scene(3)
        for prediction, truth in zip(inverse, truths, strict=True):
            got = score_inverse_depth(prediction[0], truth, protocol)
            expected = naive_score(prediction[0].numpy(), truth.numpy(), name == "eigen", name != "improved", scale)
            assert [*got.errors.tolist(), float(got.ratio), float(got.pixels)] == pytest.approx(expected, rel=1e-9)

    def test_golden_median_ratio(self) -> None:
        """Golden fact 25."""
        got = score_inverse_depth(1 / PREDICTION[None], TRUTH[None], PROTOCOLS["plain"])
        assert got.ratio.item() == pytest.approx(1.0769231)
        expected = [0.428846, 6.827515, 11.580181, 0.419745, 0.5]
        assert got.errors[:5].tolist() == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("factor", [0.01, 1.0, 30.0])
    def test_median_scaling_forgives_any_factor(self, factor: float) -> None:
        """Golden fact 26."""
        truth = scene(1)[1][0].clamp(max=79)
        inverse = 1 / (factor * truth.clamp(min=0.5))
        got = score_inverse_depth(inverse, truth, PROTOCOLS["plain"])
        assert got.errors[:4].tolist() == pytest.approx([0] * 4, abs=1e-9)
        assert got.ratio.item() == pytest.approx(1 / factor)
        unscaled = score_inverse_depth(inverse, truth, UNSCALED)
        assert (unscaled.errors[0] < 1e-9) == (factor == 1.0)
        assert unscaled.ratio.item() == 1

    def test_prediction_is_clipped(self) -> None:
        truth = torch.full((2, 2), 40.0)
        far = score_inverse_depth(torch.full((2, 2), 1e-6), truth, UNSCALED)
        assert far.errors[0].item() == pytest.approx(1.0)  # 80 m, not 1000 km
        none = score_inverse_depth(torch.zeros(2, 2), truth, UNSCALED)
        assert none.errors[0].item() == pytest.approx(1.0)

    def test_what_is_mostly_infinitely_far_has_a_score(self) -> None:
        truth = torch.tensor([[10.0, 20.0, 40.0, 40.0, 40.0]])
        got = score_inverse_depth(torch.tensor([[0.1, 0.05, 0.0, 0.0, 0.0]]), truth, PROTOCOLS["plain"])
        assert got.errors[0].item() == pytest.approx((0.9999 + 0.99995) / 5)  # at the median 40 m, what is near at 1 mm

    def test_no_truth(self) -> None:
        score = score_inverse_depth(torch.ones(3, 4), torch.zeros(3, 4), PROTOCOLS["plain"])
        assert score.errors.isnan().all()
        assert int(score.pixels) == 0

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(1, 3, 4\) and \(3, 4\)"):
            score_inverse_depth(torch.ones(1, 3, 4), torch.ones(3, 4), UNSCALED)


class TestFlip:
    def test_ends_and_middle(self) -> None:
        """Golden fact 28."""
        plain, mirrored = torch.full((2, 1, 3, 101), 2.0), torch.full((2, 1, 3, 101), 4.0)
        blended = flip_postprocess(plain, mirrored)
        assert blended.shape == plain.shape
        assert (blended[..., :6] == 4).all()
        assert (blended[..., -6:] == 2).all()
        assert torch.allclose(blended[..., 10:91], torch.tensor(3.0))
        assert (blended.diff() <= 1e-6).all()

    def test_weights_sum_to_one(self) -> None:
        ones = torch.ones(1, 1, 2, 640)
        assert torch.allclose(flip_postprocess(ones, ones), ones)

    def test_identity_for_a_symmetric_prediction(self) -> None:
        disparity = torch.rand(1, 1, 4, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        assert torch.allclose(flip_postprocess(disparity, disparity), disparity)

    def test_against_the_formula(self) -> None:
        generator = np.random.default_rng(0)
        left, right = generator.random((2, 5, 60)), generator.random((2, 5, 60))
        x = np.linspace(0, 1, 60)
        weight = 1 - np.clip(20 * (x - 0.05), 0, 1)
        expected = weight[::-1] * left + weight * right + (1 - weight - weight[::-1]) * 0.5 * (left + right)
        got = flip_postprocess(torch.from_numpy(left)[:, None], torch.from_numpy(right)[:, None])
        assert np.allclose(got[:, 0].numpy(), expected)

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(1, 1, 2, 3\) and \(1, 1, 2, 4\)"):
            flip_postprocess(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 4))
