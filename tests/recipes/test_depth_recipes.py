"""Recipes of depth and of the selection student: the papers' constants, by section of the specifications."""

import functools
from typing import Any

import pytest

from vergence.runs.config import load_config
from vergence.training.optim import lr_factor

recipe_config = functools.cache(load_config)

# semhint 1.5 (recipe), 1.2 (networks): Adam 1e-4, batch 12, 20 epochs of 39,810 (Zhou) or 45,200 (full Eigen) samples,
# x 0.1 after 15; at 1024 x 320 5 epochs at 1e-5 with the batch reduced to fit. three_ways 2.4: dec5, dec5_crop,
# dec6_crop. three_ways 5.2, 5.3: the selection student's first step.
#                              batch height width offsets       steps   lr     drops
PUBLISHED: dict[str, tuple[int, int, int, tuple, int, float, tuple[int, ...]]] = {
    "depth-kitti": (12, 192, 640, (-1, 1), 20 * 39810 // 12, 1e-4, (15 * 39810 // 12,)),
    "depth-kitti-mono-stereo": (12, 192, 640, (-1, 1, "s"), 20 * 39810 // 12, 1e-4, (15 * 39810 // 12,)),
    "depth-kitti-stereo": (12, 192, 640, ("s",), 20 * 45200 // 12, 1e-4, (15 * 45200 // 12,)),
    "depth-kitti-1024": (4, 320, 1024, (-1, 1), 5 * 39810 // 4, 1e-5, ()),
    "depth-kitti-mono-stereo-1024": (4, 320, 1024, (-1, 1, "s"), 5 * 39810 // 4, 1e-5, ()),
    "depth-kitti-stereo-1024": (4, 320, 1024, ("s",), 5 * 45200 // 4, 1e-5, ()),
    "depth-cityscapes": (2, 512, 1024, (-1, 1), 300_000, 1e-4, (160_000,)),
    "depth-cityscapes-crop": (4, 512, 1024, (-1, 1), 300_000, 1e-4, (160_000,)),
    "depth-cityscapes-b": (4, 512, 1024, (-1, 1), 50_000, 1e-5, ()),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_constants(name: str) -> None:
    batch, height, width, offsets, steps, rate, drops = PUBLISHED[name]
    config = recipe_config(name)
    options, optim = config.frames.options, config.optim
    assert (config.method, config.frames.batch_size, config.train.accumulate) == ("depth", batch, 1)
    assert (options.height, options.width, options.offsets, options.require) == (height, width, offsets, "all")
    assert (config.train.steps, optim.lr, optim.group_lr, optim.clip) == (steps, rate, {}, None)
    assert (optim.name, optim.weight_decay, optim.betas, optim.warmup) == ("adam", 0, (0.9, 0.999), 0)
    for step in (0, steps // 4, *(place for drop in drops for place in (drop - 1, drop)), steps - 1):
        assert lr_factor(optim, steps, step) == pytest.approx(0.1 ** sum(step >= drop for drop in drops))
    assert (options.flip, options.jitter) == (0.5, 0.5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_and_losses(name: str) -> None:
    """semhint 1.2 to 1.5; three_ways 2.1 to 2.3."""
    section: Any = recipe_config(name).section
    network, loss = section.network, section.loss
    kitti = name.startswith("depth-kitti")
    form = ("resnet18", "monodepth2", None) if kitti else ("resnet101", "three_ways", 16)
    assert (network.encoder, network.decoder, network.output_stride) == form
    assert (network.weights, network.normalization, tuple(network.scales)) == ("imagenet", "monodepth2", (0, 1, 2, 3))
    assert (section.pose.encoder, section.pose.weights) == ("resnet18", "imagenet")
    assert (loss.min_depth, loss.max_depth, loss.ssim_weight, loss.smoothness) == (0.1, 100, 0.85, 1e-3)
    assert (loss.reduction, loss.automask, loss.normalise, section.tie_break) == ("min", True, "all", 1e-5)
    assert section.metres_per_unit == 5.4


def test_phases_of_cityscapes() -> None:
    """three_ways 2.4: which part trains, where it starts, on what frames."""
    found = {}
    for name in ("depth-cityscapes", "depth-cityscapes-crop", "depth-cityscapes-b"):
        config = recipe_config(name)
        section: Any = config.section
        found[name] = (
            section.freeze_encoder,
            section.freeze_batchnorm,
            section.feature_distance,
            config.frames.options.random_crop,
            config.train.precision,
        )
    assert found == {
        "depth-cityscapes": (True, False, 0.0, None, "no"),
        "depth-cityscapes-crop": (True, False, 0.0, (512, 512), "no"),
        "depth-cityscapes-b": (False, False, 0.01, (512, 512), "fp16"),
    }
    assert recipe_config("depth-cityscapes-crop").section.initialize_parts == ("pose",)  # type: ignore[attr-defined]
    assert recipe_config("depth-cityscapes-b").section.initialize_parts == ("decoder", "pose")  # type: ignore[attr-defined]


def test_the_selection_student() -> None:
    """three_ways 5.2 and 5.3."""
    config = recipe_config("select-student")
    section: Any = config.section
    network, options, optim = section.network, config.frames.options, config.optim
    assert (config.method, config.frames.batch_size, config.train.steps) == ("distill", 2, 4000)
    assert (options.height, options.width, options.random_crop) == (512, 1024, (512, 512))
    assert (options.flip, options.jitter) == (0.5, 0)
    assert (network.encoder, network.weights, network.output_stride) == ("resnet50", "imagenet", 16)
    assert (network.decoder, tuple(network.decoder_widths)) == ("three_ways", (64, 64, 128, 128, 256))
    assert (network.decoder_batchnorm, tuple(network.aspp_rates)) == (True, (6, 12, 18))
    assert (section.ignored_bottom, optim.name, optim.weight_decay, optim.clip) == (0.1, "adam", 0, None)
    rates = [optim.lr * lr_factor(optim, 4000, step) for step in (0, 1000, 3999, 4000)]
    assert rates == pytest.approx([1e-4, 1e-4 * 0.75**0.9, 1e-4 * (1 / 4000) ** 0.9, 1e-10])
    assert (optim.group_lr, optim.warmup) == ({}, 0)
