"""The complete loss against a plain float64 loop, golden facts, missing sources, the geometry of a rendered town."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.data.toytown import TownOptions, camera, render_street
from vergence.geometry.camera import depth_to_disparity
from vergence.geometry.pose import transform_from_parameters
from vergence.losses.self_supervised import (
    Synthesis,
    Views,
    kept_pixels,
    prepare_views,
    reduce_sources,
    self_supervised_loss,
    shrink,
    smaller_views,
    synthesize,
)
from vergence.losses.smoothness import edge_aware_smoothness
from vergence.settings.losses import ViewLossOptions

HEIGHT, WIDTH = 24, 40
PLAIN = ViewLossOptions(min_depth=0.5, max_depth=20.0)


class Scene:
    """Smooth random images seen by cameras that moved a little; float64 unless asked otherwise."""

    def __init__(self, batch: int = 2, sources: int = 2, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64)

        def smooth(*shape: int) -> Tensor:
            coarse = rand(math.prod(shape[:-3]), *shape[-3:-2], 6, 9)
            return F.interpolate(coarse, size=shape[-2:], mode="bicubic").clamp(0, 1).view(shape)

        self.target = smooth(batch, 3, HEIGHT, WIDTH).to(dtype)
        self.sources = smooth(batch, sources, 3, HEIGHT, WIDTH).to(dtype)
        K = torch.tensor([[30.0, 0, 18], [0, 33, 11.5], [0, 0, 1]], dtype=dtype)
        self.intrinsics = K.repeat(batch, 1, 1)
        self.source_intrinsics = K.repeat(batch, sources, 1, 1)
        self.source_intrinsics[:, -1, 0, 2] += 0.7  # the last source has its own camera
        turn, move = 0.04 * (rand(batch, sources, 3) - 0.5), 0.4 * (rand(batch, sources, 3) - 0.5)
        self.transforms = transform_from_parameters(turn, move).to(dtype)
        self.disparities = {
            scale: (0.1 + 0.3 * smooth(batch, 1, HEIGHT // 2**scale, WIDTH // 2**scale)).to(dtype).requires_grad_()
            for scale in range(3)
        }
        self.noise = (1e-5 * (rand(1, sources, HEIGHT, WIDTH) - 0.5)).to(dtype)

    def views(self, options: ViewLossOptions = PLAIN, available: Tensor | None = None, noise: bool = False) -> Views:
        return prepare_views(
            self.target,
            self.sources,
            self.intrinsics,
            self.source_intrinsics,
            self.transforms,
            options,
            available,
            self.noise if noise else None,
        )

    def photometric(self, options: ViewLossOptions, available: Tensor | None = None) -> dict[int, Tensor]:
        return self_supervised_loss(self.disparities, self.views(options, available), options)[0]


def naive_error(a: Tensor, b: Tensor, ssim_weight: float) -> Tensor:
    """(3, H, W) twice to (H, W), window by window as the formula has it."""
    windows = [F.pad(x[None], (1, 1, 1, 1), mode="reflect")[0].unfold(1, 3, 1).unfold(2, 3, 1) for x in (a, b)]
    (mean_a, mean_b) = (w.mean(dim=(-2, -1)) for w in windows)
    var_a, var_b = (
        (w - m[..., None, None]).square().mean(dim=(-2, -1)) for w, m in zip(windows, (mean_a, mean_b), strict=True)
    )
    cov = ((windows[0] - mean_a[..., None, None]) * (windows[1] - mean_b[..., None, None])).mean(dim=(-2, -1))
    ssim = (2 * mean_a * mean_b + 1e-4) * (2 * cov + 9e-4)
    ssim = ssim / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
    return ssim_weight * ((1 - ssim) / 2).clamp(0, 1).mean(0) + (1 - ssim_weight) * (a - b).abs().mean(0)


def naive_warp(source: Tensor, depth: Tensor, K: Tensor, K_source: Tensor, T: Tensor) -> Tensor:
    """(3, H, W) seen through depth (H, W)."""
    height, width = depth.shape
    v, u = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    points = depth * (torch.linalg.inv(K) @ torch.stack([u, v, torch.ones_like(u)]).flatten(1)).view(3, height, width)
    moved = T[:3, :3] @ points.flatten(1) + T[:3, 3:]
    pixels = K_source @ moved
    pixels = (pixels[:2] / (pixels[2] + 1e-7)).view(2, height, width)
    grid = torch.stack([2 * pixels[0] / (width - 1) - 1, 2 * pixels[1] / (height - 1) - 1], dim=-1)
    return F.grid_sample(source[None], grid[None], padding_mode="border", align_corners=True)[0]


def naive_loss(scene: Scene, options: ViewLossOptions, noise: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Photometric and smoothness terms of every scale, in loops over scales, samples and sources."""
    photometric, smoothness = [], []
    near, far = 1 / options.min_depth, 1 / options.max_depth
    reduce = torch.amin if options.reduction == "min" else torch.mean
    for scale, sigma in scene.disparities.items():
        upsampled = F.interpolate(sigma, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)
        terms = []
        for b, target in enumerate(scene.target):
            depth = 1 / (far + (near - far) * upsampled[b, 0])
            errors, identity = [], []
            for s, source in enumerate(scene.sources[b]):
                cameras = scene.intrinsics[b], scene.source_intrinsics[b, s], scene.transforms[b, s]
                errors.append(naive_error(naive_warp(source, depth, *cameras), target, options.ssim_weight))
                identity.append(naive_error(source, target, options.ssim_weight) + noise * scene.noise[0, s])
            error, unmoved = reduce(torch.stack(errors), dim=0), reduce(torch.stack(identity), dim=0)
            terms.append(torch.where(error < unmoved, error, unmoved) if options.automask else error)
        photometric.append(torch.stack(terms).mean())
        mean = sigma.mean(dim=(2, 3), keepdim=True) + 1e-7
        image = F.avg_pool2d(scene.target, 2**scale) if scale else scene.target
        term: Tensor | float = 0.0
        for dim in (2, 3):
            edge = image.diff(dim=dim).abs().mean(dim=1, keepdim=True)
            term = term + ((sigma / mean).diff(dim=dim).abs() * torch.exp(-edge)).mean()
        smoothness.append(options.smoothness * term / 2**scale)
    return photometric, smoothness


@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        replace(PLAIN, reduction="mean"),
        replace(PLAIN, automask=False),
        replace(PLAIN, ssim_weight=0.0, smoothness=0.3),
        replace(PLAIN, ssim_weight=0.5, min_depth=0.1, max_depth=100.0),
    ],
    ids=["published", "mean", "no automask", "L1", "other weights"],
)
def test_equals_the_plain_loop_with_its_gradients(options: ViewLossOptions) -> None:
    scene = Scene()
    photometric, smoothness, _ = self_supervised_loss(scene.disparities, scene.views(options, noise=True), options)
    expected_photometric, expected_smoothness = naive_loss(scene, options, noise=True)
    for scale in scene.disparities:
        torch.testing.assert_close(photometric[scale], expected_photometric[scale], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(smoothness[scale], expected_smoothness[scale], rtol=1e-9, atol=1e-12)
    leaves = list(scene.disparities.values())
    ours = torch.autograd.grad(sum(photometric.values()) + sum(smoothness.values()), leaves)
    theirs = torch.autograd.grad(sum(expected_photometric) + sum(expected_smoothness), leaves)
    for gradient, expected in zip(ours, theirs, strict=True):
        assert expected.abs().max() > 1e-6
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-10)


def test_single_precision_is_close_to_the_plain_loop() -> None:
    single, double = Scene(dtype=torch.float32), Scene()
    photometric, smoothness, _ = self_supervised_loss(single.disparities, single.views(), PLAIN)
    expected_photometric, expected_smoothness = naive_loss(double, PLAIN, noise=False)
    for scale in single.disparities:
        torch.testing.assert_close(photometric[scale].double(), expected_photometric[scale], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(smoothness[scale].double(), expected_smoothness[scale], rtol=1e-4, atol=1e-8)


def test_gradients_reach_the_poses_and_the_camera() -> None:
    scene = Scene()
    for leaf in (scene.transforms, scene.intrinsics):
        leaf.requires_grad_()
    sum(scene.photometric(PLAIN).values()).backward()
    assert scene.transforms.grad[..., :3, 3].abs().min() > 0
    assert scene.intrinsics.grad[:, 0, 0].abs().min() > 0


def test_scales_are_terms_of_their_own() -> None:
    """Each scale's terms are those it has alone; smoothness is weighted by 1 / 2^scale, at the native size."""
    scene = Scene()
    photometric, smoothness, finest = self_supervised_loss(scene.disparities, scene.views(), PLAIN)
    for scale, disparity in scene.disparities.items():
        alone, alone_smooth, _ = self_supervised_loss({scale: disparity}, scene.views(), PLAIN)
        assert torch.equal(alone[scale], photometric[scale])
        assert torch.equal(alone_smooth[scale], smoothness[scale])
        image = F.avg_pool2d(scene.target, 2**scale)
        native = edge_aware_smoothness(disparity, image) * PLAIN.smoothness / 2**scale
        torch.testing.assert_close(smoothness[scale], native)
    assert torch.equal(finest.error, synthesize(scene.disparities[0], scene.views(), PLAIN).error)
    assert finest.warped.shape == scene.sources.shape


def test_a_given_pyramid_is_used_for_smoothness() -> None:
    scene = Scene()
    flat = {scale: torch.zeros_like(shrink(scene.target, d.shape[-2:])) for scale, d in scene.disparities.items()}
    _, own, _ = self_supervised_loss(scene.disparities, scene.views(), PLAIN)
    _, given, _ = self_supervised_loss(scene.disparities, scene.views(), PLAIN, pyramid=flat)
    assert all(given[scale] > own[scale] for scale in own)  # without edges nothing is forgiven


def test_no_disparity_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one scale"):
        self_supervised_loss({}, Scene().views(), PLAIN)


def test_minimum_is_below_every_single_source() -> None:
    """Golden fact 12, first half."""
    scene = Scene(sources=3)
    together = synthesize(scene.disparities[0], scene.views(), PLAIN).error
    everything = [scene.sources, scene.source_intrinsics, scene.transforms]
    winners = torch.zeros_like(together, dtype=torch.bool)
    for s in range(3):
        scene.sources, scene.source_intrinsics, scene.transforms = (value[:, s : s + 1] for value in everything)
        alone = synthesize(scene.disparities[0], scene.views(), PLAIN).error
        assert (together <= alone + 1e-12).all()
        winners |= (together - alone).abs() < 1e-12
    assert winners.all()


@pytest.mark.parametrize("normalise", ["all", "kept"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_scene_without_motion_teaches_nothing(normalise: str, dtype: torch.dtype) -> None:
    """Golden fact 12, second half: sources equal the target, the pose is not the identity, no tie-break noise."""
    scene = Scene(dtype=dtype)
    scene.sources = scene.target[:, None].expand_as(scene.sources).contiguous()
    options = replace(PLAIN, normalise=normalise)
    views = scene.views(options)
    photometric, _, finest = self_supervised_loss(scene.disparities, views, options)
    assert finest.error.mean() > 0.01  # the warp is wrong, and it does not matter
    assert not kept_pixels(finest, views).any()
    gradients = torch.autograd.grad(sum(photometric.values()), list(scene.disparities.values()))
    assert all(not gradient.any() for gradient in gradients)


def test_sigma_is_upsampled_and_not_depth() -> None:
    """Golden fact 13: between sigma 0 and 1 lies depth 0.1998, not 50.05."""
    scene = Scene(batch=1, sources=1)
    options = ViewLossOptions(min_depth=0.1, max_depth=100.0)
    size = (1, 3, HEIGHT, 3)
    views = prepare_views(
        torch.rand(size).double(),
        torch.rand(size).double()[:, None],
        scene.intrinsics,
        scene.source_intrinsics,
        scene.transforms,
        options,
    )
    halves = torch.tensor([0.0, 1.0]).double().expand(1, 1, HEIGHT // 2, 2)
    depth = 1 / synthesize(halves, views, options).inverse_depth
    assert depth[0, 0, 3].tolist() == pytest.approx([100.0, 0.1998002, 0.1], rel=1e-6)


COMBINATIONS = [
    replace(PLAIN, reduction=reduction, normalise=normalise, automask=automask)
    for reduction in ("min", "mean")
    for normalise in ("all", "kept")
    for automask in (True, False)
]


@pytest.mark.parametrize(
    "options", COMBINATIONS, ids=lambda o: f"{o.reduction}-{o.normalise}-{'mask' if o.automask else 'no mask'}"
)
class TestMissingSources:
    def test_what_lies_in_an_unavailable_source_does_not_matter(self, options: ViewLossOptions) -> None:
        scene = Scene()
        available = torch.tensor([[True, False], [False, True]])
        before = scene.photometric(options, available)
        for garbage in (scene.target, torch.ones_like(scene.target)):  # a perfect match would win every minimum
            scene.sources[0, 1], scene.sources[1, 0] = garbage[0], garbage[1]
            after = scene.photometric(options, available)
            assert all(torch.equal(before[scale], after[scale]) for scale in before)

    def test_one_source_of_two_is_one_source(self, options: ViewLossOptions) -> None:
        scene = Scene()
        of_two = scene.photometric(options, torch.tensor([[True, False], [True, False]]))
        scene.sources, scene.transforms = scene.sources[:, :1], scene.transforms[:, :1]
        scene.source_intrinsics = scene.source_intrinsics[:, :1]
        alone = scene.photometric(options)
        for scale in alone:
            torch.testing.assert_close(of_two[scale], alone[scale], rtol=1e-12, atol=0)

    def test_a_sample_without_sources_is_worth_nothing(self, options: ViewLossOptions) -> None:
        scene = Scene()
        views = scene.views(options, torch.zeros(2, 2, dtype=torch.bool))
        photometric, _, finest = self_supervised_loss(scene.disparities, views, options)
        assert all(value == 0 for value in photometric.values())
        assert not kept_pixels(finest, views).any()
        gradients = torch.autograd.grad(sum(photometric.values()), list(scene.disparities.values()), allow_unused=True)
        assert all(gradient is None or not gradient.any() for gradient in gradients)

    def test_a_sample_without_sources_leaves_the_others_alone(self, options: ViewLossOptions) -> None:
        scene = Scene()
        leaves = list(scene.disparities.values())
        full = torch.autograd.grad(sum(scene.photometric(options).values()), leaves)
        half = torch.autograd.grad(
            sum(scene.photometric(options, torch.tensor([[True, True], [False, False]])).values()), leaves
        )
        for gradient, expected in zip(half, full, strict=True):
            assert not gradient[1].any()
            ratio = gradient[0].norm() / expected[0].norm()  # not 1 where the mean is over what counts
            assert ratio >= 1 - 1e-9
            torch.testing.assert_close(gradient[0], ratio * expected[0], rtol=1e-9, atol=1e-12)


def test_reduction_by_hand() -> None:
    errors = torch.tensor([3.0, 1.0, 5.0]).view(1, 3, 1, 1)
    some = torch.tensor([[True, False, True]])
    assert reduce_sources(errors, None, "min").item() == 1
    assert reduce_sources(errors, None, "mean").item() == 3
    assert reduce_sources(errors, some, "min").item() == 3
    assert reduce_sources(errors, some, "mean").item() == 4
    for reduction in ("min", "mean"):
        assert reduce_sources(errors, torch.zeros(1, 3, dtype=torch.bool), reduction).item() == torch.inf


@pytest.mark.parametrize("reduction", ["min", "mean"])
@pytest.mark.parametrize("automask", [True, False])
def test_a_sample_without_sources_is_not_in_the_mean(reduction: str, automask: bool) -> None:
    options, scene, first = ViewLossOptions(reduction=reduction, automask=automask), Scene(), torch.arange(1)
    both = scene.photometric(options, torch.tensor([[True, True], [False, False]]))
    views = scene.views(options)
    own = Views(*(None if part is None else (part[0][:1], part[1][:1]) if isinstance(part, tuple) else part[first]
                  for part in views))  # fmt: skip
    alone, _, _ = self_supervised_loss({scale: value[:1] for scale, value in scene.disparities.items()}, own, options)
    for scale in alone:
        torch.testing.assert_close(both[scale], alone[scale], rtol=1e-12, atol=0)


def test_source_weights_multiply_before_the_minimum() -> None:
    scene = Scene()
    weights = torch.ones(2, 2, HEIGHT, WIDTH).double()
    views = scene.views()
    plain = synthesize(scene.disparities[0], views, PLAIN, weights).error
    assert torch.equal(plain, synthesize(scene.disparities[0], views, PLAIN).error)
    weights[:, 1] = 0
    assert not synthesize(scene.disparities[0], views, PLAIN, weights).error.any()


def test_align_corners_off_is_another_sampling() -> None:
    """With no motion the true sampling gives every source pixel back, the other one does not."""
    scene = Scene()
    scene.transforms = torch.eye(4).double().expand_as(scene.transforms)
    scene.source_intrinsics = scene.intrinsics[:, None].expand_as(scene.source_intrinsics)
    exact = synthesize(scene.disparities[0], scene.views(), PLAIN).warped
    torch.testing.assert_close(exact, scene.sources, rtol=0, atol=1e-5)
    options = replace(PLAIN, align_corners=False)
    assert (synthesize(scene.disparities[0], scene.views(options), options).warped - scene.sources).abs().max() > 1e-2


class Town:
    """One toy town instant as the loss sees it: earlier and later frame and the right-hand camera, exact geometry."""

    options = ViewLossOptions(min_depth=0.5, max_depth=100.0)

    def __init__(self, height: int = 64, width: int = 128) -> None:
        town = TownOptions(width=width, height=height)
        before, now, after = render_street(town, street=0, frames=3)
        assert now.right is not None
        fx, fy, cx, cy = camera(town)
        K = torch.tensor([[fx * width, 0, cx * width], [0, fy * height, cy * height], [0, 0, 1]])
        partner = np.eye(4)
        partner[0, 3] = -town.baseline  # the partner stands to the right: points move left
        moves = [np.linalg.inv(before.pose) @ now.pose, np.linalg.inv(after.pose) @ now.pose, partner]
        images = [torch.from_numpy(image.copy()) for image in (now.image, before.image, after.image, now.right)]
        frames = torch.stack(images).permute(0, 3, 1, 2).float() / 255
        self.target, self.sources = frames[:1], frames[None, 1:]
        self.intrinsics, self.source_intrinsics = K[None], K.expand(1, 3, 3, 3)
        self.transforms = torch.from_numpy(np.stack(moves)).float()[None]
        depth = torch.from_numpy(now.depth)[None, None]
        self.depth = torch.where(depth == 0, 90.0, depth).clamp(max=90)

    def see(self, depth: Tensor, sources: list[int] | None = None) -> tuple[Synthesis, Views]:
        chosen = sources or [0, 1, 2]
        views = prepare_views(
            self.target,
            self.sources[:, chosen],
            self.intrinsics,
            self.source_intrinsics[:, chosen],
            self.transforms[:, chosen],
            self.options,
        )
        depth = depth.clamp(0.5, 100)
        disparity = depth_to_disparity(depth, self.options.min_depth, self.options.max_depth)
        return synthesize(disparity, views, self.options), views

    def loss(self, depth: Tensor, sources: list[int] | None = None) -> float:
        return float(self.see(depth, sources)[0].error.mean())


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


@pytest.mark.parametrize("sources", [[0], [1], [2], [0, 1], [0, 1, 2]], ids=["past", "future", "right", "mono", "all"])
def test_the_true_depth_of_the_town_explains_it_best(town: Town, sources: list[int]) -> None:
    """Camera, poses, baseline and warp fit together: any sign or order that were wrong would show here."""
    truth = town.loss(town.depth, sources)
    shuffled = town.depth.flatten()[torch.randperm(town.depth.numel(), generator=torch.Generator().manual_seed(0))]
    wrong = {
        "near": town.loss(0.7 * town.depth, sources),
        "far": town.loss(1.4 * town.depth, sources),
        "flat": town.loss(torch.full_like(town.depth, float(town.depth.median())), sources),
        "shuffled": town.loss(shuffled.view_as(town.depth), sources),
    }
    assert min(wrong.values()) > 1.9 * truth, (truth, wrong)
    assert min(town.loss(0.95 * town.depth, sources), town.loss(1.05 * town.depth, sources)) > 1.05 * truth


def test_the_true_depth_explains_the_town_best_at_half_the_size_too(town: Town) -> None:
    _, views = town.see(town.depth)
    size = (town.target.shape[-2] // 2, town.target.shape[-1] // 2)
    half = smaller_views(views, size, town.options)

    def loss(factor: float) -> float:
        depth = 1 / shrink(1 / (factor * town.depth).clamp(0.5, 100), size)
        disparity = depth_to_disparity(depth, town.options.min_depth, town.options.max_depth)
        seen = synthesize(disparity, half, town.options)
        if factor == 1:
            assert kept_pixels(seen, half)[half.identity_error > 0.04].float().mean() > 0.9
        return float(seen.error.mean())

    assert min(loss(0.7), loss(1.4)) > 1.9 * loss(1)
    assert min(loss(0.93), loss(1.07)) > 1.05 * loss(1)


def test_the_wrong_side_of_the_partner_is_worse(town: Town) -> None:
    right = town.loss(town.depth, [2])
    town.transforms[0, 2, 0, 3] *= -1
    try:
        assert town.loss(town.depth, [2]) > 2 * right
    finally:
        town.transforms[0, 2, 0, 3] *= -1


def test_the_true_depth_is_kept_by_the_automask(town: Town) -> None:
    synthesis, views = town.see(town.depth)
    textured = views.identity_error > 0.02  # elsewhere, the far road and the sky, motion shows nothing
    assert kept_pixels(synthesis, views)[textured].float().mean() > 0.9
    wrong, views = town.see(torch.full_like(town.depth, 0.5))
    assert kept_pixels(wrong, views)[textured].float().mean() < 0.5
