"""The role "source": a second, labelled domain with a depth port and a batch size of its own."""

from pathlib import Path
from typing import Any

import pytest

from tests.training.test_pools import HEIGHT, ONE_PROCESS, WIDTH, world
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.runs.config import RunConfig, load_config
from vergence.training.pools import build_loaders, open_training_data


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def settings(data: Path, source: Path | None, **changes: Any) -> RunConfig:
    values = {
        "frames.options.height": HEIGHT,
        "frames.options.width": WIDTH,
        "frames.options.random_crop": None,
        "frames.labelled.count": 2,
        "frames.workers": 0,
        "frames.source_domain": None if source is None else str(source),
        "train.evaluate_every": 0,
    }
    return load_config("three_ways-ssda-tiny", values | changes, data)


def test_roles_of_two_domains(tmp_path: Path) -> None:
    target, source = world(tmp_path / "target", 1), world(tmp_path / "source", 2)
    config = settings(target, source)
    roles = open_training_data(config).roles
    assert list(roles) == ["labelled", "unlabelled", "source"]
    assert {row.label for row in roles["source"]} == {f"label/{k}.png" for k in range(6)}
    assert sum(bool(row.label) for row in roles["unlabelled"]) == 2
    assert [all(row.estimate for row in roles[role]) for role in roles] == [False, True, True]
    loaders = build_loaders(config, roles, None, ONE_PROCESS)
    batches = {role: next(iter(loader)) for role, loader in loaders.items()}
    assert [len(batches[role]["frames"]) for role in roles] == [2, 2, 10]
    assert batches["source"]["label"].unique().tolist() == [2]
    assert batches["source"]["estimate"].shape == (10, 1, HEIGHT, WIDTH)


def test_domains_may_have_depth_of_different_origin(tmp_path: Path) -> None:
    target, source = world(tmp_path / "target", 1, depth=False), world(tmp_path / "source", 2)
    folder = str(tmp_path / "source" / "depth")  # named as the target's images are
    roles = open_training_data(settings(target, source, **{"ssda.depth": folder, "ssda.source_depth": "truth"})).roles
    assert roles["unlabelled"][0].estimate != roles["source"][0].estimate
    with pytest.raises(InputError, match="has no measured depth"):
        open_training_data(settings(target, source, **{"ssda.depth": "truth"}))


def test_a_source_domain_must_be_there_and_have_labels(tmp_path: Path) -> None:
    target = world(tmp_path / "target", 1)
    with pytest.raises(InputError, match=r"name its manifest or folder in frames\.source_domain"):
        open_training_data(settings(target, None))
    bare = Manifest.read(target)
    bare = bare.changed(lambda row: type(row)(row.image, row.sequence, row.position))
    bare.write(tmp_path / "target" / "bare.parquet")
    with pytest.raises(InputError, match=r"has no labels, and frames\.source_domain must"):
        open_training_data(settings(target, tmp_path / "target" / "bare.parquet"))
