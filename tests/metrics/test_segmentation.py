"""Confusion matrices against counting pixel by pixel, and the scores made of them."""

import math

import pytest
import torch

from tests.metrics.counted import random_maps, slow_confusion
from vergence.metrics.segmentation import confusion_matrix, scores


@pytest.mark.parametrize(
    ("label", "prediction", "class_iou"),
    [([0, 0, 1, 255], [0, 1, 1, 2], [0.5, 0.5, math.nan]), ([0, 0, 1, 1], [0, 0, 1, 2], [1, 0.5, 0])],
)
def test_golden_fact_28(label: list[int], prediction: list[int], class_iou: list[float]) -> None:
    found = scores(confusion_matrix(torch.tensor(prediction), torch.tensor(label), 3))
    assert found["class_iou"].tolist() == pytest.approx(class_iou, nan_ok=True)
    assert found["miou"] == pytest.approx(0.5)


def test_twin() -> None:
    prediction, label = random_maps()
    assert torch.equal(confusion_matrix(prediction, label, 7), slow_confusion(prediction, label, 7))


def test_scores_twin() -> None:
    prediction, label = random_maps()
    found = scores(confusion_matrix(prediction, label, 7))
    kept, p = label != 255, prediction
    sets = [(kept & (label == k), kept & (p == k)) for k in range(7)]
    ious = [float((a & b).sum() / (a | b).sum()) for a, b in sets]
    recalls = [float((a & b).sum() / a.sum()) for a, b in sets]
    shares = [float(a.sum() / kept.sum()) for a, _ in sets]
    assert found["class_iou"].tolist() == pytest.approx(ious, rel=1e-6)
    assert found["miou"] == pytest.approx(sum(ious) / 7, rel=1e-6)
    assert found["mean_accuracy"] == pytest.approx(sum(recalls) / 7, rel=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(float((p == label)[kept].float().mean()), rel=1e-6)
    expected = sum(share * iou for share, iou in zip(shares, ious, strict=True))
    assert found["frequency_weighted_iou"] == pytest.approx(expected, rel=1e-6)


def test_a_class_that_is_only_predicted_counts_and_has_no_recall() -> None:
    found = scores(torch.tensor([[8, 2], [0, 0]]))
    assert found["class_iou"].tolist() == [0.8, 0]
    assert found["miou"] == 0.4
    assert found["mean_accuracy"] == 0.8
    assert found["frequency_weighted_iou"] == 0.8


def test_nothing_counted_is_nan() -> None:
    found = scores(confusion_matrix(torch.tensor([0, 5]), torch.tensor([255, 255]), 3))
    assert all(math.isnan(found[name]) for name in found if name != "class_iou")  # type: ignore[literal-required]
    assert found["class_iou"].isnan().all()


@pytest.mark.parametrize("wrong", [3, 254, -1])
def test_labels_outside_the_space(wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"1 pixels are outside the 3 classes: labels \[{wrong}\]"):
        confusion_matrix(torch.tensor([0, 1, 2]), torch.tensor([0, 1, wrong]), 3)


def test_predictions_outside_the_space_matter_where_there_is_a_label() -> None:
    with pytest.raises(ValueError, match=r"predicted \[3, 9\]"):
        confusion_matrix(torch.tensor([3, 9, 0]), torch.tensor([0, 1, 2]), 3)
    counts = confusion_matrix(torch.tensor([300, -4, 0]), torch.tensor([255, 255, 2]), 3)
    assert counts.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_255_is_ignored_in_spaces_of_any_size() -> None:
    counts = confusion_matrix(torch.tensor([299, 255]), torch.tensor([299, 255]), 300)
    assert counts.sum() == 1
    assert counts[299, 299] == 1


def test_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\), label \(3, 2\)"):
        confusion_matrix(torch.zeros(2, 3), torch.zeros(3, 2), 3)
    with pytest.raises(ValueError, match=r"\(2, 3\), expected \(K, K\)"):
        scores(torch.zeros(2, 3))


def test_counts_add_up_exactly_beyond_single_precision() -> None:
    counts = torch.full((2, 2), 2**25) + confusion_matrix(torch.tensor([0]), torch.tensor([0]), 2)
    assert counts[0, 0].item() == 2**25 + 1
    assert counts.dtype == torch.int64
    assert scores(counts)["miou"] == pytest.approx(1 / 3)
