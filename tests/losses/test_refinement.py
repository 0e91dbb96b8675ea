"""Refinement of labels by depth: golden fact 33 of semhint, section 5, and a plain twin of the formulas of 2.8."""

import math
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.photometric import photometric_error
from vergence.losses.refinement import refine_labels
from vergence.losses.self_supervised import Views, prepare_views
from vergence.settings.losses import RefinementConfig, ViewLossOptions

CONFIG = RefinementConfig()
HEIGHT, WIDTH, FOCAL = 96, 192, 100.0
OPTIONS = ViewLossOptions()
CLASSES = 5


class Scene(NamedTuple):
    """A wall, a road-like strip, a box and a pole; two sources to the left and right, rendered without error."""

    views: Views
    labels: Tensor  # (1, H, W)
    source_labels: Tensor  # (1, 2, H, W)
    inverse_depth: Tensor  # (1, 1, H, W)


def scene() -> Scene:
    """Every layer is fronto-parallel with a whole number of pixels of disparity: sources are shifted layers."""
    generator = torch.Generator().manual_seed(3)
    layers = [  # disparity, class, rows, columns
        (2, 0, (0, HEIGHT), (0, WIDTH)),
        (4, 1, (60, HEIGHT), (0, WIDTH)),
        (7, 2, (40, 80), (40, 90)),
        (9, 3, (20, 85), (130, 136)),
        (3, 4, (10, 40), (100, 125)),
    ]
    views, margin = [], 24
    textures = [
        F.interpolate(torch.rand(1, 3, HEIGHT // 3, (WIDTH + 2 * margin) // 3, generator=generator), scale_factor=3)[0]
        for _ in layers
    ]
    for side in (0, -1, 1):
        image, label = torch.zeros(3, HEIGHT, WIDTH), torch.zeros(HEIGHT, WIDTH, dtype=torch.long)
        inverse = torch.zeros(HEIGHT, WIDTH)
        for (disparity, name, rows, columns), texture in zip(layers, textures, strict=True):
            shift = side * disparity
            start = 0 if columns[0] == 0 else max(columns[0] + shift, 0)
            stop = WIDTH if columns[1] == WIDTH else min(columns[1] + shift, WIDTH)
            place = (slice(*rows), slice(start, stop))
            image[(slice(None), *place)] = texture[:, rows[0] : rows[1], margin + start - shift : margin + stop - shift]
            label[place], inverse[place] = name, disparity / (0.1 * FOCAL)
        views.append((image, label, inverse))
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    transforms = torch.eye(4).repeat(1, 2, 1, 1)
    transforms[0, :, 0, 3] = torch.tensor([-0.1, 0.1])
    images = torch.stack([image for image, _, _ in views])
    prepared = prepare_views(images[None, 0], images[None, 1:], K[None], K.expand(1, 2, 3, 3), transforms, OPTIONS)
    return Scene(prepared, views[0][1][None], torch.stack([views[1][1], views[2][1]])[None], views[0][2][None, None])


@pytest.fixture(scope="module")
def toy() -> Scene:
    return scene()


def refined(toy: Scene, noisy: Tensor, sources: Tensor, config: RefinementConfig = CONFIG, **settings):
    settings = {"probabilities": None, "inverse_depth": toy.inverse_depth, "classes": CLASSES, **settings}
    return refine_labels(noisy, source_labels=sources, views=toy.views, config=config, **settings)


def test_perfect_labels_stay(toy: Scene) -> None:
    label, weight = refined(toy, toy.labels, toy.source_labels)
    assert label.dtype == torch.int64
    assert (label == toy.labels).float().mean() >= 0.99
    assert weight.dtype == torch.float32
    assert 0.5 <= weight.min() <= weight.max() <= 1
    assert weight.median() > 0.9


def test_uniform_labels_are_unchanged(toy: Scene) -> None:
    noisy = torch.full_like(toy.labels, 3)
    label, weight = refined(toy, noisy, torch.full_like(toy.source_labels, 3))
    assert torch.equal(label, noisy)
    torch.testing.assert_close(weight, torch.ones_like(weight))
    label, _ = refined(toy, noisy, torch.full_like(toy.source_labels, 3), inverse_depth=torch.rand(1, 1, 48, 96) + 0.1)
    assert torch.equal(label, noisy)


def isolated(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels with wrong single pixels, and where; far from borders and from the rim."""
    padded = F.pad(labels[:, None].float(), (3, 3, 3, 3), value=-1)
    inner = F.max_pool2d(padded, 7, 1) == -F.max_pool2d(-padded, 7, 1)
    grid = torch.zeros_like(inner)
    grid[..., 4::9, 20:-20:9] = True
    wrong = (inner & grid)[:, 0]
    return torch.where(wrong, (labels + 1) % CLASSES, labels), wrong


def test_one_right_source_corrects_single_pixels(toy: Scene) -> None:
    noisy, wrong = isolated(toy.labels)
    assert wrong.sum() > 50
    available = torch.tensor([[False, True]])
    one = toy._replace(views=toy.views._replace(available=available))
    label, _ = refined(one, noisy, toy.source_labels)
    assert (label == toy.labels)[wrong].float().mean() > 0.98
    assert (label == toy.labels).float().mean() > 0.99
    unseen = toy._replace(views=toy.views._replace(available=torch.zeros(1, 2, dtype=torch.bool)))
    label, weight = refined(unseen, noisy, toy.source_labels, replace(CONFIG, window=1))
    assert torch.equal(label, noisy)
    assert torch.equal(weight, torch.ones_like(weight))


def test_noise_in_every_view_is_reduced(toy: Scene) -> None:
    generator = torch.Generator().manual_seed(0)

    def spoiled(labels: Tensor) -> Tensor:
        low = torch.rand(*labels.shape[:-2], HEIGHT // 4, WIDTH // 4, generator=generator) < 0.1
        blobs = low.repeat_interleave(4, -2).repeat_interleave(4, -1)
        return torch.where(blobs, torch.randint(0, CLASSES, labels.shape, generator=generator), labels)

    noisy, sources = spoiled(toy.labels), spoiled(toy.source_labels)
    before = (noisy != toy.labels).float().mean()
    vote, _ = refined(toy, noisy, sources, replace(CONFIG, window=1))
    label, weight = refined(toy, noisy, sources)
    assert (vote != toy.labels).float().mean() < 0.4 * before
    assert (label != toy.labels).float().mean() < 0.2 * before
    assert weight[label != toy.labels].mean() < weight[label == toy.labels].mean()


def test_ignored_stays_ignored_and_has_no_vote(toy: Scene) -> None:
    noisy, sources = toy.labels.clone(), toy.source_labels.clone()
    noisy[:, 30:50, 30:60] = 255
    sources[:, 0] = 255
    probabilities = torch.rand(1, CLASSES, HEIGHT, WIDTH).softmax(1)
    for given in (None, probabilities):
        label, weight = refined(toy, noisy, sources, probabilities=given, beta=0.2)
        assert torch.equal(label == 255, noisy == 255)
        assert torch.equal(weight == 0, noisy == 255)
    label, _ = refined(toy, noisy, sources)
    assert (label == toy.labels)[noisy != 255].float().mean() > 0.99
    everything = torch.full_like(noisy, 255)
    label, weight = refined(toy, everything, toy.source_labels, classes=None)
    assert torch.equal(label, everything)
    assert not weight.any()


def test_blend_with_the_teacher(toy: Scene) -> None:
    noisy = torch.zeros_like(toy.labels)
    probabilities = torch.zeros(1, CLASSES, 48, 96)
    probabilities[:, 2] = 1
    alone = toy._replace(views=toy.views._replace(available=torch.zeros(1, 2, dtype=torch.bool)))
    for beta, wanted, share in ((0.0, 0, 1.0), (0.3, 0, 0.7), (0.8, 2, 0.8)):
        label, weight = refined(alone, noisy, toy.source_labels, probabilities=probabilities, beta=beta)
        assert torch.equal(label, torch.full_like(noisy, wanted))
        torch.testing.assert_close(weight, torch.full_like(weight, share))
    label, weight = refined(alone, noisy, toy.source_labels, probabilities=probabilities)
    torch.testing.assert_close(weight, torch.full_like(weight, CONFIG.beta))


def test_doubt_falls_back_to_the_noisy_label(toy: Scene) -> None:
    noisy = torch.full_like(toy.labels, 1)
    probabilities = torch.full((1, CLASSES, HEIGHT, WIDTH), 0.25)
    probabilities[:, 1] = 0
    label, weight = refined(toy, noisy, torch.full_like(toy.source_labels, 255), probabilities=probabilities, beta=0.9)
    assert torch.equal(label, noisy)
    assert (weight == 0.5).all()


def test_without_sources_and_of_any_size() -> None:
    views = scene().views
    small = Views(
        views.target[..., :37, :51],
        views.sources[:, :0, :, :37, :51],
        *(None for _ in range(5)),  # type: ignore[arg-type]
    )
    noisy = torch.zeros(1, 37, 51, dtype=torch.uint8)
    noisy[:, 20:] = 4
    label, _ = refine_labels(noisy, None, torch.zeros(1, 0, 37, 51), small, torch.ones(1, 1, 37, 51), CONFIG)
    assert (label == noisy).float().mean() > 0.9


def plain(noisy: Tensor, probabilities: Tensor, sources: Tensor, views: Views, inverse: Tensor, beta: float) -> Tensor:
    """Evidence (1, K, H, W) by the formulas: one-hot maps, a loop over pixels, padded taps."""
    hot = [F.one_hot(labels, CLASSES).movedim(-1, 1).double() for labels in (noisy, *sources.unbind(1))]
    evidence, total = (1 - beta) * hot[0] + beta * probabilities, torch.ones_like(inverse)
    depth = 1 / inverse
    for source, labels in enumerate(hot[1:]):
        point = depth * views.rays[:, source] + views.offset[:, source]
        u, v = point[:, 0] / (point[:, 2] + 1e-7), point[:, 1] / (point[:, 2] + 1e-7)
        grid = torch.stack((2 * u / (WIDTH - 1) - 1, 2 * v / (HEIGHT - 1) - 1), dim=-1)
        seen = ((grid.abs() <= 1).all(-1) & (point[:, 2] > 0))[:, None]
        sampled = [
            F.grid_sample(maps, grid, padding_mode="border", align_corners=True)
            for maps in (views.sources[:, source], labels)
        ]
        vote = seen * (-photometric_error(sampled[0], views.target) / 0.1).exp()
        evidence, total = evidence + vote * sampled[1], total + vote
    small = F.avg_pool2d(evidence / total, 2)
    log, image = -F.avg_pool2d(inverse, 2).log(), F.avg_pool2d(views.target, 2)
    height, width = small.shape[-2:]
    sums, mass = torch.zeros_like(small), torch.zeros_like(log)
    for dy in range(-5, 6):
        for dx in range(-5, 6):
            rows = torch.arange(height) + 2 * dy
            columns = torch.arange(width) + 2 * dx
            inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))

            def moved(maps: Tensor, rows: Tensor = rows, columns: Tensor = columns) -> Tensor:
                return maps[..., rows.clamp(0, height - 1)[:, None], columns.clamp(0, width - 1)]

            weight = inside * math.exp(-(dy * dy + dx * dx) / 12.5) * (-(log - moved(log)).abs() / 0.15).exp()
            weight = weight * (-(image - moved(image)).abs().mean(1, keepdim=True) / 0.1).exp()
            sums, mass = sums + weight * moved(small), mass + weight
    return F.interpolate(sums / mass, scale_factor=2, mode="bilinear")


def test_plain_twin(toy: Scene) -> None:
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randint(0, CLASSES, toy.labels.shape, generator=generator)
    sources = torch.randint(0, CLASSES, toy.source_labels.shape, generator=generator)
    probabilities = torch.rand(1, CLASSES, HEIGHT, WIDTH, generator=generator).mul(3).softmax(1)
    inverse = toy.inverse_depth * (1 + 0.2 * torch.rand(toy.inverse_depth.shape, generator=generator))
    # the outermost rows would be inside or not by rounding
    views = toy.views._replace(offset=toy.views.offset - torch.tensor([0, 0.1, 0])[:, None, None])
    toy = toy._replace(views=views)
    doubles = Views(*(part.double() if isinstance(part, Tensor) else None for part in views))
    expected = plain(noisy, probabilities.double(), sources, doubles, inverse.double(), 0.4)
    label, weight = refined(
        toy, noisy, sources, replace(CONFIG, fallback=0.0), probabilities=probabilities, inverse_depth=inverse, beta=0.4
    )
    torch.testing.assert_close(weight, expected.amax(1).float(), rtol=1e-4, atol=1e-4)
    two = expected.topk(2, dim=1).values
    clear = two[:, 0] - two[:, 1] > 1e-4
    assert torch.equal(label[clear], expected.argmax(1)[clear])


def test_no_gradient_and_nothing_is_changed(toy: Scene) -> None:
    inverse = toy.inverse_depth.clone().requires_grad_()
    probabilities = torch.rand(1, CLASSES, HEIGHT, WIDTH).softmax(1).requires_grad_()
    before = probabilities.detach().clone(), toy.labels.clone(), toy.source_labels.clone(), toy.views.target.clone()
    given = {"probabilities": probabilities, "inverse_depth": inverse}
    weight = refined(toy, toy.labels, toy.source_labels, **given).weight
    assert not weight.requires_grad
    for now, then in zip((probabilities, toy.labels, toy.source_labels, toy.views.target), before, strict=True):
        assert torch.equal(now, then)


def test_depth_that_has_diverged_moves_no_label(toy: Scene) -> None:
    for value in (0.0, math.inf, math.nan):
        label, weight = refined(
            toy, toy.labels, toy.source_labels, replace(CONFIG, window=1), inverse_depth=toy.inverse_depth * value
        )
        assert torch.isfinite(weight).all()
        assert label.max() < CLASSES


def test_samples_of_a_batch_do_not_mix(toy: Scene) -> None:
    noisy, _ = isolated(toy.labels)
    target, sources, rays, offset = (part.repeat(2, *[1] * (part.dim() - 1)) for part in toy.views[:4])
    stacked = Views(target, sources, rays, offset, None, None, None)
    both = refine_labels(
        torch.cat((noisy, toy.labels)),
        None,
        toy.source_labels.repeat(2, 1, 1, 1),
        stacked,
        toy.inverse_depth.repeat(2, 1, 1, 1),
        CONFIG,
        classes=CLASSES,
    )
    for index, labels in enumerate((noisy, toy.labels)):
        alone = refined(toy, labels, toy.source_labels)
        assert torch.equal(both.label[index], alone.label[0])


def test_bad_input(toy: Scene) -> None:
    with pytest.raises(ValueError, match="expected \\(B, H, W\\), \\(B, S, H, W\\)"):
        refined(toy, toy.labels[:, :48], toy.source_labels)
    with pytest.raises(ValueError, match="source_labels of 1 sources, expected 2"):
        refined(toy, toy.labels, toy.source_labels[:, :1])
    with pytest.raises(ValueError, match="window=4 must be odd"):
        refined(toy, toy.labels, toy.source_labels, replace(CONFIG, window=4))


def test_nothing_waits_for_a_value(toy: Scene) -> None:
    """On tensors without values, anything that reads one raises: a GPU would have to be waited for."""
    views = Views(*(part.to("meta") if isinstance(part, Tensor) else None for part in toy.views[:4]), None, None, None)  # type: ignore[arg-type]
    given = [part.to("meta") for part in (toy.labels, torch.rand(1, CLASSES, HEIGHT, WIDTH), toy.source_labels)]
    label, weight = refine_labels(*given, views, toy.inverse_depth.to("meta"), CONFIG, 0.5)
    assert label.shape == weight.shape == toy.labels.shape
