"""UniMatch without an engine: strong views, complementary dropout, per-pixel confidence, its add-ons from depth."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.methods.toy_segmentation import CLASSES, HEIGHT, SPACE, WIDTH, batch, both, network, options, total
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.methods.consistency import Mixed
from vergence.methods.unimatch import UniMatchMethod, complementary_dropout, confident_loss, grey, strong_colors
from vergence.methods.unimatch_config import UniMatchConfig, WeakToStrongConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

PLAIN = WeakToStrongConfig(jitter=0, grey=0, blur=0, dropout=0)


def build(offsets: tuple[int | str, ...] = (-1, 1), **changes: Any) -> UniMatchMethod:
    torch.manual_seed(0)
    config = UniMatchConfig(network=network(), pose=PoseConfig(encoder="posecnn", weights="none"), **changes)
    return UniMatchMethod(config, options(offsets)).train()


def test_dropout_is_complementary_doubles_what_is_left_and_spares_frames() -> None:
    features = [torch.ones(6, 32, 2, 2), torch.ones(6, 64, 1, 1)]
    generator = torch.Generator().manual_seed(0)
    for own, kept in zip(features, complementary_dropout(features, 1.0, generator), strict=True):
        assert set(kept.unique().tolist()) == {0, 2}
        assert torch.equal(kept[:3] + kept[3:], 2 * own[:3])  # what one view lacks the other has
        assert torch.equal(kept[..., :1, :1].expand_as(kept), kept)  # whole channels
        assert 0.2 < (kept[:3] == 0).float().mean() < 0.8
        assert not torch.equal(kept[0], kept[1])
    assert all(torch.equal(kept, own) for own, kept in zip(features, complementary_dropout(features, 0.0), strict=True))
    some = complementary_dropout([torch.ones(400, 8, 1, 1)], 0.5, generator)[0]
    spared = (some == 1).flatten(1).all(1)
    assert torch.equal(spared[:200], spared[200:])
    assert 70 < spared[:200].sum() < 130
    with pytest.raises(ValueError, match="two views"):
        complementary_dropout([torch.ones(3, 4, 1, 1)], 0.5)


def test_loss_counts_confident_pixels_over_valid_ones() -> None:
    logits = torch.zeros(1, 19, 2, 2)  # every cross-entropy is log 19 = 2.944439
    label = torch.tensor([[[0, 1], [2, 255]]])
    confidence = torch.tensor([[[0.96, 0.94], [0.95, 0.0]]])
    view = Mixed(torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2), label, confidence, torch.tensor(0.5))
    assert confident_loss(logits, view, PLAIN).item() == pytest.approx(2.944439 * 2 / 3, abs=1e-5)
    everywhere = replace(PLAIN, confidence_weight=False)
    assert confident_loss(logits, view, everywhere).item() == pytest.approx(2.944439, abs=1e-5)
    nothing = view._replace(label=torch.full_like(label, 255), confidence=torch.zeros_like(confidence))
    assert confident_loss(logits.requires_grad_(), nothing, PLAIN).item() == 0


def test_grey_has_the_luminance_in_all_channels() -> None:
    found = grey(torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1))
    assert found.flatten().tolist() == pytest.approx([0.299 + 0.5 * 0.587 + 0.25 * 0.114] * 3)


def test_each_image_draws_its_own_colors() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 24, 24).expand(40, 3, 24, 24)
    assert torch.equal(strong_colors(images, PLAIN), images)
    changed = strong_colors(images, replace(PLAIN, jitter=0.5))
    same = (changed == images).flatten(1).all(1)
    assert 10 < same.sum() < 30
    assert len(changed[~same].flatten(1).unique(dim=0)) == (~same).sum()
    without = strong_colors(images, replace(PLAIN, grey=1.0))
    assert torch.allclose(without, grey(images))
    blurred = strong_colors(images, replace(PLAIN, blur=1.0))
    assert (blurred.var((1, 2, 3)) <= images[0].var()).all()
    assert len(blurred.flatten(1).unique(dim=0)) == 40
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_views_mix_pseudo_labels_with_pixels() -> None:
    method = build(consistency=replace(PLAIN, mix_probability=1.0))
    images = torch.stack([torch.zeros(3, 16, 16), torch.ones(3, 16, 16)])
    probabilities = torch.zeros(2, 2, 16, 16)
    probabilities[0, 0], probabilities[1, 1] = 1, 1
    view = method.mixed({"frames": images[:, None]}, probabilities, None)
    assert torch.equal(view.images[:, 0], view.label.float())
    assert 0.3 < view.mask.mean() < 0.7
    never = build(consistency=replace(PLAIN, mix_probability=0.0)).mixed(
        {"frames": images[:, None]}, probabilities, None
    )
    assert torch.equal(never.images, images)
    assert (never.mask == 1).all()


@pytest.mark.parametrize("mix", ["none", "cutmix", "classmix", "depthmix"])
def test_every_mix_trains(mix: str) -> None:
    settings = WeakToStrongConfig(mix=mix, confidence=0.0, clean=0.5)  # type: ignore[arg-type]
    method = build(depth="truth", consistency=settings)
    losses = method(both(size=3), 0)
    total(losses).backward()
    assert {"segmentation", "consistency", "clean"} <= set(losses)
    assert total(losses).isfinite()
    assert losses["_confident"] == 1
    gradients = [value.grad for group in method.parameter_groups() for value in group["params"]]
    assert all(gradient is not None for gradient in gradients)


def test_an_unsure_teacher_teaches_nothing() -> None:
    method = build(consistency=replace(PLAIN, confidence=1.1))
    losses = method(both(), 0)
    assert losses["consistency"].item() == 0
    losses["consistency"].backward()


def test_multi_task_with_online_depth() -> None:
    method = build(multi_task=True, depth="online", consistency=WeakToStrongConfig(mix="depthmix"))
    losses = method(both(frames=3), 0)
    total(losses).backward()
    assert {"photometric", "unlabelled_photometric", "consistency"} <= set(losses)
    assert method.tasks == ("segmentation", "depth")


def test_the_teacher_predicts_and_averages_statistics() -> None:
    method = build()
    assert any(name.startswith("teacher.") for name in method.state_dict())
    assert not method.mean_teacher.network.training
    assert method.mean_teacher.average_buffers
    assert list(build().config.roles) == ["labelled", "unlabelled"]
    assert not build().config.roles["unlabelled"].labels
    found = method.diagnose(batch())
    assert found["mixed"].shape == (2, 3, HEIGHT, WIDTH)


def test_depthmix_without_depth_names_the_right_section() -> None:
    with pytest.raises(InputError, match=r"set unimatch\.depth"):
        build(consistency=WeakToStrongConfig(mix="depthmix"))


def test_a_vision_transformer() -> None:
    torch.manual_seed(0)
    vit = SegmentationNetworkConfig(
        encoder="dinov2_vits14", weights="none", decoder_widths=(8, 8, 8, 8, 8), head_levels=(1,), head_stride=2
    )
    frame = FrameOptions(height=70, width=98, offsets=(), label_space=SPACE)  # whole patches, no multiples of 32
    method = UniMatchMethod(UniMatchConfig(network=vit), frame).train()
    seen = both(size=1)
    for role in seen.values():
        role["frames"] = role["jittered"] = torch.rand(1, 1, 3, 70, 98)
        role["label"] = torch.randint(CLASSES, (1, 70, 98))
    total(method(seen, 0)).backward()
    assert method.eval().predict(torch.rand(1, 3, 70, 98))["logits"].shape == (1, CLASSES, 70, 98)
