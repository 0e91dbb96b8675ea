"""Recipes as files: names, and what they extend."""

from pathlib import Path

import pytest

from tests.runs.recipes import recipe
from tests.training.tiny_method import TinyConfig
from vergence.errors import InputError
from vergence.runs.config import load_config
from vergence.runs.recipe import recipe_names


def test_tiny_twins_exist() -> None:
    names = recipe_names()
    assert {"depth-kitti-tiny", "depth-cityscapes-tiny", "depth-video-tiny", "depth-toytown-tiny"} <= set(names)


def test_extends_merges_sections_and_replaces_lists(tmp_path: Path) -> None:
    recipe(tmp_path, "method: tiny\noptim: {milestones: [1, 2], lr: 0.5}\ntrain: {steps: 3}", "base.yaml")
    child = recipe(tmp_path, "extends: base.yaml\noptim: {milestones: [7]}\ntrain: {seed: 4}")
    config = load_config(child)
    assert config.optim.milestones == (7,)
    assert (config.optim.lr, config.train.steps, config.train.seed) == (0.5, 3, 4)
    assert isinstance(config.section, TinyConfig)


def test_a_recipe_file_may_extend_a_shipped_one(tmp_path: Path) -> None:
    config = load_config(recipe(tmp_path, "extends: depth-kitti\ntrain: {steps: 9}"))
    assert config.train.steps == 9
    assert config.frames.options.width == 640


def test_a_recipe_file_may_be_written_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "MINE.YAML").write_text("extends: depth-kitti\ntrain: {steps: 9}")
    assert load_config(tmp_path / "MINE.YAML").train.steps == 9


def test_a_recipe_may_extend_one_of_another_method(tmp_path: Path) -> None:
    base = recipe(
        tmp_path,
        "method: three_ways\nframes: {batch_size: 3}\nnetwork: {encoder: resnet50, head_channels: 7}\n"
        "pose: {weights: none}\nthree_ways: {multi_task: true}\noptim: {lr: 0.5}",
        "base.yaml",
    )
    unimatch = load_config(recipe(tmp_path, "extends: base.yaml\nmethod: unimatch\nunimatch: {mix_labels: true}"))
    assert (unimatch.section.network.head_channels, unimatch.section.pose.weights) == (7, "none")
    assert (unimatch.section.multi_task, unimatch.section.mix_labels, unimatch.optim.lr) == (False, True, 0.5)
    depth = load_config(recipe(tmp_path, "extends: base.yaml\nmethod: depth\nnetwork: {scales: [0]}"))
    assert (depth.section.network.encoder, depth.section.network.scales) == ("resnet50", (0,))
    assert depth.frames.batch_size == load_config(base).frames.batch_size == 3
    supervised = load_config(recipe(tmp_path, "extends: base.yaml\nmethod: supervised"))
    assert supervised.section.network.head_channels == 7
    with pytest.raises(InputError, match=r"network\.head_channels"):  # what it says itself must be known
        load_config(recipe(tmp_path, "extends: base.yaml\nmethod: depth\nnetwork: {head_channels: 7}"))
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        load_config(recipe(tmp_path, "extends: base.yaml\nmethod: tinny"))


def test_a_recipe_may_extend_several_the_later_over_the_earlier(tmp_path: Path) -> None:
    recipe(tmp_path, "method: tiny\ntiny: {width: 3}\ntrain: {steps: 3, seed: 4}\noptim: {lr: 0.5}", "first.yaml")
    part = "train: {steps: 9}\nnetwork: {encoder: resnet18, head_channels: 7}\nevaluate: {limit: 2}"
    recipe(tmp_path, part, "part.yaml")
    config = load_config(recipe(tmp_path, "extends: [first.yaml, part.yaml]\nevaluate: {limit: 5}"))
    assert (config.method, config.section.width) == ("tiny", 3)
    assert (config.train.steps, config.train.seed, config.optim.lr, config.evaluate.limit) == (9, 4, 0.5, 5)
    depth = load_config(recipe(tmp_path, "method: distill\nextends: [part.yaml, first.yaml]"))
    assert (depth.train.steps, depth.section.network.encoder) == (3, "resnet18")


def test_circular_extends(tmp_path: Path) -> None:
    recipe(tmp_path, "extends: b.yaml", "a.yaml")
    recipe(tmp_path, "extends: a.yaml", "b.yaml")
    with pytest.raises(InputError, match="extends itself"):
        load_config(tmp_path / "a.yaml")


def test_unknown_recipe_names_the_nearest_and_a_missing_file_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'depth-kitti'"):
        load_config("depth-kity")
    with pytest.raises(InputError, match=r"nothing\.yaml does not exist"):
        load_config(tmp_path / "nothing.yaml")
