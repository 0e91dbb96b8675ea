"""Recipes of SemHint-MD: published constants, stages, and what a tiny run does on an endoscope's frames."""

import functools
import json

import numpy as np
import pytest
from PIL import Image

from vergence import api
from vergence.data.layouts.super_endoscopy import super_endoscopy
from vergence.errors import InputError
from vergence.inference.tracker_files import read_tracker_frame
from vergence.runs.config import RunConfig, load_config
from vergence.runs.recipe import read_recipe, recipe_names

NAMES = [name for name in recipe_names() if name.startswith("semhint-")]
PUBLISHED = ["semhint-kitti", "semhint-kitti-stereo", "semhint-kitti-mono-stereo"]
EPOCH = {"semhint-kitti": 39810 / 12, "semhint-kitti-stereo": 45200 / 12, "semhint-kitti-mono-stereo": 39810 / 12}


@functools.cache
def recipe_config(name: str) -> RunConfig:
    return load_config(name, ["--semhint.labels=truth", "--frames.options.height=192",
                              "--frames.options.label_space=cityscapes19"])  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_settings_agree_with_each_other(name: str) -> None:
    section = recipe_config(name).section
    section.check()
    assert section.start + max(section.ramp, section.beta_ramp) < recipe_config(name).train.steps
    assert recipe_config(name).frames.batch_size > 0


def test_every_family_has_a_tiny_twin() -> None:
    for family in ("kitti", "video", "endoscopy", "toytown"):
        assert read_recipe(f"semhint-{family}-tiny")["train"]["steps"] <= 150


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_constants(name: str) -> None:
    """semhint.md 1.4, 1.5, 2.2 and 2.10."""
    config = recipe_config(name)
    section, optim = config.section, config.optim
    assert (config.frames.batch_size, optim.name, optim.lr, optim.gamma) == (12, "adam", 1e-4, 0.1)
    assert config.train.steps == pytest.approx(20 * EPOCH[name], abs=1)
    assert optim.milestones == pytest.approx([15 * EPOCH[name]], abs=1)
    assert (section.start, section.ramp) == pytest.approx((5 * EPOCH[name], 3 * EPOCH[name]), abs=1)
    assert section.beta_ramp == section.ramp
    assert (section.teacher_decay, section.network.shared_blocks, section.network.scales) == (0.999, 4, (0, 1, 2, 3))
    assert (section.loss.min_depth, section.loss.max_depth, section.metres_per_unit) == (0.1, 100.0, 5.4)
    assert (section.verification.kappa, section.verification.floor, section.verification.window) == (0.1, 0.01, 5)


def test_sources() -> None:
    sources = {name: recipe_config(name).frames.options.offsets for name in (*PUBLISHED, "semhint-endoscopy")}
    assert list(sources.values()) == [(-1, 1), ("s",), (-1, 1, "s"), ("s",)]


def test_endoscopes_have_no_up_no_sky_and_three_classes() -> None:
    config = load_config("semhint-endoscopy", ["--semhint.labels=truth"])
    options, section = config.frames.options, config.section
    assert (options.flip, options.flip_vertical, options.label_space) == (0.5, 0.5, "semantic_super")
    assert (section.sky, section.dynamic, section.metres_per_unit) == ((), ("tool",), 0.05)


def trial(root, frames=6, height=96, width=128, shift=6):
    """A trial whose right frames are the left ones moved: a wall, in three classes."""
    noise = np.random.default_rng(0)
    for number in range(frames):
        coarse = Image.fromarray(noise.integers(0, 256, (12, 18, 3), dtype=np.uint8))
        wide = np.asarray(coarse.resize((width + shift, height), Image.Resampling.BICUBIC))
        for side, image in (("left", wide[:, :width]), ("right", wide[:, shift:])):
            (root / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / side / f"{number:06d}.png")
        (root / "masks").mkdir(exist_ok=True)
        ids = np.repeat(np.arange(3, dtype=np.uint8), (width + 2) // 3)[None, :width].repeat(height, 0)
        Image.fromarray(ids).save(root / "masks" / f"{number:06d}.png")
    return super_endoscopy(root, baseline=0.005)


def test_a_tiny_run_on_a_trial_and_its_export(tmp_path) -> None:
    trial(tmp_path / "trial_3").write(tmp_path / "trial_3" / "manifest.csv")
    settings = ["--semhint.labels", "truth", "--train.steps", "2", "--semhint.start", "1", "--frames.batch_size", "2"]
    sizes = ["--frames.options.height", "64", "--frames.options.width", "96", "--frames.workers", "0"]
    run = api.train("semhint-endoscopy-tiny", tmp_path / "run", tmp_path / "trial_3/manifest.csv", settings + sizes)
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert logged
    record = api.predict(run, tmp_path / "trial_3/manifest.csv", tmp_path / "out", tracker=True, device="cpu", limit=2)
    assert record["unit"] == "metres"
    found = read_tracker_frame(tmp_path / "out/tracker/left/000000.npz")
    assert found["depth"].shape == found["labels"].shape == found["confidence"].shape == (96, 128)
    assert found["depth"].min() > 0.004  # 5 mm
    assert found["depth"].max() < 4.1
    assert found["intrinsics"][0, 2] == pytest.approx(292.89 / 640 * 128)
    index = json.loads((tmp_path / "out/tracker/index.json").read_text())
    assert [one["name"] for one in index["classes"]] == ["tissue 1", "tissue 2", "tool"]
    assert index["frames"][0]["baseline_m"] == 0.005


def test_without_labels_the_message_says_how(tmp_path) -> None:
    trial(tmp_path / "trial_3", 3).write(tmp_path / "trial_3" / "manifest.csv")
    with pytest.raises(InputError, match=r"set semhint\.labels"):
        api.train("semhint-endoscopy-tiny", tmp_path / "run", tmp_path / "trial_3/manifest.csv", ["--frames.workers=0"])
