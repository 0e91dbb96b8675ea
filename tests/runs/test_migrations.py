"""Recipes of earlier versions: what was stored once opens as it was, whatever settings are called now."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.tiny_method import write_recipe
from vergence.errors import InputError
from vergence.flywheel.settings import FlywheelRecipe, GateConfig, load_flywheel
from vergence.methods import method_named, method_names
from vergence.report.stored_run import stored_settings
from vergence.runs.checkpoint import read_settings
from vergence.runs.config import config_from_dict, load_config
from vergence.runs.folder import Checkpoint, RunFolder
from vergence.runs.label_port_classes import port_space
from vergence.runs.migrations import VERSION, migrated, renamed
from vergence.runs.overrides import flattened

STORED = Path(__file__).parent / "stored"
"""Recipes as runs of earlier versions stored them, a folder a version."""
FIRST = sorted((STORED / "version-1").glob("*.yaml"))


def values_of(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def moved_back(values: dict[str, Any]) -> dict[str, Any]:
    """As version 1 had it: network and pose in the method's section."""
    found = {key: value for key, value in values.items() if key not in ("version", "network", "pose")}
    section = dict(found[found["method"]])
    section |= {key: values[key] for key in ("network", "pose") if key in values}
    return found | {found["method"]: section}


def test_there_are_stored_recipes_of_every_version_and_method() -> None:
    assert {path.name for path in STORED.iterdir()} == {f"version-{number}" for number in range(1, VERSION)}
    methods = {name for name in method_names() if method_named(name).__module__.startswith("vergence.")}
    assert {values_of(path).get("method", "flywheel") for path in FIRST} == methods | {"flywheel"}


@pytest.mark.parametrize("path", [path for path in FIRST if path.stem != "flywheel"], ids=lambda path: path.stem)
def test_a_stored_recipe_opens_as_it_was(path: Path) -> None:
    """Settings that came later have their defaults."""
    config = load_config(path)
    before, now = dict(flattened(values_of(path))), dict(flattened(moved_back(config.to_dict())))
    assert {key: now.get(key, "missing") for key in before} == before
    assert config.to_dict()["version"] == VERSION
    assert config_from_dict(config.to_dict()) == config


def test_a_stored_flywheel_opens_as_it_was() -> None:
    path = STORED / "version-1" / "flywheel.yaml"
    before, found = values_of(path)["flywheel"], load_flywheel(path).flywheel
    assert found.overrides == before["overrides"]
    assert found.depth.overrides == {"train.evaluate_every": 0, "network.weights": "none", "pose.encoder": "posecnn"}
    assert found.segmentation.overrides["network.weights"] == "none"
    assert found.hinted_depth.overrides == before["hinted_depth"]["overrides"]
    assert (found.rounds, found.labels.per_round) == (before["rounds"], before["labels"]["per_round"])


@pytest.mark.parametrize("version", ["version-1", "version-2"])
def test_a_stored_flywheel_goes_on_without_a_gate(version: str, tmp_path: Path) -> None:
    found = load_flywheel(STORED / version / "flywheel.yaml").flywheel
    assert (found.gate.by, found.later.rate, found.warm_start, found.carry.seconds) == ("none", 1.0, False, 0.0)
    again = load_flywheel(FlywheelRecipe("own", replace(found, gate=GateConfig("video"))).write(tmp_path)).flywheel
    assert again.gate.by == "video"
    new = load_flywheel("flywheel-toytown-tiny", (), tmp_path).flywheel
    assert (new.gate.by, new.warm_start) == ("auto", True)


def test_a_stored_flywheel_keeps_its_one_doubt(tmp_path: Path) -> None:
    stored = STORED / "version-3" / "flywheel.yaml"
    assert "doubt_with_labels" not in values_of(stored)["flywheel"]["gate"]
    found = load_flywheel(stored).flywheel
    assert (found.gate.doubt, found.gate.doubt_with_labels) == (-1.0, -1.0)
    other = replace(found, gate=GateConfig(doubt_with_labels=0.5))
    assert load_flywheel(FlywheelRecipe("own", other).write(tmp_path)).flywheel.gate.doubt_with_labels == 0.5
    written = tmp_path / "own.yaml"
    written.write_text("extends: flywheel-toytown-tiny\nflywheel: {gate: {doubt: 0}}\n", encoding="utf-8")
    assert load_flywheel(written, (), tmp_path).flywheel.gate.doubt_with_labels == 1.0


def test_stored_settings_are_read_in_todays_words_everywhere(tmp_path: Path) -> None:
    run, stored = RunFolder(tmp_path), values_of(STORED / "version-1" / "three_ways.yaml")
    run.write_recipe(stored)
    assert stored_settings(run.path)["network"] == stored["three_ways"]["network"]
    assert "network" not in stored_settings(run.path)["three_ways"]
    assert port_space(str(run), None) == stored["frames"]["options"]["label_space"] != ""
    checkpoint = Checkpoint(tmp_path / "alone")
    checkpoint.path.mkdir()
    checkpoint.settings.write_text(json.dumps({"format": 1, "step": 7, "config": stored}))
    config, step = read_settings(checkpoint)
    assert (step, config.section.network.head_channels) == (7, stored["three_ways"]["network"]["head_channels"])


def test_a_window_was_a_list_once() -> None:
    stored = values_of(STORED / "version-1" / "unimatch.yaml")
    stored["evaluate"]["window"] = [64, 128]
    assert config_from_dict(stored).evaluate.window == "128x64"


def test_recipes_without_a_version_may_have_old_or_new_words(tmp_path: Path) -> None:
    for text in ("depth: {network: {scales: [1]}, tie_break: 0.5}", "network: {scales: [1]}\ndepth: {tie_break: 0.5}"):
        (tmp_path / "own.yaml").write_text(f"extends: depth-kitti\n{text}\n", encoding="utf-8")
        section = load_config(tmp_path / "own.yaml").section
        assert (section.network.scales, section.network.encoder, section.tie_break) == ((1,), "resnet18", 0.5)
    values = {"depth": {"network": {"scales": [1]}}, "network": {"scales": [0]}}
    with pytest.raises(InputError, match=r"own has network\.scales and, as it was called once, depth\.network\.scales"):
        migrated(values, "own")
    values["network"] = {"encoder": "resnet50"}  # type: ignore[dict-item]
    assert migrated(values, "own") == {"network": {"encoder": "resnet50", "scales": [1]}}


@pytest.mark.parametrize("version", [VERSION + 1, 0, "2", 1.5, True, None])
def test_versions_that_cannot_be_read(tmp_path: Path, version: object) -> None:
    text = write_recipe(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(f"version: {json.dumps(version)}\n{text}", encoding="utf-8")
    said = "update Vergence" if version == VERSION + 1 else "a whole number from 1"
    with pytest.raises(InputError, match=rf"own\.yaml.*{said}") as error:
        load_config(tmp_path / "own.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "old", "new"),
    [
        (["--depth.network.encoder", "resnet50"], "depth.network", "network"),
        ({"depth.pose.weights": "none"}, "depth.pose", "pose"),
        ({"depth": {"network": {"scales": [0]}}}, "depth.network", "network"),
    ],
)
def test_overrides_with_old_names_are_told_the_new_ones(given: Any, old: str, new: str) -> None:
    with pytest.raises(InputError, match=f"'{old}' .* is called '{new}' now"):
        load_config("depth-kitti", given)


def test_new_names_of_old_settings() -> None:
    assert renamed("three_ways.network.head_levels") == "network.head_levels"
    assert renamed("semhint.pose") == "pose"
    for key in ("network.encoder", "frames.network", "depth.networks", "train.steps", "depth.loss.network", ""):
        assert renamed(key) == ""


@pytest.mark.parametrize("values", [{"depth": 3}, {"depth": {"network": 3}}, {"evaluate": [1]}, {"flywheel": "x"}])
def test_broken_sections_are_left_to_be_said_later(values: dict[str, Any]) -> None:
    assert migrated(values, "own") == values
    with pytest.raises(InputError):
        migrated({"depth": {"network": {"scales": [0]}}, "network": 3}, "own")
