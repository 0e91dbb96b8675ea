"""Segmentation from labels alone."""

import pytest
import torch

from tests.methods.toy_segmentation import (
    CLASSES,
    HEIGHT,
    WIDTH,
    batch,
    network,
    options,
    total,
)
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.methods.supervised import SupervisedMethod
from vergence.methods.supervised_config import SupervisedConfig


def test_supervised_learns_a_batch_by_heart() -> None:
    torch.manual_seed(0)
    method = SupervisedMethod(SupervisedConfig(network=network()), options()).train()
    seen = {"labelled": batch()}
    seen["labelled"]["label"][:] = torch.arange(WIDTH) // (WIDTH // 2)
    seen["labelled"]["frames"][:, 0] *= seen["labelled"]["label"][:, None]  # the left half is black
    optimizer = torch.optim.Adam([value for group in method.parameter_groups() for value in group["params"]], 1e-3)
    first = total(method(seen, 0)).item()
    for step in range(25):
        optimizer.zero_grad()
        loss = total(method(seen, step))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert method.predict(seen["labelled"]["frames"][:, 0])["logits"].shape == (2, CLASSES, HEIGHT, WIDTH)


def test_all_ignored_labels_give_no_loss_and_no_nan() -> None:
    method = SupervisedMethod(SupervisedConfig(network=network()), options()).train()
    seen = {"labelled": batch()}
    seen["labelled"]["label"][:] = 255
    losses = method(seen, 0)
    total(losses).backward()
    assert total(losses).item() == 0
    assert all(value.grad is None or value.grad.isfinite().all() for value in method.parameters())


def test_without_label_space() -> None:
    with pytest.raises(InputError, match="no label space"):
        SupervisedMethod(SupervisedConfig(network=network()), FrameOptions(height=64, width=96))
