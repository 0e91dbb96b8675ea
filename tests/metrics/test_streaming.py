"""Metrics that gather batch after batch are those of all at once."""

import pytest
import torch

from tests.metrics.counted import random_maps, slow_confusion
from vergence.metrics.segmentation import scores
from vergence.metrics.streaming import ConfusionMatrix


def test_streaming_is_counting_all_at_once() -> None:
    prediction, label = random_maps()
    metric = ConfusionMatrix(7)
    for guess, truth in zip(prediction, label, strict=True):
        metric.update(guess[None].to(torch.uint8), truth[None].to(torch.uint8))
    assert torch.equal(metric.compute(), slow_confusion(prediction, label, 7))
    metric.reset()
    assert metric.confusion.sum() == 0


def test_counts_stay_exact_beyond_single_precision() -> None:
    metric = ConfusionMatrix(2)
    metric.confusion += 2**25
    metric.update(torch.tensor([0]), torch.tensor([0]))
    assert metric.compute()[0, 0].item() == 2**25 + 1
    assert metric.compute().dtype == torch.int64
    assert scores(metric.compute())["miou"] == pytest.approx(1 / 3)
