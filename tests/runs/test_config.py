"""Recipes, overrides, and what is said about mistakes in them."""

from pathlib import Path

import pytest
import yaml

from tests.training.tiny_method import TinyConfig, write_frames, write_recipe
from vergence.errors import InputError
from vergence.runs.config import config_from_dict, load_config
from vergence.runs.recipe import recipe_names


def recipe(folder: Path, text: str, name: str = "own.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_valid_and_survive_a_round_trip(name: str) -> None:
    config = load_config(name, {"frames.options.height": 1024})
    assert config.recipe == name
    again = config_from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict())))
    assert again == config


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


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--train.steps=7"], "train.steps", 7),
        (["--train.steps", "7"], "train.steps", 7),
        (["--optim.lr", "1e-3"], "optim.lr", 1e-3),
        (["--optim.clip", "null"], "optim.clip", None),
        (["--optim.clip", "None"], "optim.clip", None),
        (["--optim.milestones", "[3, 4]"], "optim.milestones", (3, 4)),
        (["--frames.options.offsets", '[-1, 1, "s"]'], "frames.options.offsets", (-1, 1, "s")),
        (["--frames.options.random_crop=[32, 32]"], "frames.options.random_crop", (32, 32)),
        (["--frames.workers", "auto"], "frames.workers", "auto"),
        (["--frames.workers", "3"], "frames.workers", 3),
        (["--frames.cache", "false"], "frames.cache", False),
        (["--train.compile"], "train.compile", True),
        (["--optim.group_lr.head", "0.5"], "optim.group_lr", {"head": 0.5}),
        (["--optim.group_lr", "{head: 0.5}"], "optim.group_lr", {"head": 0.5}),
        (["--evaluate.protocol", "eigen"], "evaluate.protocol", "eigen"),
        (["--tiny.width", "9"], "tiny.width", 9),
    ],
)
def test_overrides_are_typed(tmp_path: Path, words: list[str], key: str, value: object) -> None:
    found: object = load_config(write_recipe(tmp_path), words)
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_overrides_as_a_mapping(tmp_path: Path) -> None:
    config = load_config(write_recipe(tmp_path), {"train.steps": 3, "frames": {"options": {"flip": 0.25}}})
    assert (config.train.steps, config.frames.options.flip) == (3, 0.25)
    assert config.train.log_every == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train.stps", "3"], "train.steps"),
        (["--trian.steps", "3"], "'train'"),
        (["--steps", "3"], "train.steps"),
        (["--tiny.widht", "3"], "tiny.width"),
        (["--frames.options.heigt", "3"], "frames.options.height"),
        (["--train.steps.more", "3"], "without keys"),
        (["--train.steps", "many"], "an integer"),
        (["--train.steps", "1.5"], "an integer"),
        (["--train.steps"], "no value"),
        (["--optim.schedule", "cosin"], "cosine"),
        (["--optim.lr", "fast"], "a number"),
        (["--optim.lr", "-1"], "positive"),
        (["--optim.clip", "0"], "positive"),
        (["--optim.milestones", "[4, 3]"], "rising"),
        (["--optim.schedule", "step"], "step_size"),
        (["--train.ema", "2"], "decay"),
        (["--train.log_every", "0"], "1 or more"),
        (["--frames.batch_size", "0"], "1 or more"),
        (["--frames.workers", "-1"], "auto"),
        (["--frames.cache", "perhaps"], "true or false"),
        (["--frames.options.offsets", "[0]"], "offsets"),
        (["--method", "tinny"], "method"),
        (["--evaluate.protocol", "eigne"], "did you mean 'eigen'"),
        (["train.steps", "3"], "--section.key"),
    ],
)
def test_mistakes_in_overrides(tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        load_config(write_recipe(tmp_path), words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: tiny\nfrmes: {}", "'frames'"),
        ("method: tiny\nframes: {options: {widht: 3}}", "frames.options.width"),
        ("method: tiny\ntrain: 5", "section"),
        ("method: tinny", "did you mean 'tiny'"),
        ("method: depth\ntiny: {width: 3}", "'tiny'"),
        ("method: tiny\ntrain: {steps: x}", "an integer"),
        ("method: tiny\ntiny: {class_path: os.system, init_args: {}}", "class_path"),
        ("- 1\n- 2", "sections"),
        ("method: [", "YAML"),
        ("extends: depth-kity", "depth-kitti"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
    ],
)
def test_mistakes_in_recipes(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_config(recipe(tmp_path, text))


def test_unknown_recipe_names_the_nearest_and_a_missing_file_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'depth-kitti'"):
        load_config("depth-kity")
    with pytest.raises(InputError, match=r"nothing\.yaml does not exist"):
        load_config(tmp_path / "nothing.yaml")


def test_height_zero_keeps_the_aspect_of_the_frames(tmp_path: Path) -> None:
    manifest = write_frames(tmp_path)
    config = load_config(write_recipe(tmp_path), {"frames.options.height": 0, "frames.options.width": 192}, manifest)
    assert config.frames.options.height == 96
    with pytest.raises(InputError, match="--data"):
        load_config(write_recipe(tmp_path), {"frames.options.height": 0})


def test_sources_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(write_recipe(tmp_path), (), "here.csv").frames.source == str(tmp_path / "here.csv")


def test_evaluation_split_follows_the_frames(tmp_path: Path) -> None:
    assert load_config(write_recipe(tmp_path), {"frames.val_split": "test"}).evaluate.split == "test"
    assert load_config(write_recipe(tmp_path), {"evaluate.split": "other"}).evaluate.split == "other"
