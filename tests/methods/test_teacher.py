"""The mean teacher follows its student."""

import pytest
import torch
from torch import Tensor, nn

from vergence.methods.teacher import MeanTeacher, teacher_alpha
from vergence.models.freeze import freeze_batchnorm


def student(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))


def values(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def change(network: nn.Module) -> None:
    """New weights, and new statistics."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    network.train()(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize(
    ("official_step", "alpha"), [(1, 0.5), (2, 0.6667), (9, 0.9), (98, 0.98990), (99, 0.99), (1000, 0.99)]
)
def test_weight_of_the_past(official_step: int, alpha: float) -> None:
    """Golden fact 11; the official first step is 1, ours 0."""
    assert teacher_alpha(official_step - 1, 0.99) == pytest.approx(alpha, abs=5e-5)


def test_follows_parameters_and_keeps_its_own_buffers() -> None:
    network = student()
    teacher = MeanTeacher(network)
    mean, kept = values(network), values(network)
    names = {name for name, _ in network.named_parameters()}
    for step in range(5):
        change(network)
        teacher.update(network, step)
        alpha = min(1 - 1 / (step + 2), 0.99)
        mean = {name: alpha * mean[name] + (1 - alpha) * value for name, value in values(network).items()}
    for name, value in teacher.network.state_dict().items():
        assert torch.allclose(value, mean[name] if name in names else kept[name], atol=1e-6), name


def test_the_first_updates_are_a_plain_mean() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0)
    teacher = MeanTeacher(network)
    for step in range(3):
        nn.init.constant_(network.weight, 4.0 * (step + 1))
        teacher.update(network, step)
    assert teacher.network.weight.item() == pytest.approx((0 + 4 + 8 + 12) / 4)


def test_constant_student_after_ten_updates() -> None:
    """Golden fact 24 of semhint; such a teacher is in nobody's optimiser, for it learns nothing itself."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0)
    teacher = MeanTeacher(network, decay=0.999)
    nn.init.constant_(network.weight, 1)
    for _ in range(10):
        teacher.update(network, None)
    assert teacher.network.weight.item() == pytest.approx(0.00995512, abs=1e-7)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_averaged_buffers() -> None:
    network = student()
    teacher = MeanTeacher(network, average_buffers=True)
    change(network)
    teacher.update(network, 0)
    mean = teacher.network[1]
    assert torch.allclose(mean.running_mean, 0.5 * network[1].running_mean)
    assert torch.allclose(mean.running_var, 0.5 + 0.5 * network[1].running_var)
    assert mean.num_batches_tracked == network[1].num_batches_tracked == 1


def test_learns_nothing_itself_and_changes_no_student() -> None:
    network = student()
    before = values(network)
    teacher = MeanTeacher(network)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
    teacher.network(torch.rand(2, 3, 8, 8))
    teacher.update(student(1), 0)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_restart_copies_everything() -> None:
    network = student()
    teacher = MeanTeacher(network)
    change(network)
    teacher.restart(network)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in teacher.network.state_dict().items())
    change(network)
    assert not torch.equal(teacher.network[0].weight, network[0].weight)


@pytest.mark.parametrize("train_mode", [True, False])
def test_modes(train_mode: bool) -> None:
    owner = nn.Module()
    owner.teacher = MeanTeacher(student(), train_mode=train_mode)
    assert owner.teacher.network[1].training is train_mode
    owner.eval()
    assert not owner.teacher.network[1].training
    owner.train()
    assert owner.teacher.network[1].training is train_mode
    assert owner.teacher.network[2].training is train_mode
    assert owner.teacher.training


def test_frozen_batch_norm_stays_frozen() -> None:
    teacher = MeanTeacher(freeze_batchnorm(student()))
    teacher.train()
    assert not teacher.network[1].training
    assert teacher.network[2].training


def test_stored_and_restored() -> None:
    teacher, other = MeanTeacher(student()), MeanTeacher(student(1))
    other.load_state_dict(teacher.state_dict())
    assert set(teacher.state_dict()) == {f"network.{name}" for name in student().state_dict()}
    assert torch.equal(teacher.network[0].weight, other.network[0].weight)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"decay is 1\.5"):
        MeanTeacher(student(), decay=1.5)
    with pytest.raises(ValueError, match="the student has 2 tensors, its teacher 6"):
        MeanTeacher(student()).update(nn.Linear(2, 2), 0)


def test_nothing_waits_for_a_value() -> None:
    network = student().to("meta")
    MeanTeacher(network, average_buffers=True).update(network, 0)
