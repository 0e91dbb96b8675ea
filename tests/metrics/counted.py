"""Counts of classes, and maps to count."""

import torch
from torch import Tensor


def slow_confusion(prediction: Tensor, label: Tensor, classes: int) -> Tensor:
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for guess, truth in zip(prediction.flatten().tolist(), label.flatten().tolist(), strict=True):
        if truth != 255:
            counts[truth, guess] += 1
    return counts


def random_maps(classes: int = 7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, label = torch.randint(0, classes, (2, 4, 20, 30), generator=generator)
    label[:, :3] = 255
    return prediction, label
