"""Motions between neighbouring frames."""

import numpy as np

from tests.evaluation.drives import drive, made_run
from vergence.data.manifest import Manifest
from vergence.inference.motions import predict_motions


def test_motions_of_metric_runs_are_in_metres_and_batches_do_not_matter(tmp_path):
    manifest = Manifest(drive(tmp_path, frames=12), tmp_path)  # more pairs than fit one batch
    run = made_run(tmp_path)
    motions = predict_motions(run, manifest, list(range(12)))
    assert motions.shape == (11, 4, 4)
    forward = np.linalg.inv(motions)[:, 2, 3]
    np.testing.assert_allclose(forward, [2 * k + 1 for k in range(11)], rtol=1e-5)
    run.method.scale, run.method.metres_per_unit = "metric", 0.5
    np.testing.assert_allclose(np.linalg.inv(predict_motions(run, manifest, [3, 4]))[:, 2, 3], [3.5], rtol=1e-5)
