"""Recipes, overrides, and what is said about mistakes in them."""

from pathlib import Path

import pytest
import yaml

from tests.runs.recipes import recipe
from tests.training.tiny_method import write_frames, write_recipe
from vergence.errors import InputError
from vergence.runs.config import config_from_dict, load_config
from vergence.runs.recipe import recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_valid_and_survive_a_round_trip(name: str) -> None:
    config = load_config(name, {"frames.options.height": 1024})
    assert config.recipe == name
    again = config_from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict())))
    assert again == config


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
        (["--train.compile", "false"], "train.compile", False),
        (["--train.compile", "step"], "train.compile", "step"),
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
