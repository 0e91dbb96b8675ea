"""Supervised and Three Ways without an engine: losses, teacher, mixing, both tasks, switches that contradict."""

import pytest
import torch
from torch import nn

from tests.methods.toy_segmentation import CLASSES, HEIGHT, WIDTH, batch, both, build, total
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.three_ways import own_car_mask, own_depth, weakened
from vergence.methods.three_ways_config import ThreeWaysConfig


@pytest.mark.parametrize("exchange", ["none", "pad"])
def test_both_tasks_with_online_depth(exchange: str) -> None:
    method = build(exchange=exchange, multi_task=True, depth="online")
    losses = method(both(frames=3), 0)
    total(losses).backward()
    assert {"photometric", "smoothness", "unlabelled_photometric", "consistency"} <= set(losses)
    assert {group["name"] for group in method.parameter_groups()} == {"encoder", "depth", "segmentation", "pose"}
    found = method.eval().predict(torch.rand(1, 3, HEIGHT, WIDTH))
    assert found["logits"].shape == (1, CLASSES, HEIGHT, WIDTH)
    assert found["inverse_depth"].shape == (1, 1, HEIGHT, WIDTH)
    assert method.tasks == ("segmentation", "depth")


def test_mixed_pass_reaches_no_depth_parameter_without_exchange() -> None:
    method = build(multi_task=True, depth="truth")
    method.unlabelled_losses(data := batch(), 0, method.pseudo_probabilities(data))["consistency"].backward()
    assert method.network.depth is not None
    assert all(value.grad is None for value in method.network.depth.parameters())
    assert method.pose is not None
    assert all(value.grad is None for value in method.pose.parameters())


def test_teacher_follows_the_student_and_gets_no_gradient() -> None:
    method = build(depth="truth")
    teacher = method.mean_teacher.network
    assert all(not value.requires_grad for value in teacher.parameters())
    with torch.no_grad():
        for value in method.network.parameters():
            value.add_(1)
    before = next(teacher.parameters()).clone()
    method.after_step(0)  # golden fact 11: the first update takes half
    assert torch.allclose(next(teacher.parameters()), before + 0.5)
    assert all(not name.startswith("network") for name in method.state_dict() if "reference" in name)


def test_teacher_is_a_copy_after_initialize() -> None:
    method = build(depth="truth")
    with torch.no_grad():
        next(method.network.parameters()).add_(1)
    method.initialize()
    assert torch.equal(next(method.mean_teacher.network.parameters()), next(method.network.parameters()))


def test_a_teacher_that_was_not_stored_is_a_copy_of_the_student() -> None:
    method = build(depth="truth")
    with torch.no_grad():
        next(method.network.parameters()).add_(1)
    method.begin_anew()
    assert torch.equal(next(method.mean_teacher.network.parameters()), next(method.network.parameters()))
    stored = build(depth="truth", evaluate="teacher")  # belongs to the model: it was loaded
    before = next(stored.mean_teacher.network.parameters()).clone()
    with torch.no_grad():
        next(stored.network.parameters()).add_(1)
    stored.begin_anew()
    assert torch.equal(next(stored.mean_teacher.network.parameters()), before)


def test_evaluating_the_teacher_stores_and_uses_it() -> None:
    method = build(depth="truth", evaluate="teacher").eval()
    assert any(name.startswith("teacher.") for name in method.state_dict())
    images = torch.rand(1, 3, HEIGHT, WIDTH)
    before = method.predict(images)["logits"]
    with torch.no_grad():
        for value in method.network.parameters():
            value.mul_(2)
    assert torch.equal(method.predict(images)["logits"], before)
    loaded = method.config.for_loading()
    assert loaded.teacher
    assert not build(depth="truth").config.for_loading().teacher


def test_pseudo_depth_distills_the_port() -> None:
    method = build(multi_task=True, pseudo_depth=1.0, depth="truth", teacher=False)
    losses = method({"labelled": batch(frames=3)}, 0)
    losses["pseudo_depth"].backward()
    assert losses["pseudo_depth"] > 0
    assert method.network.depth is not None
    assert any(value.grad is not None for value in method.network.depth.parameters())
    assert own_car_mask(torch.zeros(1, 1, 20, 3))[0, 0, :, 0].tolist() == [1.0] * 18 + [0.0] * 2


def test_own_depth_is_detached_and_spans_each_crop() -> None:
    disparity = torch.rand(2, 1, HEIGHT, WIDTH, requires_grad=True)
    found = own_depth({0: disparity}, torch.zeros(2, 3, HEIGHT, WIDTH))
    assert not found.requires_grad
    assert found.amin((1, 2, 3)).tolist() == [0, 0]
    assert found.amax((1, 2, 3)).tolist() == [1, 1]
    flat = own_depth({0: torch.full((1, 1, HEIGHT, WIDTH), 0.5)}, torch.zeros(1, 3, HEIGHT, WIDTH))
    assert flat.isfinite().all()


def test_frozen_encoder_keeps_its_weights() -> None:
    method = build(depth="truth", freeze_encoder=True)
    assert "encoder" not in {group["name"] for group in method.parameter_groups()}
    assert isinstance(method.network.encoder, nn.Module)


def test_diagnose_shows_what_is_mixed() -> None:
    found = build(depth="truth").diagnose(batch())
    assert found["mixed"].shape == (2, 3, HEIGHT, WIDTH)
    assert found["mask"].shape == found["depth"].shape == (2, 1, HEIGHT, WIDTH)
    assert found["pseudo_label"].shape == found["confidence"].shape == (2, HEIGHT, WIDTH)


@pytest.mark.parametrize("changes", [True, False])
def test_mixed_frames_change_the_statistics_only_as_published(changes: bool) -> None:
    method = build(depth="truth", consistency=ConsistencyConfig(mixed_statistics=changes))
    before = [value.clone() for name, value in method.network.named_buffers() if "running_mean" in name]
    method.unlabelled_losses(data := batch(), 0, method.pseudo_probabilities(data))
    after = [value for name, value in method.network.named_buffers() if "running_mean" in name]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True)) is not changes
    assert all(layer.momentum == 0.1 for layer in method.network.modules() if isinstance(layer, nn.BatchNorm2d))


def test_labels_alone_come_first_and_the_teacher_begins_as_the_student_of_then() -> None:
    method = build(offsets=(), start=3, ramp=2, depth="truth", teacher_buffers=True)
    optimizer = torch.optim.SGD(method.parameters(), 0.05)
    seen, gap = [], []
    for step in range(6):
        losses = method(both(), step)
        seen.append("consistency" in losses)
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        method.after_step(step)
        pairs = zip(method.mean_teacher.network.parameters(), method.network.parameters(), strict=True)
        gap.append(max(float((mean - own.detach()).abs().max()) for mean, own in pairs))
    assert seen == [False, False, False, True, True, True]
    assert gap[1] > 0  # it has not moved from its start
    assert gap[2] == 0  # a copy, when labels alone end
    assert gap[3] > 0


def test_the_ramp_weakens_pseudo_labels_alone() -> None:
    config = ThreeWaysConfig(start=2, ramp=4)
    assert [config.self_training(step) for step in range(7)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert [ThreeWaysConfig(start=2).self_training(step) for step in range(4)] == [0, 0, 1, 1]
    assert ThreeWaysConfig(teacher=False).self_training(9) == 0
    losses = {"consistency": torch.tensor(2.0), "unlabelled_photometric": torch.tensor(3.0), "_own": torch.tensor(1.0)}
    assert {key: float(value) for key, value in weakened(losses, 0.5).items()} == {
        "consistency": 1.0, "unlabelled_photometric": 3.0, "_own": 1.0
    }  # fmt: skip
