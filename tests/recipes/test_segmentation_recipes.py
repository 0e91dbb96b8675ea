"""Recipes of Three Ways: the paper's constants, transfer that fits, and the experiments as the page names them."""

import dataclasses
import functools
import re
import shlex
from pathlib import Path

import pytest

from vergence.runs.config import RunConfig, load_config
from vergence.runs.recipe import read_recipe, recipe_names
from vergence.settings.networks import DepthNetworkConfig
from vergence.training.optim import lr_factor

PAGE = Path(__file__).parents[2] / "docs/three_ways.md"
EXPERIMENTS = {
    name: shlex.split(line)[2:]
    for name, line in re.findall(
        r"^\| ([^|]+) \| `(vergence train three_ways[^`]+)` \|$", PAGE.read_text(), re.MULTILINE
    )
}


@functools.cache
def experiment(name: str) -> RunConfig:
    recipe, *words = EXPERIMENTS[name]
    return load_config(recipe, words)


recipe_config = functools.cache(load_config)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_of_the_page_is_one_consistent_line(name: str) -> None:
    config = experiment(name)
    config.section.check()
    assert config.method == "three_ways"
    assert (config.section.initialize_from is None) == name.startswith("scratch")


def test_experiments_differ_in_what_they_are_called() -> None:
    for name, config in ((name, experiment(name)) for name in EXPERIMENTS):
        section = config.section
        assert section.teacher == ("labels alone" not in name)
        if section.teacher:
            truth = "ground truth" in name or "DepthMix" in name
            assert section.mix_labels == truth
            assert config.frames.unlabelled == ("all" if truth else "rest")
            wanted = {"ClassMix": "classmix", "DepthMix": "depthmix", "mean teacher": "none"}
            assert section.consistency.mix == next(mix for said, mix in wanted.items() if said in name)
        assert section.multi_task == ("multi-task" in name)
    assert len(EXPERIMENTS) >= 11


def test_constants_of_experiment_212() -> None:
    config = recipe_config("three_ways-cityscapes")
    network, optim, options = config.section.network, config.optim, config.frames.options
    assert (network.encoder, network.output_stride, network.normalization) == ("resnet101", 16, "monodepth2")
    assert (network.decoder, network.exchange, network.exchange_level) == ("three_ways", "pad", 2)
    assert (network.side_output, tuple(network.head_levels), network.head_channels) == (True, (0,), None)
    assert (optim.name, optim.momentum, optim.weight_decay, optim.clip) == ("sgd", 0.9, 5e-4, 10)
    assert (optim.lr, optim.group_lr) == (1e-2, {"encoder": 1e-3, "pose": 1e-6})
    assert [lr_factor(optim, config.train.steps, step) for step in (0, 29999, 30000, 39999)] == [1, 1, 0.1, 0.1]
    assert (config.train.steps, config.train.seed, config.frames.batch_size) == (40000, 7, 2)
    assert (options.width, options.height, options.random_crop) == (1024, 512, (512, 512))
    assert (options.flip, options.jitter, options.offsets) == (0.5, 0, (-1, 1))
    assert list(config.section.roles) == ["labelled", "unlabelled"]
    assert not any(role.depth_port for role in config.section.roles.values())
    assert not config.section.roles["unlabelled"].frame_options(options).load_estimate


def test_single_task_has_the_projecting_head_of_experiment_210() -> None:
    network = recipe_config("three_ways-cityscapes-210").section.network
    assert (network.exchange, network.head_channels, network.head_hidden, network.head_dropout) == (
        "none",
        64,
        False,
        0,
    )


@pytest.mark.parametrize(
    ("depth", "segmentation"),
    [
        ("depth-cityscapes-b", "three_ways-cityscapes"),
        ("depth-cityscapes-b", "three_ways-cityscapes-210"),
        ("depth-cityscapes-b", "supervised-cityscapes"),
        ("depth-cityscapes-b", "three_ways-camvid"),
        ("depth-cityscapes-b", "three_ways-mapillary"),
        ("depth-toytown", "three_ways-toytown"),
        ("depth-toytown-demo", "three_ways-toytown"),
    ],
)
def test_depth_runs_transfer(depth: str, segmentation: str) -> None:
    given, taken = (recipe_config(recipe).section for recipe in (depth, segmentation))
    same(given.network, taken.network)
    if segmentation.startswith("three_ways"):
        assert (given.pose, given.loss, given.metres_per_unit) == (taken.pose, taken.loss, taken.metres_per_unit)


def same(given: DepthNetworkConfig, taken: DepthNetworkConfig) -> None:
    for field in dataclasses.fields(DepthNetworkConfig):
        assert getattr(given, field.name) == getattr(taken, field.name), field.name


def test_video_recipes_transfer(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / f"frame_{number}.png")
    for suffix in ("", "-tiny"):
        given, taken = (load_config(f"{kind}-video{suffix}", data=tmp_path) for kind in ("depth", "three_ways"))
        same(given.section.network, taken.section.network)
        assert (given.section.pose, given.section.loss) == (taken.section.pose, taken.section.loss)
        sizes = [(config.frames.options.height, config.frames.options.width) for config in (given, taken)]
        assert sizes[0] == sizes[1]


def test_every_recipe_has_a_tiny_twin() -> None:
    names = [name for name in recipe_names() if name.startswith(("three_ways-", "supervised-"))]
    for name in names:
        if not name.endswith(("-tiny", "-demo", "-small")):
            assert f"{name}-tiny" in names
            assert read_recipe(f"{name}-tiny")["train"]["steps"] <= 60
