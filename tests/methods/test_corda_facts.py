"""Golden facts of CorDA (section 8) about what it shares with the other methods."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from vergence.losses.depth import berhu_valid
from vergence.losses.difficulty import adaptation_difficulty, pixel_weights
from vergence.losses.segmentation import cross_entropy, pseudo_labels
from vergence.methods.ssda import cross_weight
from vergence.methods.teacher import teacher_alpha
from vergence.metrics.segmentation import scores
from vergence.mixing.augment import blur_kernel_size
from vergence.mixing.masks import classmix_mask
from vergence.mixing.mix import mix
from vergence.models.exchange import GatedMessage
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import build_optimizer, lr_factor

MINUTE = 1e-6


def rows(*values: list[float]) -> torch.Tensor:
    """Maps (B, 1, 1, W)."""
    return torch.tensor(values)[:, None, None]


def test_golden_fact_9_two_images() -> None:
    mask = rows([1.0, 0.0], [0.0, 0.0])
    supervision = mix(rows([20.0, 30.0], [5.0, 5.0]), mask, rows([1.0, 8.0], [10.0, 1.0]))
    assert supervision.flatten().tolist() == [20, 8, 10, 1]
    ours, theirs = rows([18.0, 6.0], [12.0, 3.0]), rows([22.0, 8.0], [9.0, 9.0])
    difficulty = adaptation_difficulty(ours, theirs, supervision)
    assert difficulty.flatten().tolist() == pytest.approx([0.801, 0.751, 0.701, 1], abs=MINUTE)
    share = pseudo_labels(rows([0.99, 0.97], [0.5, 0.9]))[2]
    assert share.item() == 0.5
    weight = cross_weight(mask, share)
    assert weight.flatten().tolist() == [1, 0.5, 0.5, 0.5]
    expected = {
        "per_image": [0.984937, 0.461728, 0.430987, 0.614817],
        "batch_mean": [0.923455, 0.538272, 0.461728, 0.538272],
    }
    for mode, values in expected.items():
        found = pixel_weights(weight, difficulty, mode)  # type: ignore[arg-type]
        assert found.flatten().tolist() == pytest.approx(values, abs=MINUTE)
    composed = mix(ours, mask, theirs)
    assert composed.flatten().tolist() == [18, 8, 9, 9]
    assert berhu_valid(composed, supervision, supervision != 1).item() == pytest.approx(2.216667, abs=MINUTE)


def test_golden_fact_10_classmix_of_source_labels() -> None:
    label = torch.tensor([[[0, 0, 3], [5, 255, 3]]])
    mask = classmix_mask(label, ignore=None, chosen=[torch.tensor([0, 255])])
    assert mask[0, 0].tolist() == [[1, 1, 0], [0, 1, 0]]
    counts = []
    for classes in range(1, 8):
        label = torch.arange(classes).repeat(3)[None, None]
        kept = classmix_mask(label, ignore=None, round_up=True)[0, 0] == 1
        counts.append(label[0][kept].unique().numel())
    assert counts == [1, 1, 2, 2, 3, 3, 4]


def test_void_is_a_class_only_where_it_is_asked_for() -> None:
    label = torch.tensor([[[7, 255]]])
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        assert classmix_mask(label, round_up=True, generator=generator).flatten().tolist() == [1, 0]
    drawn = {
        tuple(classmix_mask(label, ignore=None, generator=torch.Generator().manual_seed(seed)).flatten().tolist())
        for seed in range(20)
    }
    assert drawn == {(1, 0), (0, 1)}


def test_golden_fact_11_confident_share_is_inclusive() -> None:
    probabilities = torch.tensor([0.968, 0.9679, 0.99, 0.5]).view(1, 1, 2, 2)
    assert pseudo_labels(probabilities)[2].item() == 0.5


def test_golden_fact_12_ignored_pixels_count_in_the_weighted_mean() -> None:
    logits, label = torch.zeros(1, 19, 2, 2), torch.tensor([[[0, 3], [18, 255]]])
    weighted = cross_entropy(logits, label, pixel_weight=torch.ones(1, 2, 2))
    assert weighted.item() == pytest.approx(0.75 * math.log(19))
    assert cross_entropy(logits, label).item() == pytest.approx(math.log(19))


def test_golden_fact_13_learning_rates() -> None:
    config = OptimConfig(name="sgd", lr=2.5e-4, schedule="poly", group_lr={"heads": 2.5e-3})
    groups = [{"name": name, "params": [nn.Parameter(torch.zeros(1))]} for name in ("encoder", "heads")]
    rates = [group["base_lr"] for group in build_optimizer(config, groups).param_groups]
    factors = [lr_factor(config, 250_000, step) for step in (0, 25_000, 125_000)]
    assert np.outer(rates, factors)[0] == pytest.approx([2.5e-4, 2.273831e-4, 1.339717e-4], rel=1e-6)
    assert rates[1] == 10 * rates[0]


def test_golden_fact_14_teacher() -> None:
    """The official first update, number 0, is one before our first."""
    found = [teacher_alpha(iteration - 1, 0.999) for iteration in (0, 1, 9, 998, 999, 5000)]
    assert found == pytest.approx([0, 0.5, 0.9, 0.998999, 0.999, 0.999], abs=1e-6)


def test_golden_fact_15_blur() -> None:
    assert [blur_kernel_size(side) for side in (64, 256, 512, 720, 1024)] == [7, 25, 51, 71, 103]


def test_golden_fact_18_gate() -> None:
    message = GatedMessage(1)
    nn.init.dirac_(message.conv.weight)
    nn.init.zeros_(message.attention.weight)
    features = torch.tensor([4.0, -6.0]).view(2, 1, 1, 1)
    assert message(features).flatten().tolist() == [2, -3]
    assert torch.equal(features + message(torch.zeros_like(features)), features)


def test_golden_fact_20_an_update_counts_once() -> None:
    """The released optimiser lists backbone tensors three times: three plain steps in one."""
    value = nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(OptimConfig(name="sgd", lr=0.1), [{"name": "encoder", "params": [value]}])
    value.grad = torch.ones(1)
    seen = []
    for _ in range(3):
        optimizer.step()
        seen.append(value.item())
    assert seen[0] == pytest.approx(-0.1)
    assert seen[2] == pytest.approx(-0.561)


def test_golden_fact_22_confusion() -> None:
    confusion = torch.tensor([[8, 2, 0], [1, 9, 0], [0, 4, 0]])
    found = scores(confusion)
    assert found["class_iou"].tolist() == pytest.approx([0.727273, 0.5625, 0], abs=MINUTE)
    assert found["miou"] == pytest.approx(0.429924, abs=MINUTE)
    assert found["miou"] * 3 / 2 == pytest.approx(0.644886, abs=MINUTE)
    confusion[2] = 0
    assert scores(confusion)["miou"] == pytest.approx(0.738636, abs=MINUTE)


def test_golden_fact_23_sixteen_classes() -> None:
    """Where the three classes that SYNTHIA lacks score 0, the mean over 16 is 19/16 of that over 19."""
    for nineteen, sixteen in ((0.4771, 0.5666), (0.467, 0.5546)):
        iou = torch.cat([torch.full((16,), sixteen), torch.zeros(3)])
        assert iou.mean().item() == pytest.approx(nineteen, abs=5e-5)
        assert nineteen * 19 / 16 == pytest.approx(sixteen, abs=5e-5)
