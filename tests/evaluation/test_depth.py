"""Errors of depth over frames: scales, units, flips."""

import numpy as np
import pytest
import torch

from tests.evaluation.scored_runs import WIDTH, RedMethod, frame, golden, made_run
from vergence.data.manifest import Manifest
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import Scoring, evaluate_run

GOLDEN = {
    "abs_rel": 0.3625,
    "sq_rel": 5.1625,
    "rmse": 10.062306,
    "rmse_log": 0.380801,
    "a1": 0.25,
    "a2": 0.75,
    "a3": 0.75,
}


def test_errors_of_the_spec(tmp_path):
    class Fifths(RedMethod):
        """The same depths in units of 5 m: inverse depths that are exact in binary, as strict thresholds need."""

        def predict(self, images):
            found = super().predict(images)
            return {**found, "inverse_depth": (images[:, :1] * 255).round().clamp(min=1) / 8}

    manifest = Manifest([golden(tmp_path)], tmp_path)
    run = made_run(tmp_path, method=Fifths())
    result = evaluate_run(run, manifest, Scoring(choose_protocol("plain", 5.0), baselines=False))
    (row,) = result["rows"]
    assert {key: row[key] for key in GOLDEN} == pytest.approx(GOLDEN, abs=1e-5)
    assert row["images"] == 1
    assert result["images"] == 1


def test_median_scaling_reports_its_factor_and_metric_runs_score_in_metres(tmp_path):
    manifest = Manifest([golden(tmp_path)], tmp_path)
    row = evaluate_run(made_run(tmp_path), manifest, Scoring(baselines=False))["rows"][0]
    assert row["scale_median"] == pytest.approx(7 / 6.5)
    assert row["abs_rel"] == pytest.approx(0.428846, abs=1e-5)
    metric = made_run(tmp_path, method=RedMethod(metres_per_unit=2.0))
    assert evaluate_run(metric, manifest, Scoring(baselines=False))["rows"][0]["scale_median"] == pytest.approx(7 / 13)
    in_metres = evaluate_run(metric, manifest, Scoring(choose_protocol("plain", "none"), baselines=False))
    by_factor = evaluate_run(made_run(tmp_path), manifest, Scoring(choose_protocol("plain", 2.0), baselines=False))
    assert in_metres["rows"][0]["rmse"] == pytest.approx(by_factor["rows"][0]["rmse"])
    # (4 - 2, 10 - 4, 16 - 10, 80 - 20)
    assert in_metres["rows"][0]["rmse"] == pytest.approx(np.sqrt((4 + 36 + 36 + 3600) / 4))
    assert "metric" in in_metres["stamp"]
    assert "unscaled" in by_factor["stamp"]


def test_flip_blends_the_prediction_of_the_mirrored_picture(tmp_path):
    class LeftIsNear(RedMethod):
        def predict(self, images):
            near = torch.linspace(1.0, 0.1, images.shape[-1]).expand(len(images), 1, *images.shape[-2:])
            return {"inverse_depth": near, "disparity": near}

    inner = (0.0,) * 16 + (1.0,) * (WIDTH - 32)  # the edges have a rule of their own
    manifest = Manifest([frame(tmp_path, 0, (), inner)], tmp_path)
    run = made_run(tmp_path, method=LeftIsNear())
    protocol = choose_protocol("plain", "none")
    plain = evaluate_run(run, manifest, Scoring(protocol, baselines=False))
    both = evaluate_run(run, manifest, Scoring(protocol, flip=True, baselines=False))
    assert "flip off" in plain["stamp"]
    assert "flip on" in both["stamp"]
    assert plain["rows"][0]["abs_rel"] > 1.0
    assert both["rows"][0]["abs_rel"] == pytest.approx(1 / 0.55 - 1, rel=1e-5)
