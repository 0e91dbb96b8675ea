"""Recipes of CorDA: the published constants, classes that meet, and what a tiny run does on toy town."""

import functools
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.test_pools import SPACE, world
from vergence import api
from vergence.data.label_space import CAMVID_11
from vergence.data.labels import label_mapping, label_space
from vergence.data.manifest import Manifest
from vergence.runs.config import RunConfig, load_config
from vergence.runs.recipe import read_recipe, recipe_names
from vergence.training.optim import lr_factor

PAGE = Path(__file__).parents[2] / "docs/corda.md"
NAMES = [name for name in recipe_names() if name.startswith("corda-")]
PUBLISHED = ["corda-gta", "corda-synthia-mono", "corda-synthia-stereo"]
LINES = re.findall(r"^\| [^|]+ \| `(--(?:corda|network)\.[^`]+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

recipe_config = functools.cache(load_config)


@pytest.mark.parametrize("name", NAMES)
def test_settings_agree_with_each_other(name: str) -> None:
    config = load_config(name, {"frames.options.height": 512})  # that of corda-video follows from the data
    config.section.check()
    assert config.method == "corda"


def test_every_recipe_has_a_tiny_twin() -> None:
    for name in NAMES:
        if not name.endswith("-tiny"):
            assert f"{name}-tiny" in NAMES
            assert read_recipe(f"{name}-tiny")["train"]["steps"] <= 60


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_constants(name: str) -> None:
    """corda.md 1.3, 1.4, 3 and 5.3."""
    config = recipe_config(name)
    section, optim, options = config.section, config.optim, config.frames.options
    assert (config.frames.batch_size, config.train.steps, config.train.seed) == (2, 250000, 1)
    assert (optim.name, optim.momentum, optim.weight_decay, optim.clip) == ("sgd", 0.9, 5e-4, None)
    rates = [lr_factor(optim, config.train.steps, step) * optim.group_lr["encoder"] for step in (0, 25000, 125000)]
    assert rates == pytest.approx([2.5e-4, 2.273831e-4, 1.339717e-4], rel=1e-6)
    assert optim.group_lr["heads"] == 10 * optim.group_lr["encoder"]
    assert (options.height, options.width, options.random_crop) == (512, 1024, (512, 512))
    assert (section.source_size, section.source_resampling, options.resampling) == ((720, 1280), "bicubic", "bilinear")
    assert (options.flip, options.jitter, options.label_space) == (0, 0, "cityscapes19")
    assert (section.source_depth_weight, section.mixed_depth_weight) == (0.01, 0.001)
    assert (section.teacher_decay, section.difficulty, section.network.aspp_branches) == (0.999, "per_image", 2)
    mixing = section.consistency
    assert (mixing.mix, mixing.confidence, mixing.weight) == ("classmix", 0.968, 1)
    assert (mixing.jitter, mixing.strength, mixing.blur) == (0.8, 0.25, 0.5)
    assert list(section.roles) == ["source", "target"]


def test_the_published_recipes_differ_in_depth_variant_and_pseudo_labels() -> None:
    found = {}
    for name in PUBLISHED:
        section, classes = recipe_config(name).section, recipe_config(name).evaluate.classes
        head = section.pseudo_head if section.pseudo_head != "switch" else section.switch_step
        found[name] = (section.network.variant, section.source_depth, section.target_depth, head, classes)
    assert found == {
        "corda-gta": ("gta", "estimate", "measured", 25001, "all"),
        "corda-synthia-mono": ("synthia", "measured", "estimate", "final", "synthia16"),
        "corda-synthia-stereo": ("synthia", "measured", "measured", "final", "synthia16"),
    }


def test_the_released_program_differs_from_the_paper_in_three_switches() -> None:
    """corda.md 1.4 (entries of the optimiser), 4 (batch_mean), 1.3 (void is a class)."""
    paper, released = recipe_config("corda-gta"), recipe_config("corda-gta-released")
    mixing = replace(paper.section.consistency, mix_void=True)
    assert released.section == replace(paper.section, difficulty="batch_mean", repeat_encoder=True, consistency=mixing)
    assert (released.optim, released.train, released.frames) == (paper.optim, paper.train, paper.frames)


def test_all_classes_of_camvid_are_learned_from_the_town() -> None:
    space = label_space(recipe_config("corda-camvid").frames.options.label_space)
    assert space.classes == CAMVID_11.classes
    assert set(label_mapping("cityscapes19", space.text())[:19]) == set(range(11))


@pytest.mark.parametrize("recipe", ["corda-toytown", "corda-camvid"])
def test_switches_of_the_runnable_recipes(recipe: str) -> None:
    def with_settings(variant: str = "synthia", **settings: object) -> RunConfig:
        return load_config(recipe, {"network.variant": variant, "corda": settings})

    bare = with_settings("dacs", adapt=False, depth=False)
    mixing_alone = with_settings("dacs", depth=False)
    estimated = with_settings(source_depth="runs/town", target_depth="runs/street")
    for config in (bare, mixing_alone, estimated):
        config.section.check()
    assert list(bare.section.roles) == ["source"]
    target = mixing_alone.section.roles["target"]
    assert (target.depth_port, target.inverse_depth) == ("", "")
    assert estimated.section.roles["source"].depth_port == "runs/town"


def test_a_tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target has no labels at all, so that the classes are the source's."""
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    target, source = world(tmp_path / "dusk", 1), world(tmp_path / "clear", 2)
    bare = Manifest.read(target).changed(lambda row: replace(row, label="", label_space=""))
    target = bare.write(tmp_path / "dusk" / "bare.parquet")
    settings = {
        "frames.source_domain": str(source),
        "frames.options.height": 64,
        "frames.options.width": 96,
        "frames.workers": 0,
        "network.encoder": "test_resnet",
        "network.weights": "none",
        "network.width": 16,
        "train.steps": 2,
        "train.evaluate_every": 0,
    }
    run = Path(api.train("corda-toytown-tiny", tmp_path / "run", target, settings))
    assert load_config(run / "recipe.yaml").frames.options.label_space == SPACE


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_page_is_consistent(line: str) -> None:
    load_config("corda-toytown", shlex.split(line)).section.check()


def test_lines_of_the_page_are_the_steps_of_the_study() -> None:
    assert len(LINES) >= 12
    sections = [load_config("corda-toytown", shlex.split(line)).section for line in LINES[:7]]
    said = [
        (one.adapt, one.depth, one.network.variant, one.network.correlation, one.weighs_difficulty) for one in sections
    ]
    assert said == [
        (False, False, "dacs", True, False),
        (True, False, "dacs", True, False),
        (True, True, "multitask", True, False),
        (True, True, "synthia", False, False),
        (True, True, "synthia", True, False),
        (True, True, "synthia", False, True),
        (True, True, "synthia", True, True),
    ]
