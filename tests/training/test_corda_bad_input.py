"""Adaptation between domains that do not fit: one sentence each, before the first step; and batches of one."""

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.test_corda_run import recipe
from tests.training.test_pools import COUNT, HEIGHT, WIDTH, world
from vergence import api
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

PLAIN = {"corda.labelled": False, "corda.rare_class_temperature": 0.0, "corda.feature_distance.weight": 0.0}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


@pytest.fixture
def domains(tmp_path: Path) -> tuple[Path, Path]:
    """Target and source."""
    return world(tmp_path / "target", 1), world(tmp_path / "source", 2)


def train(folder: Path, target: Path, source: Path, **settings: Any) -> Path:
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return Path(
        api.train(recipe(folder), folder / "run", target, {**PLAIN, "frames.source_domain": str(source), **given})
    )


def refused(message: str, *args: Any, **settings: Any) -> None:
    with pytest.raises(InputError, match=message) as caught:
        train(*args, **settings)
    assert not re.search(r"[a-z]\. [A-Z]", str(caught.value)), "one sentence"


def changed(manifest: Path, change: Callable[[FrameRow], FrameRow]) -> Path:
    return Manifest.read(manifest).changed(change).write(manifest.parent / "changed.parquet")


def test_domains_whose_classes_do_not_meet(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    target, source = domains
    source = changed(source, lambda row: replace(row, label_space="farm:crop row#6b8e23,soil#804080,hedge#00ff00"))
    refused(r"'farm' and 'toy' share no class \(crop row, .* and road, ", tmp_path, target, source)


def test_depth_missing_in_the_source(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    target, source = domains
    source = changed(source, lambda row: replace(row, depth=""))
    refused(r"source/changed\.parquet.* has no measured depth .* to learn from", tmp_path, target, source)


def test_depth_missing_in_the_target(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    settings = {"corda__target_depth": "estimate"}
    refused(r"target/manifest\.parquet.* has no estimates .* to learn from", tmp_path, *domains, **settings)
    bare = changed(domains[0], lambda row: replace(row, depth=""))
    settings = {"corda__target_depth": "truth"}
    refused(r"target/image/0\.png has no measured depth", tmp_path, bare, domains[1], **settings)


def rewritten(manifest: Path, factor: float) -> None:
    for file in (manifest.parent / "depth").glob("*.npy"):
        np.save(file, np.load(file) * factor)


@pytest.mark.parametrize(
    ("factor", "guess"), [(100, "looks like centimetres"), (1000, "looks like millimetres"), (0.01, "too near")]
)
def test_depth_in_another_unit(tmp_path: Path, domains: tuple[Path, Path], factor: float, guess: str) -> None:
    rewritten(domains[1], factor)
    refused(rf"measured depth of .*source/.* median of .* {guess}", tmp_path, *domains)


def test_depth_of_one_value(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    for file in (domains[0].parent / "depth").glob("*.npy"):
        np.save(file, np.full((HEIGHT, WIDTH), 10, np.float32))
    refused(r"target/.* is 10 m everywhere", tmp_path, *domains)


def estimates(manifest: Path, picture: Callable[[int], np.ndarray]) -> Path:
    (manifest.parent / "estimate").mkdir()
    for k in range(COUNT):
        Image.fromarray(picture(k)).save(manifest.parent / f"estimate/{k}.png")
    return changed(manifest, lambda row: replace(row, estimate=row.image.replace("image", "estimate")))


def ramp(k: int, top: float, bottom: float, kind: type = np.uint16) -> np.ndarray:
    return np.repeat(np.linspace(top, bottom + k, HEIGHT)[:, None], WIDTH, axis=1).astype(kind)


def test_estimates_of_depth_instead_of_inverse_depth(
    tmp_path: Path, domains: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Said, not refused: a camera may look at the ceiling."""
    target = estimates(domains[0], functools.partial(ramp, top=60 * 256, bottom=5 * 256))
    train(tmp_path, target, domains[1], corda__target_depth="estimate", train__steps=1)
    assert re.search(r"estimates of .*target/.* darker below than above in all 6 frames", caplog.text)


def test_estimates_of_eight_bits(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    target = estimates(domains[0], functools.partial(ramp, top=0, bottom=200, kind=np.uint8))
    settings = {"corda__target_depth": "estimate"}
    refused(r"estimate/\d\.png has mode L, expected a grey 16-bit", tmp_path, target, domains[1], **settings)


def test_estimates_that_fit(tmp_path: Path, domains: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    target = estimates(domains[0], functools.partial(ramp, top=900, bottom=9000))
    run = train(tmp_path, target, domains[1], corda__target_depth="estimate")
    assert (run / "checkpoints" / "step-00000004").is_dir()
    assert "darker" not in caplog.text


def test_an_empty_target(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    target, source = domains
    held_back = changed(target, lambda row: replace(row, split="val"))
    refused(r"target/changed\.parquet.* has no split .train. but", tmp_path, held_back, source)
    empty = Manifest([], target.parent).write(target.parent / "empty.parquet")
    refused(r"empty\.parquet.* has no frames", tmp_path, empty, source)


def test_an_empty_source(tmp_path: Path, domains: tuple[Path, Path]) -> None:
    target, source = domains
    unlabelled = changed(source, lambda row: replace(row, label=""))
    refused(r"source/changed\.parquet.* has no labels, and frames\.source_domain must", tmp_path, target, unlabelled)
    refused(r"(?s)nowhere\.parquet does not exist", tmp_path, target, tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("variant", ["gta", "noatt"])
def test_a_batch_of_one(tmp_path: Path, domains: tuple[Path, Path], variant: str) -> None:
    settings = {} if variant == "gta" else {"corda__difficulty": "off"}
    run = train(tmp_path, *domains, frames__batch_size=1, train__steps=2, network__variant=variant, **settings)
    assert (run / "checkpoints" / "step-00000002").is_dir()
