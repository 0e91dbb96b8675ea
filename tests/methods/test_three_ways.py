"""Supervised and Three Ways without an engine: losses, teacher, mixing, both tasks, switches that contradict."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.methods.consistency import consistency_loss, mixed_view, with_truth
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.supervised import SupervisedMethod
from vergence.methods.supervised_config import SupervisedConfig
from vergence.methods.three_ways import ThreeWaysMethod, own_car_mask, own_depth, weakened
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

HEIGHT, WIDTH = 64, 96
ENCODER = "test_resnet"  # timm's smallest network with batch norm
SPACE = "toy:road#804080,sky#4682b4,car#00008e"
CLASSES = 3


def options(offsets: tuple[int | str, ...] = (-1, 1)) -> FrameOptions:
    return FrameOptions(height=HEIGHT, width=WIDTH, offsets=offsets, label_space=SPACE)


def network(**changes: Any) -> SegmentationNetworkConfig:
    return SegmentationNetworkConfig(encoder=ENCODER, weights="none", **changes)


def build(offsets: tuple[int | str, ...] = (-1, 1), exchange: str = "none", **changes: Any) -> ThreeWaysMethod:
    torch.manual_seed(0)
    config = ThreeWaysConfig(
        network=network(exchange=exchange), pose=PoseConfig(encoder="posecnn", weights="none"), **changes
    )
    return ThreeWaysMethod(config, options(offsets)).train()


def batch(frames: int = 1, size: int = 2, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, frames, 3, HEIGHT, WIDTH, generator=generator)
    label = torch.randint(CLASSES, (size, HEIGHT, WIDTH), generator=generator)
    label[:, :4] = 255
    camera = torch.tensor([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
    return {
        "frames": images,
        "jittered": images,
        "intrinsics": camera.repeat(size, frames, 1, 1),
        "stereo_transform": torch.eye(4).repeat(size, 1, 1),
        "available": torch.ones(size, frames, dtype=torch.bool),
        "intrinsics_known": torch.ones(size, dtype=torch.bool),
        "index": torch.arange(size),
        "flipped": torch.zeros(size, dtype=torch.bool),
        "label": label,
        "labelled": torch.arange(size) % 2 == 0,
        "estimate": torch.rand(size, 1, HEIGHT, WIDTH, generator=generator),
    }


def both(frames: int = 1, size: int = 2) -> dict[str, Batch]:
    return {"labelled": batch(frames, size), "unlabelled": batch(frames, size, seed=1)}


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()


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
    method.unlabelled_losses(batch(), 0)["consistency"].backward()
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


def test_what_each_role_loads() -> None:
    run = options()
    semi = ThreeWaysConfig(network=network(), depth="truth")
    assert semi.roles["labelled"].frame_options(run).offsets == ()
    assert semi.roles["unlabelled"].frame_options(run).load_estimate
    assert not semi.roles["labelled"].frame_options(run).load_estimate
    online = ThreeWaysConfig(network=network(), depth="online", multi_task=True)
    assert online.roles["unlabelled"].frame_options(run).offsets == (-1, 1)
    assert not online.roles["unlabelled"].frame_options(run).load_estimate
    assert [role.depth_port for role in online.roles.values()] == ["", ""]
    assert list(ThreeWaysConfig(network=network(), teacher=False).roles) == ["labelled"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no depth port"),
        ({"depth": "online"}, "not learned"),
        ({"depth": "truth", "evaluate": "teacher", "teacher": False}, "there is none"),
        ({"depth": "truth", "pseudo_depth": 1.0}, "pseudo_depth needs"),
        ({"depth": "truth", "exchange": "pad"}, "joins two tasks"),
    ],
)
def test_contradictions_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(**settings)


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
    method.unlabelled_losses(batch(), 0)
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


@pytest.mark.parametrize("changes", [{"start": -1}, {"ramp": -1}, {"start": 5, "teacher": False}])
def test_impossible_stages(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"three_ways\.(start|ramp)"):
        build(offsets=(), **{"depth": "truth", **changes})


def test_a_staged_run_is_loaded_without_its_teacher() -> None:
    loaded = ThreeWaysConfig(network=network(), start=5, depth="truth").for_loading()
    loaded.check()
    assert not loaded.teacher
    resumed = ThreeWaysConfig(network=network(), start=5, depth="truth").for_loading(keep_reference=True)
    assert (resumed.teacher, resumed.start) == (True, 5)
