"""SemHint-MD without an engine: stages, hints that get depth out of a hole, refined labels, guards, mistakes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.methods.toy_hints import SMALL, SPACE, STEREO, build, config
from tests.toy_stereo import (
    BASELINE,
    FOCAL,
    HEIGHT,
    OPTIONS,
    WIDTH,
    ToyOptions,
    ToyScene,
    disparity_of,
    repaired,
    toy_scene,
)
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth
from vergence.methods.semhint import SemHintMethod
from vergence.methods.semhint_config import SemHintConfig
from vergence.settings.losses import ViewLossOptions


def batch(frames: int = 2, size: tuple[int, int] = SMALL, samples: int = 2) -> Batch:
    """Noise, seen by all cameras at once; labels in two halves."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(samples, frames, 3, *size, generator=generator)
    label = torch.zeros(samples, frames, *size, dtype=torch.int64)
    label[..., size[1] // 2 :] = 2
    stereo = torch.eye(4)
    stereo[0, 3] = -BASELINE
    camera = torch.tensor([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
    return {
        "frames": images,
        "jittered": images,
        "intrinsics": camera.repeat(samples, frames, 1, 1),
        "stereo_transform": stereo.repeat(samples, 1, 1),
        "available": torch.ones(samples, frames, dtype=torch.bool),
        "intrinsics_known": torch.ones(samples, dtype=torch.bool),
        "index": torch.arange(samples),
        "flipped": torch.zeros(samples, dtype=torch.bool),
        "pseudo_label": label,
        "confidence": torch.ones(samples, frames, *size),
    }


def toy_batch(scene: ToyScene, labels: Tensor | None = None) -> Batch:
    """The rendered stereo pair as the engine would give it."""
    found = batch(2, (HEIGHT, WIDTH), 1)
    found["frames"] = found["jittered"] = torch.cat((scene.views.target[:, None], scene.views.sources), dim=1)
    camera = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    found["intrinsics"] = camera.repeat(1, 2, 1, 1)
    found["pseudo_label"] = (scene.labels if labels is None else labels)[:, None].repeat(1, 2, 1, 1)
    return found


class DepthOfPixels(nn.Module):
    """A "network" whose log inverse depth is a parameter at every pixel, and whose classes are unsure."""

    side = None

    def __init__(self, inverse_depth: Tensor) -> None:
        super().__init__()
        self.log = nn.Parameter(inverse_depth.log().clone())

    def forward(self, images: Tensor, **asked: bool) -> dict[str, Any]:
        return {
            "disparities": {0: disparity_of(self.log.exp())},
            "logits": images.new_zeros(len(images), 3, *images.shape[-2:]),
        }


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()


def learn(method: SemHintMethod, data: Batch, steps: int, rate: float = 0.01) -> Tensor:
    optimizer = torch.optim.Adam(method.network.parameters(), lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        total(method({"unlabelled": data}, step)).backward()
        optimizer.step()
        method.after_step(step)
    return method.network.log.detach().exp()  # type: ignore[union-attr,operator,return-value]


def in_the_hole(scene: ToyScene, **changes: Any) -> SemHintMethod:
    """A method whose depth is the scene's, hole included."""
    loss = replace(OPTIONS, smoothness=0.0, automask=False, normalise="kept")
    settings: dict[str, Any] = {"loss": loss, "segmentation": False, "refine": False, "proposals_from": "student"}
    method = build(size=(HEIGHT, WIDTH), **{**settings, **changes})
    method.network = DepthOfPixels(scene.present)  # type: ignore[assignment]
    return method


def test_hints_get_depth_out_of_a_hole_that_the_photometric_error_keeps_it_in() -> None:
    scene = toy_scene()
    data = toy_batch(scene)
    alone = learn(in_the_hole(scene, hints=False), data, 120)
    assert repaired(alone, scene, 0.05) < 0.2
    hinted = learn(in_the_hole(scene), data, 120)
    assert repaired(hinted, scene, 0.05) > 0.9


def test_hints_of_every_other_step_weigh_twice_as_much_there() -> None:
    scene = toy_scene()
    data = {"unlabelled": toy_batch(scene)}
    always, seldom = in_the_hole(scene), in_the_hole(scene, hint_every=2)
    assert "hint" not in seldom(data, 1)
    assert torch.equal(seldom(data, 2)["hint"], 2 * always(data, 2)["hint"])
    assert in_the_hole(scene, hint_every=3, beta_ramp=2).diagnose(data["unlabelled"])["hint_mask"].any()


@pytest.mark.parametrize("step", [2, 3])
def test_hints_of_smaller_frames_get_depth_out_of_the_hole_too(step: int) -> None:
    scene = toy_scene()
    data = toy_batch(scene)
    hinted = in_the_hole(scene, hint_downsample=step)
    found = hinted.diagnose(data)
    right = (found["hint"] / scene.truth - 1).abs() < 0.02
    assert found["hint_mask"][scene.hole].float().mean() > 0.9
    assert right[found["hint_mask"]].float().mean() > 0.97
    assert repaired(learn(hinted, data, 120), scene, 0.05) > 0.6  # alone: below 0.2


def test_frames_too_small_to_look_for_hints_in() -> None:
    assert build(hint_downsample=4).config.hint_downsample == 4
    with pytest.raises(InputError, match=r"is 5, which leaves 19x12 of frames of 96x64.*smaller factor"):
        build(hint_downsample=5)
    with pytest.raises(InputError, match="hint_downsample is 0; give a whole factor, 1 or more"):
        build(hint_downsample=0)


def test_a_hinted_pixel_keeps_its_photometric_term_though_it_is_masked() -> None:
    scene = toy_scene()
    loss = ViewLossOptions(min_depth=0.1, max_depth=100.0, smoothness=0.0)
    method = in_the_hole(scene, loss=loss)
    views = method.synthesis.views(toy_batch(scene), 0, noise=False)
    masked = views._replace(identity_error=torch.full_like(views.identity_error, 1e-4))  # all but everything
    method.synthesis.views = lambda *_: masked  # type: ignore[assignment,method-assign]
    losses = method({"unlabelled": toy_batch(scene)}, 0)
    assert losses["_kept"] < 0.01  # nothing is a hint either: it must beat the un-warped source
    assert losses["hint"] == 0


def test_perfect_verification_accepts_what_is_nearer_to_the_truth() -> None:
    scene = toy_scene(ToyOptions(contrast=0.02))
    method = in_the_hole(scene, oracle=True)
    data = toy_batch(scene) | {"depth": 1 / scene.truth}
    found = method.diagnose(data)
    accepted = found["hint_mask"]
    assert accepted[scene.hole].float().mean() > 0.95
    before, after = ((inverse.log() - scene.truth.log()).abs() for inverse in (scene.present, found["hint"]))
    assert (after < before)[accepted].all()
    free = in_the_hole(scene, oracle=True)
    free.scale = "unscaled"  # any factor on the truth is then the same truth
    times = free.diagnose(toy_batch(scene) | {"depth": 7 / scene.truth})["hint_mask"]
    assert (times == accepted).float().mean() > 0.99


def test_random_labels_and_one_pixel_regions_give_no_hint() -> None:
    scene = toy_scene()
    labels = torch.randint(0, 3, scene.labels.shape, generator=torch.Generator().manual_seed(3))
    components = replace(SemHintConfig().proposals, families=("components",))
    losses = in_the_hole(scene, proposals=components, sky=(), dynamic=())({"unlabelled": toy_batch(scene, labels)}, 0)
    assert losses["_hint_accepted"] < 0.001


def test_labels_that_say_nothing_give_no_hint_and_no_loss_of_classes() -> None:
    data = batch()
    data["pseudo_label"][:] = 255
    losses = build()({"unlabelled": data}, 0)
    assert losses["hint"] == 0
    assert losses["segmentation"] == 0
    assert all(torch.isfinite(value) for name, value in losses.items() if not name.startswith("_"))


@pytest.mark.parametrize("offsets", [(-1, 1), STEREO, (-1, 1, "s")])
def test_all_losses_are_finite_and_reach_all_parameters(offsets: tuple[int | str, ...]) -> None:
    method = build(offsets)
    losses = method({"unlabelled": batch(1 + len(offsets))}, 0)
    assert {"photometric", "smoothness", "segmentation", "hint"} <= losses.keys()
    total(losses).backward()
    for group in method.parameter_groups():
        assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in group["params"]), group["name"]
        assert all(value.grad is None or value.grad.isfinite().all() for value in group["params"])
    assert {group["name"] for group in method.parameter_groups()} >= {"encoder", "trunk", "depth", "segmentation"}


def test_a_standing_camera_gives_no_hint_and_no_nan() -> None:
    data = batch()
    data["frames"] = data["jittered"] = data["frames"][:, :1].repeat(1, 2, 1, 1, 1)
    data["stereo_transform"] = torch.eye(4).repeat(2, 1, 1)
    losses = build()({"unlabelled": data}, 0)
    assert losses["hint"] == 0
    assert all(torch.isfinite(value) for name, value in losses.items() if not name.startswith("_"))


def test_what_moves_gets_hints_from_the_stereo_partner_alone() -> None:
    """Golden fact 20: class car with temporal sources only gives no hint."""
    scene = toy_scene()
    cars = torch.full_like(scene.labels, 2)
    data = toy_batch(scene, cars)
    assert in_the_hole(scene).diagnose(data)["hint_mask"].any()
    temporal = in_the_hole(scene)
    temporal.synthesis.offsets = (1,)
    known = in_the_hole(scene).synthesis.views(data, 0)
    temporal.synthesis.views = lambda *_, **__: known  # type: ignore[assignment,method-assign]
    assert not temporal.diagnose(data)["hint_mask"].any()
    unguarded = in_the_hole(scene, dynamic_guard=False)
    unguarded.synthesis.offsets = (1,)
    unguarded.synthesis.views = lambda *_, **__: known  # type: ignore[assignment,method-assign]
    assert unguarded.diagnose(data)["hint_mask"].any()


def test_sky_is_proposed_to_be_as_far_as_depth_goes() -> None:
    method = build()
    data = batch()
    data["pseudo_label"][:] = 1
    found = method.second_opinion(data, views := method.synthesis.views(data, 0), _synthesis(method, data, views), 0)[1]
    assert found is not None
    assert found.proposals.inverse_depth[:, 0].allclose(torch.tensor(1 / method.config.loss.max_depth), atol=1e-6)


def _synthesis(method: SemHintMethod, data: Batch, views: Any) -> Any:
    from vergence.losses.self_supervised import synthesize

    return synthesize(method.predict(data["frames"][:, 0])["disparity"], views, method.config.loss)


def test_the_first_stage_has_no_hints_and_the_teacher_starts_as_its_student() -> None:
    method = build(start=2, ramp=2)
    assert method.reference is not None
    data = {"unlabelled": batch()}
    optimizer = torch.optim.SGD(method.parameters(), 0.05)
    for step in range(2):
        losses = method(data, step)
        assert "hint" not in losses
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        method.after_step(step)
    teacher = method.reference.network.state_dict()
    assert all(torch.equal(value, teacher[name]) for name, value in method.network.state_dict().items())
    assert method(data, 2)["hint"] == 0  # the ramp begins
    with torch.no_grad():
        for value in method.network.parameters():
            value.add_(1)
    method.after_step(2)
    first, ours = next(method.reference.network.parameters()), next(method.network.parameters())
    assert torch.allclose(first, ours - 0.999, atol=1e-5)
    assert all(value.grad is None for value in method.reference.parameters())


def test_depth_alone_reads_no_labels() -> None:
    settings = config(labels="", segmentation=False, hints=False)
    settings.check()
    options = FrameOptions(height=64, width=96, offsets=(-1, 1), label_space=SPACE)
    assert settings.roles["unlabelled"].frame_options(options).load_pseudo_label == ""
    assert settings.roles["unlabelled"].label_port == ""
    method = build(labels="", segmentation=False, hints=False)
    data = batch()
    del data["pseudo_label"], data["confidence"]
    assert method({"unlabelled": data}, 0).keys() >= {"photometric", "smoothness"}
    assert "segmentation" not in {group["name"] for group in method.parameter_groups()}
    assert method.tasks == ("depth",)
    assert method.label_space is None


def test_refined_labels_are_what_is_learned() -> None:
    scene = toy_scene()
    labels = scene.labels.clone()
    labels[:, 40:44, 100:104] = 2  # a blob that no other view confirms
    data = toy_batch(scene)
    data["pseudo_label"][:, 0] = labels
    method = in_the_hole(scene, segmentation=True, refine=True, hints=False)
    method.network = DepthOfPixels(scene.truth)  # type: ignore[assignment]
    found = method.diagnose(data)
    assert (found["noisy"] == labels).all()
    assert (found["refined"][:, 40:44, 100:104] == 0).float().mean() > 0.5
    assert (found["refined"] == 0).float().mean() > 0.99


def test_losses_for_bad_labels() -> None:
    data = {"unlabelled": batch()}
    plain, generalised, symmetric = (
        build(segmentation_loss=name)(data, 0)["segmentation"] for name in ("cross_entropy", "generalised", "symmetric")
    )
    assert len({round(value.item(), 4) for value in (plain, generalised, symmetric)}) == 3


def test_the_triplet_loss_reaches_the_private_levels_of_depth() -> None:
    method = build(triplet_weight=0.1)
    losses = method({"unlabelled": batch()}, 0)
    assert losses["triplet"] > 0
    losses["triplet"].backward()
    assert method.network.depth is not None
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in method.network.depth.parameters())


def test_no_hint_at_all_is_said() -> None:
    method = build()
    assert "confirmed no hint" in method.remark({"_hint_accepted": 0.0})
    assert method.remark({"_hint_accepted": 0.1}) == method.remark({"photometric": 0.1}) == ""


def test_a_stored_method_predicts_without_what_only_training_needs() -> None:
    method = build().eval()
    stored = SemHintMethod(
        method.config.for_loading(), FrameOptions(height=64, width=96, offsets=STEREO, label_space=SPACE)
    )
    kept = {name: value for name, value in method.state_dict().items() if not name.startswith("reference.")}
    stored.load_state_dict(kept)
    images = torch.rand(1, 3, 64, 96)
    for name, value in method.predict(images).items():
        assert torch.equal(value, stored.eval().predict(images)[name]), name
    disparity = method.predict(images)["disparity"]
    loss = method.config.loss
    assert torch.equal(
        method.predict(images)["inverse_depth"], disparity_to_depth(disparity, loss.min_depth, loss.max_depth)[0]
    )


def test_no_label_space() -> None:
    with pytest.raises(InputError, match="label space"):
        SemHintMethod(config(), FrameOptions(height=64, width=96, offsets=STEREO))
