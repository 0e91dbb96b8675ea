"""What a model must beat: answers that never look, and the network before its first step."""

import numpy as np
import pytest
import torch

from tests.evaluation.scored_runs import frame, golden, made_run, rows
from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.evaluation.baselines import (
    MeanInverseDepth,
    cell_inverse_depth,
    input_free_inverse_depth,
    untrained_method,
)
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run


def test_input_free_row_is_the_mean_of_the_training_truth(tmp_path):
    training = [frame(tmp_path, k, (1,), (depth,) * 4, "train", "t") for k, depth in enumerate((2.0, 5.0))]
    Manifest([*training, golden(tmp_path)], tmp_path).write(tmp_path / "manifest.csv")
    run = made_run(tmp_path, source=str(tmp_path / "manifest.csv"))
    result = evaluate(run, tmp_path / "manifest.csv", Scoring(scale="none"))
    row = rows(result)["input_free"]
    guess = 1 / ((1 / 2 + 1 / 5) / 2)
    truth = np.array([2, 4, 10, 20])
    assert row["abs_rel"] == pytest.approx(np.mean(np.abs(truth - guess) / truth), abs=1e-5)
    assert row["note"] == "mean inverse depth of 2 training images"
    assert rows(result)["trained"]["abs_rel"] == pytest.approx(0.3625, abs=1e-5)


def test_input_free_row_leaves_the_scored_image_out_where_training_has_no_truth(tmp_path):
    depths = (2.0, 4.0, 8.0)
    manifest = Manifest([frame(tmp_path, k, (1,), (depth,) * 4) for k, depth in enumerate(depths)], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", "none")))
    row = rows(result)["input_free"]
    guesses = [2 / (1 / 4 + 1 / 8), 2 / (1 / 2 + 1 / 8), 2 / (1 / 2 + 1 / 4)]
    errors = [abs(depth - guess) / depth for depth, guess in zip(depths, guesses, strict=True)]
    assert row["abs_rel"] == pytest.approx(np.mean(errors), abs=1e-5)
    assert row["note"].startswith("leave-one-out")
    assert "not at hand" in row["note"]


def test_one_image_without_training_truth_has_no_input_free_row(tmp_path):
    result = evaluate_run(made_run(tmp_path), Manifest([golden(tmp_path)], tmp_path))
    assert [row["name"] for row in result["rows"]] == ["trained", "untrained"]


def test_mean_inverse_depth_by_hand():
    depth = np.array([[1.0, 0.0, 4.0, 4.0], [2.0, 2.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(cell_inverse_depth(depth, 1, 2), [[(1 + 0.5 + 0.5) / 3, 0.25]])
    mean = MeanInverseDepth(3, 2)
    mean.add(np.array([[0, 0], [2, 0], [0, 0]], np.float32))
    mean.add(np.array([[0, 0], [4, 4], [0, 0]], np.float32))
    np.testing.assert_allclose(mean.mean(), [[0.375, 0.25]] * 3)  # unknown rows repeat the known one
    np.testing.assert_allclose(mean.mean(without=np.array([[0, 0], [4, 4], [0, 0]], np.float32)), [[0.5, 0.5]] * 3)
    np.testing.assert_array_equal(MeanInverseDepth(2, 2).mean(), np.ones((2, 2)))


def test_mean_over_a_manifest_skips_frames_without_truth(tmp_path):
    manifest = Manifest([golden(tmp_path), frame(tmp_path, 1)], tmp_path)
    assert input_free_inverse_depth(manifest, FrameOptions(height=8, width=16)).images == 1


def test_untrained_row_is_the_same_every_time_and_leaves_no_trace(tmp_path):
    run = made_run(tmp_path)
    run.method.train()
    manifest = Manifest([golden(tmp_path), frame(tmp_path, 1, (8,) * 4, (2, 3, 4, 5))], tmp_path)
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first, second = (rows(evaluate_run(run, manifest))["untrained"] for _ in range(2))
    assert first == second
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run.method.training
    method, note = untrained_method(run)
    assert note == ""
    assert not method.training
    assert first["abs_rel"] > 0
