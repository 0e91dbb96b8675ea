"""What there is to see of a method, and how it is captioned."""

import torch

from vergence.methods.panels import confidence, means, notes


def test_a_caption_for_each_sample() -> None:
    maps = torch.tensor([[[[0.0, 1.0]]], [[[0.5, 1.0]]]])
    assert means(maps).tolist() == [0.5, 0.75]
    assert notes("{:.0%} of the frame", means(maps)) == ("50% of the frame", "75% of the frame")


def test_confidence_says_its_mean() -> None:
    shown = confidence(torch.tensor([[[0.25, 0.75]], [[1.0, 1.0]]]))
    assert (shown.kind, list(shown.notes)) == ("share", ["mean 0.50", "mean 1.00"])
    assert shown.legend is not None
    assert shown.legend.name == "confidence"
