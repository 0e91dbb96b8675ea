"""Verification of hints: golden facts 16 to 20, aggregation against a plain loop, no overlap, a static camera."""

import pytest
import torch
from torch import Tensor

from tests.toy_stereo import OPTIONS, ToyOptions, ToyScene, descend, error_of, repaired, toy_scene
from vergence.losses.hint_proposals import ClassGroups, propose
from vergence.losses.hint_verification import (
    Verified,
    aggregate,
    candidate_errors,
    hint_statistics,
    judging_sources,
    spare_hints,
    verify,
)
from vergence.losses.photometric import automask
from vergence.settings.losses import HintProposalConfig, VerificationConfig

STRICT = VerificationConfig()


def constant(*values: float) -> Tensor:
    """(1, N, 4, 6)"""
    return torch.tensor(values).view(1, -1, 1, 1).expand(1, len(values), 4, 6)


def uniform(height: int = 4, width: int = 6) -> Tensor:
    return torch.zeros(1, height, width, dtype=torch.long)


def hinted(
    scene: ToyScene, labels: Tensor, families: tuple[str, ...] = ("components",), present: Tensor | None = None
) -> tuple[Tensor, Verified, Tensor]:
    """Inverse depth after one verified pass, what was verified, and the families."""
    present = scene.present if present is None else present
    error = error_of(present, scene.views)
    found = propose(present, labels, error, HintProposalConfig(families=families))
    errors = candidate_errors(found.inverse_depth, scene.views, OPTIONS)
    verified = verify(errors, error, scene.views.identity_error, labels, None, STRICT, found.valid)
    best = found.inverse_depth.gather(1, verified.best)
    return torch.where(verified.mask, best, present), verified, found.family


@pytest.mark.parametrize(
    ("now", "hint", "identity", "used", "kept"),
    [
        (0.20, 0.16, 0.30, True, True),
        (0.20, 0.175, 0.30, False, True),
        (0.20, 0.16, 0.12, False, False),
        (0.20, 0.22, 0.30, False, True),
        (0.05, 0.034, 0.30, True, True),
        (0.05, 0.036, 0.30, False, True),
        (0.005, 0.000, 0.30, False, True),
    ],
)
def test_table(now: float, hint: float, identity: float, used: bool, kept: bool) -> None:
    """Golden fact 16."""
    verified = verify(constant(hint), constant(now), constant(identity), uniform(), None, STRICT)
    assert (verified.mask == used).all()
    assert (automask(constant(now), spare_hints(constant(identity), verified.mask)) == kept).all()
    assert torch.allclose(verified.gain, torch.tensor(now - hint))


def test_hint_keeps_the_photometric_term() -> None:
    mask = torch.tensor([True, False]).view(1, 1, 1, 2)
    error, identity = torch.full((1, 1, 1, 2), 0.3), torch.full((1, 1, 1, 2), 0.2)
    assert torch.equal(automask(error, spare_hints(identity, mask)), mask)
    assert torch.equal(identity, torch.full_like(identity, 0.2))
    assert spare_hints(None, mask) is None


def test_equal_or_unseen_hints_are_never_accepted() -> None:
    """Golden fact 17."""
    bold = VerificationConfig(kappa=0, floor=0, window=1)
    for config in (STRICT, bold):
        assert not verify(constant(0.2, 0.2), constant(0.2), constant(0.3), uniform(), None, config).mask.any()
        unseen = verify(constant(torch.inf), constant(0.9), constant(1.0), uniform(), None, config)
        assert not unseen.mask.any()
        assert unseen.gain.isfinite().all()


def test_depth_hints_rule() -> None:
    """Golden fact 17: without margins and window, the three-way arg-min of Depth Hints."""
    generator = torch.Generator().manual_seed(0)
    now, hint, identity = (torch.rand(2, 1, 7, 9, generator=generator) for _ in range(3))
    labels = torch.randint(0, 5, (2, 7, 9), generator=generator)
    verified = verify(hint, now, identity, labels, None, VerificationConfig(kappa=0, floor=0, window=1))
    expected = torch.cat((now, identity, hint), dim=1).argmin(dim=1, keepdim=True) == 2
    assert torch.equal(verified.mask, expected)


def test_best_of_several() -> None:
    errors = constant(0.15, 0.05, torch.inf, 0.01)
    valid = torch.tensor([True, True, True, False]).view(1, 4, 1, 1).expand_as(errors)
    verified = verify(errors, constant(0.3), None, uniform(), None, STRICT, valid)
    assert verified.mask.all()
    assert (verified.best == 1).all()


def test_confidence_and_ignored_labels() -> None:
    labels = uniform().clone()
    labels[..., 0] = 255
    confidence = torch.ones(1, 4, 6)
    confidence[..., 5] = 0.49
    confidence[..., 4] = 0.5
    verified = verify(constant(0.1), constant(0.5), None, labels, confidence, STRICT)
    assert verified.mask[0, 0].int().tolist() == [[0, 1, 1, 1, 1, 0]] * 4


def test_aggregation_respects_labels() -> None:
    """Golden fact 18."""
    error = torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 1, 3)
    labels = torch.tensor([0, 0, 1]).view(1, 1, 3)
    assert torch.allclose(aggregate(error, labels, 3), torch.tensor([0.3, 0.3, 0.9]).view(1, 1, 1, 3))


@pytest.mark.parametrize("window", [1, 3, 5])
def test_aggregation_against_a_loop(window: int) -> None:
    generator = torch.Generator().manual_seed(window)
    error = 2 * torch.rand(2, 3, 6, 4, generator=generator, dtype=torch.float64)
    error[0, 0, 2, 2] = torch.inf
    labels = torch.randint(0, 2, (2, 6, 4), generator=generator)
    result, reach = aggregate(error, labels, window), window // 2
    for b in range(2):
        for y in range(6):
            for x in range(4):
                rows = range(max(y - reach, 0), min(y + reach + 1, 6))
                columns = range(max(x - reach, 0), min(x + reach + 1, 4))
                near = [(v, u) for v in rows for u in columns if labels[b, v, u] == labels[b, y, x]]
                mean = torch.stack([error[b, :, v, u].clamp(max=1.5) for v, u in near]).mean(dim=0)
                assert torch.allclose(result[b, :, y, x], mean)


@pytest.mark.parametrize("contrast", [0.09, 0.02])
def test_hole_is_repaired(contrast: float) -> None:
    """Golden fact 19: one verified pass closes the hole, descent on the error alone does not, noise gives no hint."""
    scene = toy_scene(ToyOptions(contrast=contrast))
    repaired_depth, verified, _ = hinted(scene, scene.labels)
    assert repaired(repaired_depth, scene) >= 0.95
    assert not verified.mask[~scene.hole].any()
    if contrast == 0.09:
        assert repaired(descend(scene.present, scene.views, steps=60, rate=0.02), scene) < 0.15
    noise = torch.randint(0, 19, scene.labels.shape, generator=torch.Generator().manual_seed(0))
    assert not hinted(scene, noise)[1].mask.any()


def test_cells_alone_repair_the_hole() -> None:
    scene = toy_scene()
    fixed, verified, family = hinted(scene, scene.labels, ("cells", "components"))
    assert repaired(fixed, scene) >= 0.95
    statistics = hint_statistics(verified, scene.labels, family, classes=2)
    assert statistics["accepted"] == verified.mask.float().mean()
    assert statistics["won_components"] + statistics["won_cells"] == pytest.approx(1)
    assert statistics["accepted_class_0"] == pytest.approx(statistics["accepted"].item())
    assert statistics["accepted_class_1"].isnan()
    assert statistics["gain"] == pytest.approx(verified.gain[verified.mask].mean().item(), rel=1e-4)
    assert statistics["gain_class_0"] == pytest.approx(statistics["gain"].item(), rel=1e-5)
    assert statistics["gain_class_1"].isnan()
    assert set(statistics) >= {"won_neighbours", "won_borders"}
    halves = torch.arange(scene.labels.shape[-1]).expand_as(scene.labels) * 2 // scene.labels.shape[-1]
    parted = hint_statistics(verified, halves, family, classes=2)
    for half in range(2):
        mask = verified.mask & (halves == half)[:, None]
        assert parted[f"gain_class_{half}"] == pytest.approx(verified.gain[mask].mean().item(), rel=1e-4)
        assert parted[f"accepted_class_{half}"] == pytest.approx((mask.sum() / (halves == half).sum()).item())


def test_true_depth_gets_no_hint() -> None:
    scene = toy_scene()
    assert not hinted(scene, scene.labels, ("components", "cells"), present=scene.truth)[1].mask.any()


def test_dynamic_guard() -> None:
    """Golden fact 20: what moves is judged by the stereo partner, or not at all."""
    scene = toy_scene()
    labels = scene.labels.clone()
    labels[..., :160] = 7
    assert judging_sources(labels, (), (False,)) is None
    assert judging_sources(labels, (7,), (True, True)) is None
    allowed = judging_sources(labels, (7,), (False, True))
    assert allowed is not None
    assert torch.equal(allowed[:, 0], labels != 7)
    assert allowed[:, 1].all()
    temporal = judging_sources(labels, (7,), (False,))
    errors = candidate_errors(scene.truth, scene.views, OPTIONS, temporal)
    mask = verify(errors, error_of(scene.present, scene.views), None, labels, None, STRICT).mask
    assert not mask[..., :160].any()
    assert mask[..., 160:].any()


def test_no_overlap_and_static_camera() -> None:
    scene = toy_scene()
    for name in ("static", "far away", "behind"):
        offset, rays = scene.views.offset, scene.views.rays
        if name == "static":
            offset = torch.zeros_like(offset)
        elif name == "far away":
            offset = offset * 1e4
        else:
            rays = -rays
        views = scene.views._replace(offset=offset, rays=rays)
        moved = scene._replace(views=views)
        _, verified, family = hinted(moved, scene.labels, ("components", "cells"))
        assert not verified.mask.any(), name
        assert verified.gain.isfinite().all()
        statistics = hint_statistics(verified, scene.labels, family)
        assert statistics["accepted"] == 0
        assert statistics["gain"] == 0


def test_errors_of_candidates() -> None:
    """Least over the sources that see the pixel; sources that do not exist never judge."""
    scene = toy_scene()
    views = scene.views
    twice = views._replace(
        sources=torch.cat((views.sources, views.sources.flip(-1)), 1),
        rays=views.rays.repeat(1, 2, 1, 1, 1),
        offset=views.offset.repeat(1, 2, 1, 1, 1),
        available=torch.tensor([[True, False]]),
    )
    candidates = torch.cat((scene.truth, scene.present, torch.full_like(scene.truth, 1e9)), dim=1)
    errors = candidate_errors(candidates, twice, OPTIONS)
    assert torch.equal(errors, candidate_errors(candidates, views, OPTIONS))
    seen = errors[:, :1].isfinite()
    assert torch.allclose(errors[:, :1][seen], error_of(scene.truth, views)[seen], atol=1e-3)
    assert not seen[..., :8].any()  # left of the right camera's view
    assert seen[..., 20:].all()
    nobody = views._replace(available=torch.tensor([[False]]))
    assert candidate_errors(candidates, nobody, OPTIONS).isinf().all()


def test_never_asks_the_device() -> None:
    """On a device without values: nothing waits for one."""
    scene = toy_scene()
    views = scene.views._replace(
        **{
            name: value.to("meta")
            for name, value in scene.views._asdict().items()
            if isinstance(value, Tensor) and name != "statistics"
        },
        statistics=tuple(part.to("meta") for part in scene.views.statistics or ()),
    )
    present, labels = scene.present.to("meta"), scene.labels.to("meta")
    families = ("components", "cells", "neighbours", "borders")
    found = propose(present, labels, present, HintProposalConfig(families=families), ClassGroups((3,), (5,)))
    errors = candidate_errors(found.inverse_depth, views, OPTIONS, judging_sources(labels, (4,), (False,)))
    verified = verify(errors, present, views.identity_error, labels, present[:, 0], STRICT, found.valid)
    hint_statistics(verified, labels, found.family, classes=19)
    assert verified.mask.shape == present.shape


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="window is 4"):
        aggregate(constant(1.0), uniform(), 4)
    with pytest.raises(ValueError, match=r"labels \(1, 5, 5\)"):
        aggregate(constant(1.0), uniform(5, 5))
    with pytest.raises(ValueError, match="error_now"):
        verify(constant(1.0), constant(1.0, 2.0), None, uniform(), None, STRICT)
    with pytest.raises(ValueError, match="size of the views"):
        candidate_errors(constant(1.0), toy_scene().views, OPTIONS)
