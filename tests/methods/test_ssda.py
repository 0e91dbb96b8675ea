"""Adaptation with labels of two domains: cross-domain mixing, matching geometry, weights, roles."""

import pytest
import torch

from tests.methods.toy_domains import build
from tests.methods.toy_segmentation import CLASSES, HEIGHT, WIDTH, batch, both, total
from vergence.data.batch import Batch
from vergence.losses.segmentation import cross_entropy
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.ssda import best_matches, cross_mask, cross_weight


def batches(size: int = 2, candidates: int = 5) -> dict[str, Batch]:
    return both(size=size) | {"source": batch(size=size * candidates, seed=2)}


def test_margin_decides_by_its_sign() -> None:
    source = torch.tensor([0.50, 0.50, 0.50, 0.50]).view(1, 1, 1, 4).repeat(2, 1, 1, 1)
    target = torch.tensor([0.46, 0.48, 0.52, 0.54]).view(1, 1, 1, 4).repeat(2, 1, 1, 1)
    found = cross_mask(source, target, torch.tensor([0.03, -0.03]))
    assert found[0].flatten().tolist() == [1, 1, 1, 0]  # 0.5 >= target - 0.03
    assert found[1].flatten().tolist() == [1, 0, 0, 0]  # 0.5 >= target + 0.03


def test_both_signs_are_drawn_for_pairs() -> None:
    method = build(consistency=ConsistencyConfig(jitter=0, blur=0))
    source, target = batch(size=64), batch(size=64, seed=1)
    source["estimate"].fill_(0.5)
    target["estimate"].fill_(0.51)
    mixed = method.crossed(source, target, torch.full((64, CLASSES, HEIGHT, WIDTH), 1 / CLASSES))
    from_source = mixed.mask.flatten(1).mean(1)
    assert set(from_source.tolist()) == {0, 1}
    assert 16 < from_source.sum() < 48


def test_source_pixels_keep_labels_and_full_weight_target_pixels_have_the_share() -> None:
    method = build(consistency=ConsistencyConfig(jitter=0, blur=0))
    source, target = batch(size=1), batch(size=1, seed=1)
    source["estimate"].fill_(1)
    source["estimate"][..., WIDTH // 2 :] = 0  # the source is near on the left, the target on the right
    target["estimate"].fill_(0.5)
    probabilities = torch.zeros(1, CLASSES, HEIGHT, WIDTH)
    probabilities[:, 1] = 1
    probabilities[:, 1, : HEIGHT // 2] = 0.6  # half of the target is unsure
    probabilities[:, 2, : HEIGHT // 2] = 0.4
    mixed = method.crossed(source, target, probabilities)
    left, right = slice(0, WIDTH // 2), slice(WIDTH // 2, WIDTH)
    assert torch.equal(mixed.label[..., left], source["label"][..., left])
    assert (mixed.label[..., right] == 1).all()
    assert torch.equal(mixed.images[..., left], source["frames"][:, 0, ..., left])
    assert torch.equal(mixed.images[..., right], target["frames"][:, 0, ..., right])
    assert mixed.share.item() == 0.5
    weight = cross_weight(mixed.mask, mixed.share)
    assert weight[..., left].unique().tolist() == [1]
    assert weight[..., right].unique().tolist() == [0.5]
    loss = cross_entropy(torch.zeros(1, 19, HEIGHT, WIDTH), mixed.label, pixel_weight=weight)
    unknown = 4 / HEIGHT / 2  # ignored rows of the source
    assert loss.item() == pytest.approx(2.944439 * (0.5 - unknown + 0.25), abs=1e-5)


def test_matching_takes_the_nearest_geometry_and_ignores_rows_above_and_below() -> None:
    target = torch.rand(2, 1, 512, 4)
    source = torch.rand(2, 5, 1, 512, 4)
    source[0, 3] = target[0]
    source[1, 1] = target[1]
    source[:, :, :, :80] = 9  # rows that are not looked at
    source[:, :, :, 412:] = 9
    source[0, 3, :, :80] = source[0, 3, :, 412:] = 0
    found = best_matches(source.flatten(0, 1), target, 0.15625, 0.1953125)
    assert found.tolist() == [3, 6]
    source[1, 1, :, 80] = 9  # the first row that is
    source[1, 1, :, 411] = 9  # and the last
    difference = (source[1].log1p() - target[1].log1p())[..., 80:412, :].abs().mean((1, 2, 3))
    assert best_matches(source.flatten(0, 1), target, 0.15625, 0.1953125)[1] == 5 + difference.argmin()
    assert best_matches(target, target, 0.0, 0.0).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"expected \(B N, 1, H, W\)"):
        best_matches(source.flatten(0, 1)[:3], target, 0.0, 0.0)


def test_matched_frames_come_with_all_that_is_theirs() -> None:
    method, seen = build(), batches()
    seen["source"]["estimate"][4] = seen["unlabelled"]["estimate"][0]
    seen["source"]["estimate"][5] = seen["unlabelled"]["estimate"][1]
    found = method.matched(seen["source"], seen["unlabelled"])
    assert "index" not in found  # which ones they are is known on the device alone
    assert torch.equal(found["label"], seen["source"]["label"][4:6])
    assert found["frames"].shape == seen["unlabelled"]["frames"].shape


@pytest.mark.parametrize("size", [1, 3])
def test_a_step(size: int) -> None:
    method = build()
    losses = method(batches(size), 0)
    total(losses).backward()
    assert {name for name in losses if not name.startswith("_")} == {"segmentation", "source", "cross", "consistency"}
    assert total(losses).isfinite()
    gradients = [value.grad for group in method.parameter_groups() for value in group["params"]]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert all(value.grad is None for value in method.mean_teacher.parameters())


def test_labels_of_both_domains_alone() -> None:
    method = build(teacher=False)
    assert list(method.config.roles) == ["labelled", "source"]
    assert method.config.roles["source"].samples == 1
    losses = method({"labelled": batch(), "source": batch(seed=2)}, 0)
    assert set(losses) == {"segmentation", "source", "_labelled", "_source"}
    weighted = build(teacher=False, source_weight=0.5)({"labelled": batch(), "source": batch(seed=2)}, 0)
    assert weighted["source"].item() == pytest.approx(losses["source"].item() / 2)
