"""A slanted plane and regions on it."""

import torch
from torch import Tensor

HEIGHT, WIDTH = 48, 80


def slanted(batch: int = 2) -> Tensor:
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    plane = 0.2 + 0.1 * x / WIDTH + 0.2 * y / HEIGHT
    return torch.stack([plane * (1 + index) for index in range(batch)])[:, None]


def halves() -> Tensor:
    labels = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.uint8)
    labels[:, :, 50:] = 3
    return labels
