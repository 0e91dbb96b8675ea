"""CorDA without an engine: switches, gradients by domain, pseudo-labels, difficulty, what is shown, bad settings."""

from typing import Any

import pytest
import torch

from tests.methods.toy_corda import CLASSES, HEIGHT, WIDTH, batch, both, build, options, settings, total
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConsistencyConfig, FeatureDistanceConfig

DEPTHS = ("source_depth", "source_initial_depth", "mixed_depth", "mixed_initial_depth")


def parameters(method: CordaMethod) -> list[torch.nn.Parameter]:
    return [value for group in method.parameter_groups() for value in group["params"]]


@pytest.mark.parametrize("variant", ["gta", "synthia"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_full_step_at_any_batch_size(variant: str, size: int) -> None:
    method = build(variant)
    losses = method(both(size), 0)
    total(losses).backward()
    assert set(losses) == {
        "source", "source_initial", "mixed", "mixed_initial", *DEPTHS, "_confident", "_from_source", "_difficulty",
    }  # fmt: skip
    assert total(losses).isfinite()
    assert all(value.grad is None or value.grad.isfinite().all() for value in parameters(method))
    assert 0 < losses["_from_source"] < 1


@pytest.mark.parametrize(
    ("variant", "changes", "expected"),
    [
        ("dacs", {"depth": False}, {"source", "mixed"}),
        ("dacs", {"depth": False, "adapt": False}, {"source"}),
        ("multitask", {"difficulty": "off"}, {"source", "source_depth", "mixed", "mixed_depth"}),
        ("noatt", {"difficulty": "off"}, {"source", "source_depth", "mixed", "mixed_depth"}),
        ("gta", {"depth": False}, {"source", "source_initial", "mixed", "mixed_initial"}),
        ("gta", {"adapt": False}, {"source", "source_initial", "source_depth", "source_initial_depth"}),
    ],
)
def test_every_switch_has_its_losses(variant: str, changes: dict[str, Any], expected: set[str]) -> None:
    method = build(variant, **changes)
    data = both()
    for role in ("source", "target"):
        if not method.config.depth:
            del data[role]["inverse_depth"]  # type: ignore[typeddict-item]
    losses = method({role: data[role] for role in method.config.roles}, 0)
    total(losses).backward()
    assert {name for name in losses if not name.startswith("_")} == expected
    method.after_step(0)


def test_a_teacher_that_was_not_stored_is_a_copy_of_the_student() -> None:
    method = build("gta", feature_distance=FeatureDistanceConfig(weight=1.0))
    start = [value.clone() for value in method.reference["encoder"].parameters()]
    with torch.no_grad():
        for value in method.network.parameters():
            value.add_(1)
    method.begin_anew()
    student, teacher = method.network.state_dict(), method.mean_teacher.network.state_dict()
    assert all(teacher[name].equal(value) for name, value in student.items())
    assert all(a.equal(b) for a, b in zip(start, method.reference["encoder"].parameters(), strict=True))


def test_difficulty_reaches_no_parameter_and_starts_as_plain_mixing() -> None:
    """Both decoders start near 0, so that all pixels are easy and weights are those of DACS."""
    losses = {}
    for mode in ("per_image", "off"):
        method = build(difficulty=mode)
        torch.manual_seed(1)
        losses[mode] = method(both(), 0)
    assert losses["per_image"]["_difficulty"].item() == pytest.approx(1, abs=0.05)
    assert losses["per_image"]["mixed"].item() == pytest.approx(losses["off"]["mixed"].item(), rel=0.01)
    assert not losses["per_image"]["_difficulty"].requires_grad


def test_released_weights_differ_only_between_images() -> None:
    def mixed(size: int, mode: str) -> float:
        method = build(difficulty=mode)
        with torch.no_grad():
            for value in method.network.heads.parameters():
                value.normal_()  # fresh heads have no opinions that could differ
        torch.manual_seed(1)
        return method(both(size), 0)["mixed"].item()

    assert mixed(1, "per_image") == pytest.approx(mixed(1, "batch_mean"), rel=1e-6)
    assert mixed(2, "per_image") != pytest.approx(mixed(2, "batch_mean"), rel=1e-4)
    assert mixed(2, "per_image") != pytest.approx(mixed(2, "off"), rel=1e-4)


def test_pseudo_labels_switch_heads() -> None:
    labels = {}
    for head in ("final", "initial", "switch"):
        method = build(pseudo_head=head, switch_step=5)
        teacher = method.mean_teacher.network
        with torch.no_grad():  # the heads must disagree
            for heads, favourite in ((teacher.heads, 1), (teacher.initial, 2)):
                bias = next(value for name, value in heads["segmentation"].named_parameters() if name.endswith("bias"))
                bias[favourite] = 100
        for step in (4, 5, None):
            label = method.pseudo_labels(both()["target"], step)[0]
            assert label.unique().numel() == 1
            labels[head, step] = label.unique().item()
    assert [labels["final", step] for step in (4, 5, None)] == [1, 1, 1]
    assert [labels["initial", step] for step in (4, 5, None)] == [2, 2, 2]
    assert [labels["switch", step] for step in (4, 5, None)] == [2, 1, 1]


def test_teacher_starts_as_the_student_and_follows() -> None:
    method = build()
    teacher = method.mean_teacher.network
    assert all(not value.requires_grad for value in teacher.parameters())
    with torch.no_grad():
        for value in method.network.parameters():
            value.add_(1)
    method.after_step(0)  # golden fact 14: the first update copies
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), method.network.parameters(), strict=True))
    with torch.no_grad():
        for value in method.network.parameters():
            value.add_(1)
    before = next(teacher.parameters()).clone()
    method.after_step(1)
    assert torch.allclose(next(teacher.parameters()), before + 0.5)


def test_learning_source_and_target() -> None:
    method = build(consistency=CordaConsistencyConfig(jitter=0, blur=0))
    data = both()
    for domain in data.values():
        domain["label"][:] = torch.arange(WIDTH) // (WIDTH // 2)
        domain["frames"][:, 0] *= domain["label"][:, None]
        domain["inverse_depth"] = 1 + 9 * domain["label"][:, None].float()
    optimizer = torch.optim.Adam(parameters(method), 3e-3)
    first = method(data, 0)
    for step in range(30):
        optimizer.zero_grad()
        losses = method(data, step)
        total(losses).backward()
        optimizer.step()
        method.after_step(step)
    assert losses["source"].item() < 0.5 * first["source"].item()
    assert losses["source_depth"].item() < 0.5 * first["source_depth"].item()
    found = method.eval().predict(data["target"]["frames"][:, 0])["logits"]
    assert found.shape == (2, CLASSES, HEIGHT, WIDTH)


def test_labelled_target_frames() -> None:
    method = build(labelled=True, labelled_weight=0.5)
    assert list(method.config.roles) == ["source", "target", "labelled"]
    labelled = batch(3, seed=2)
    losses = method({**both(), "labelled": labelled}, 0)
    doubled = build(labelled=True)({**both(), "labelled": labelled}, 0)
    assert losses["labelled"].item() == pytest.approx(doubled["labelled"].item() / 2)
    assert "labelled_initial" in losses


def test_feature_distance_grows_from_zero_and_sees_chosen_classes_alone() -> None:
    method = build(feature_distance=FeatureDistanceConfig(weight=1.0, classes=("car", "train")))
    data = both()
    data["source"]["label"][:] = 2
    assert method(data, 0)["feature_distance"].item() == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        for value in method.network.encoder.parameters():
            value.add_(0.05 * torch.randn_like(value))
    losses = method(data, 0)
    losses["feature_distance"].backward()
    assert losses["feature_distance"].item() > 0.01
    assert any(value.grad is not None and value.grad.any() for value in method.network.encoder.parameters())
    assert all(value.grad is None for value in method.reference.parameters())
    data["source"]["label"][:] = 0
    assert method(data, 0)["feature_distance"].item() == 0
    with pytest.raises(InputError, match=r"none of feature_distance.classes \(boat\); name some of road, sky, car"):
        build(feature_distance=FeatureDistanceConfig(weight=1.0, classes=("boat",)))


def test_alignment_of_scales() -> None:
    method = build(align_depth="median")
    data = both()
    data["source"]["inverse_depth"] = 1 + 4 * (data["target"]["inverse_depth"] - 1)
    aligned = method.aligned(data["source"], data["target"], 0)
    torch.testing.assert_close(aligned["inverse_depth"], data["target"]["inverse_depth"])
    assert (aligned["inverse_depth"] == 1).equal(data["source"]["inverse_depth"] == 1)
    before = method.depth_scale.clone()
    data["target"]["inverse_depth"] = torch.ones_like(data["target"]["inverse_depth"])  # nothing is known
    method.aligned(data["source"], data["target"], 1)
    assert torch.equal(method.depth_scale, before)
    assert "depth_scale" in method.state_dict()


def test_nothing_known_is_no_nan() -> None:
    method = build(align_depth="median")
    data = both()
    data["source"]["label"][:] = 255
    for domain in data.values():
        domain["inverse_depth"] = torch.ones_like(domain["inverse_depth"])
    losses = method(data, 0)
    total(losses).backward()
    assert all(value.isfinite() for value in losses.values())
    assert losses["source"].item() == losses["source_depth"].item() == losses["mixed_depth"].item() == 0
    assert all(value.grad is None or value.grad.isfinite().all() for value in parameters(method))


def test_diagnose_shows_pseudo_labels_and_difficulty() -> None:
    method, data = build(), both()
    shape = (2, HEIGHT, WIDTH)
    found = method.diagnose(data["target"])
    assert found["probabilities"].shape == (2, CLASSES, HEIGHT, WIDTH)
    assert found["pseudo_label"].shape == found["confidence"].shape == shape
    assert found["difficulty"].shape == found["depth"].shape == (2, 1, HEIGHT, WIDTH)
    mixed = method.diagnose(data["target"], data["source"])
    assert mixed["mixed"].shape == (2, 3, HEIGHT, WIDTH)
    assert mixed["mixed_label"].shape == mixed["mixed_weight"].shape == shape
    assert mixed["mixed_difficulty"].shape == mixed["mask"].shape == (2, 1, HEIGHT, WIDTH)
    assert set(build("dacs", depth=False, adapt=False).diagnose(data["target"])) == {"probabilities"}
    assert "difficulty" not in build("multitask", difficulty="off").diagnose(data["target"], data["source"])


def test_teacher_may_predict_and_is_stored_accordingly() -> None:
    student, teacher = build(), build(evaluate="teacher")
    assert {name.split(".")[0] for name in student.state_dict()} == {"network", "reference", "depth_scale"}
    assert {name.split(".")[0] for name in teacher.state_dict()} == {"network", "teacher", "depth_scale"}
    loaded = CordaMethod(student.config.for_loading(), options())
    kept = {name: value for name, value in student.state_dict().items() if not name.startswith("reference.")}
    loaded.load_state_dict(kept)
    again = CordaMethod(student.config.for_loading(keep_reference=True), options())
    again.load_state_dict(student.state_dict())
    images = both()["target"]["frames"][:, 0]
    assert torch.equal(loaded.eval().predict(images)["logits"], student.eval().predict(images)["logits"])
    CordaMethod(teacher.config.for_loading(), options()).load_state_dict(teacher.state_dict())


def test_parameter_groups_hold_each_parameter_once() -> None:
    method = build()
    assert [group["name"] for group in method.parameter_groups()] == ["encoder", "heads"]
    found = [id(value) for value in parameters(method)]
    assert len(found) == len(set(found))
    assert not {id(value) for value in method.mean_teacher.parameters()} & set(found)


def test_nothing_waits_for_the_device() -> None:
    """Tensors of the device "meta" have no values that could be waited for."""
    method = build(align_depth="median", feature_distance=FeatureDistanceConfig(weight=1.0)).to("meta")
    data = {role: {name: value.to("meta") for name, value in one.items()} for role, one in both().items()}  # type: ignore[attr-defined]
    assert total(method(data, 0)).device.type == "meta"  # type: ignore[arg-type]
    method.after_step(0)


def test_no_label_space() -> None:
    with pytest.raises(InputError, match="no label space"):
        CordaMethod(settings(), FrameOptions(height=HEIGHT, width=WIDTH))


def test_frames_of_each_role() -> None:
    config = settings(source_depth="runs/depth", labelled=True, source_size=(64, 96), source_resampling="bicubic")
    source, target, labelled = (role.frame_options(options(random_crop=(32, 32))) for role in config.roles.values())
    assert (source.height, source.width, target.height, target.width) == (64, 96, HEIGHT, WIDTH)
    assert (source.resampling, target.resampling) == ("bicubic", "lanczos")
    assert [one.load_label for one in (source, target, labelled)] == [True, False, True]
    assert [one.load_inverse_depth for one in (source, target, labelled)] == ["estimate", "measured", ""]
    assert all(one.offsets == () for one in (source, target, labelled))
    assert [role.depth_port for role in config.roles.values()] == ["runs/depth", "", ""]
    assert [role.rare_classes for role in settings(rare_class_temperature=0.01).roles.values()] == [0.01, 0]
    dacs = settings("dacs", depth=False)
    assert [role.frame_options(options()).load_inverse_depth for role in dacs.roles.values()] == ["", ""]
