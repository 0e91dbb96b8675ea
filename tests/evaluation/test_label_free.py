"""Scores without truth rank weights as truth does, and cannot be had by saying one class everywhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.evaluation.class_runs import SPACE, RedMethod, frame, made_run
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.toytown import TownOptions, write_toytown
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate_run
from vergence.evaluation.label_free import LabelFree, can_be_judged
from vergence.geometry.camera import depth_to_disparity
from vergence.methods.depth import DepthMethod
from vergence.runs.checkpoint import LoadedRun, build_method
from vergence.runs.config import load_config

SMALL = {
    "network.encoder": "test_resnet", "network.weights": "none", "pose.weights": "none",
    "frames.options.offsets": ["s"], "frames.cache": False, "evaluate.limit": None,
}  # fmt: skip
HARM = (0.0, 0.1, 0.2, 0.4, 0.8)


class Spoilt:
    """True depth of known frames, times exp(harm x smooth noise), as a network would predict it."""

    def __init__(self, manifest: Manifest, options: FrameOptions, metres_per_unit: float, loss: Any) -> None:
        dataset = FrameDataset(manifest, replace(options, load_depth=True), train=False)
        samples = [dataset[row] for row in range(len(dataset))]
        self.frames = torch.stack([sample["frames"][0] for sample in samples]).float() / 255
        depth = torch.stack([sample["depth"] for sample in samples])
        self.depth = torch.where(depth > 0, depth, 60.0) / metres_per_unit
        noise = torch.randn(len(samples), 1, 6, 12, generator=torch.Generator().manual_seed(0))
        self.noise = torch.nn.functional.interpolate(noise, depth.shape[-2:], mode="bicubic")
        self.loss, self.harm = loss, 0.0

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        rows = [int((self.frames - image).abs().mean((1, 2, 3)).argmin()) for image in images]
        depth = (self.depth * (self.harm * self.noise).exp())[rows].clamp(self.loss.min_depth, self.loss.max_depth)
        disparity = depth_to_disparity(depth, self.loss.min_depth, self.loss.max_depth)
        return {"disparity": disparity, "inverse_depth": 1 / depth}


def test_photometric_error_ranks_depth_as_truth_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    town = write_toytown(tmp_path / "town", TownOptions(), {"train": 1, "val": 1}, frames=4)
    manifest = Manifest.read(town).select("val")
    config = load_config("depth-toytown-demo", SMALL)
    method = build_method(config)
    assert isinstance(method, DepthMethod)
    spoilt = Spoilt(manifest, config.frames.options, method.metres_per_unit, method.config.loss)
    monkeypatch.setattr(method, "predict", spoilt.predict)
    run, judge = LoadedRun(tmp_path / "run", config, method, 0), LabelFree(config, manifest)
    photometric, abs_rel = [], []
    for spoilt.harm in HARM:
        found = judge.score(run)
        photometric.append(found["photometric"])
        result = evaluate_run(run, manifest, Scoring(baselines=False, odometry=False))
        abs_rel.append(result["rows"][0]["abs_rel"])
    assert abs_rel == sorted(abs_rel)
    assert photometric == sorted(set(photometric))
    assert photometric[0] < 0.5 * found["photometric_unmoved"]
    assert found["images"] == len(manifest) == 4


class Unsure(RedMethod):
    """Says what RedMethod says, but for a share of pixels, which it guesses; or one class everywhere."""

    share, collapsed = 0.0, False

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        logits = super().predict(images)["logits"]
        guess = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1)) * 100
        lost = torch.rand(logits[:, :1].shape, generator=torch.Generator().manual_seed(2)) < self.share
        if self.collapsed:
            return {"logits": torch.tensor([1.0, 0, 0])[:, None, None].expand_as(logits)}
        return {"logits": torch.where(lost, guess, logits)}


def test_agreement_over_flips_ranks_classes_as_truth_does(tmp_path: Path) -> None:
    said = np.random.default_rng(0).integers(0, 3, (4, 8)).repeat(16, 0).repeat(16, 1)
    drawn = [np.roll(said, 16 * number, 1) for number in range(3)]
    manifest = Manifest([frame(tmp_path, number, one, one) for number, one in enumerate(drawn)], tmp_path)
    run, size = made_run(tmp_path, method=Unsure()), {"height": 64, "width": 128, "random_crop": None}
    run.config = load_config("supervised-cityscapes", {f"frames.options.{key}": value for key, value in size.items()})
    run.config.frames.options.label_space = SPACE.text()
    judge, method = LabelFree(run.config, manifest), run.method
    agreement, miou = [], []
    for method.share in (0.0, 0.2, 0.5, 0.9):
        agreement.append(judge.score(run)["flip_miou"])
        result = evaluate_run(run, manifest, Scoring(baselines=False))
        miou.append(result["segmentation"]["rows"][0]["miou"])
    assert agreement == sorted(set(agreement), reverse=True)
    assert miou == sorted(miou, reverse=True)
    assert agreement[0] == 1
    method.collapsed = True
    assert judge.score(run)["flip_miou"] == pytest.approx(1 / 3)


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    assert not can_be_judged(load_config("select-student-tiny"))
    assert can_be_judged(load_config("depth-toytown"))
    assert can_be_judged(load_config("three_ways-toytown"))
    Image.fromarray(np.zeros((64, 128, 3), np.uint8)).save(tmp_path / "0.png")
    alone = Manifest([FrameRow("0.png", "a", 0)], tmp_path)
    config = load_config("depth-toytown-demo", {**SMALL, "frames.options.offsets": [-1, 1]})
    with pytest.raises(InputError, match="sources"):
        LabelFree(config, alone)
