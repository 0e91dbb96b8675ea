"""Consistency under mixing: what is mixed, with which weight, and what contradicts itself."""

import pytest
import torch

from tests.methods.toy_segmentation import CLASSES, both, build, total
from vergence.methods.consistency import consistency_loss, mixed_view, with_truth
from vergence.methods.consistency_config import ConsistencyConfig


@pytest.mark.parametrize("mix", ["none", "cutmix", "classmix", "depthmix", "depth_threshold", "depth_histogram"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_mix_and_batch_size_trains(mix: str, size: int) -> None:
    method = build(depth="truth", consistency=ConsistencyConfig(mix=mix))  # type: ignore[arg-type]
    losses = method(both(size=size), 0)
    total(losses).backward()
    assert set(losses) >= {"segmentation", "consistency"}
    assert total(losses).isfinite()
    gradients = [value.grad for group in method.parameter_groups() for value in group["params"]]
    assert sum(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients) > len(gradients) / 2


def test_labels_of_labelled_frames_take_the_place_of_pseudo_labels() -> None:
    probabilities = torch.full((2, CLASSES, 2, 2), 1 / CLASSES)
    label = torch.tensor([[[0, 1], [2, 255]], [[0, 1], [2, 255]]])
    found = with_truth(probabilities, label, torch.tensor([True, False]))
    assert found[0, :, 0, 1].tolist() == [0, 1, 0]
    assert found[0, :, 1, 1].tolist() == [0, 0, 0]
    assert torch.equal(found[1], probabilities[1])


def test_depthmix_follows_depth_and_labels_follow_pixels() -> None:
    images = torch.stack([torch.zeros(3, 1, 4), torch.ones(3, 1, 4)])
    probabilities = torch.zeros(2, 2, 1, 4)
    probabilities[0, 0], probabilities[1, 1] = 1, 1
    depth = torch.tensor([[0.2, 0.5, 0.8, 0.0], [0.2, 0.54, 0.1, 0.02]]).view(2, 1, 1, 4)
    mixed = mixed_view(ConsistencyConfig(), images, probabilities, depth)
    assert mixed.mask[:, 0, 0].tolist() == [[1, 0, 1, 1], [1, 1, 0, 1]]  # golden fact 13
    assert mixed.label[:, 0].tolist() == [[0, 1, 0, 0], [1, 1, 0, 1]]
    assert torch.equal(mixed.images[:, 0], mixed.label.float())


def test_confidence_weight_can_be_turned_off() -> None:
    logits, label = torch.zeros(1, 19, 2, 2), torch.tensor([[[0, 1], [2, 255]]])
    share = torch.tensor(0.5)
    assert consistency_loss(ConsistencyConfig(), logits, label, share).item() == pytest.approx(1.104165, abs=1e-5)
    off = ConsistencyConfig(confidence_weight=False)
    assert consistency_loss(off, logits, label, share).item() == pytest.approx(2 * 1.104165, abs=1e-5)
