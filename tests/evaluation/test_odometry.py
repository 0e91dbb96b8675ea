import pytest

from tests.evaluation.drives import drive, made_run
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.console_tables import odometry_table
from vergence.evaluation.evaluate import evaluate_run
from vergence.evaluation.odometry import evaluate_odometry, tracks


def test_a_perfect_pose_network_up_to_scale_makes_no_error(tmp_path):
    manifest = Manifest(drive(tmp_path), tmp_path)
    result = evaluate_odometry(made_run(tmp_path), manifest)
    (row,) = result["sequences"]
    assert row["frames"] == 8
    assert row["ate_sfmlearner"] == pytest.approx(0.0, abs=1e-5)
    assert row["ate_aligned"] == pytest.approx(0.0, abs=1e-4)
    assert row["r_err"] == pytest.approx(0.0, abs=1e-2)
    assert row["t_err"] == pytest.approx(0.0, abs=1e-3)
    assert row["scale"] == pytest.approx(0.5, rel=1e-5)
    assert manifest.digest() in result["stamp"]


def test_a_network_that_misses_the_turns_does(tmp_path):
    manifest = Manifest(drive(tmp_path, turn=-0.2), tmp_path)
    row = evaluate_odometry(made_run(tmp_path), manifest)["sequences"][0]
    assert row["ate_sfmlearner"] > 0.05
    assert row["ate_aligned"] > 0.5


def test_tracks_end_at_gaps_and_follow_the_training_step(tmp_path):
    rows = drive(tmp_path, frames=9, gaps=(4,)) + drive(tmp_path, frames=2, sequence="b")
    manifest = Manifest(rows, tmp_path)
    assert tracks(manifest, 1) == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert tracks(manifest, 2) == [[1, 3, 5, 7]]
    result = evaluate_odometry(made_run(tmp_path, offsets=("s", -2, 2)), manifest)
    assert [row["frames"] for row in result["sequences"]] == [4]
    assert "frames 2 apart" in result["stamp"]


def test_evaluation_of_poses_alone(tmp_path):
    result = evaluate_run(made_run(tmp_path), Manifest(drive(tmp_path), tmp_path))
    assert result["rows"] == []
    assert result["odometry"]["ate_sfmlearner"] == pytest.approx(0.0, abs=1e-5)
    from rich.console import Console

    console = Console(width=80, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(odometry_table(result["odometry"]))
    console.file.close()
    assert "ate_sfmlearner" in console.export_text()


def test_poses_that_make_no_track(tmp_path):
    assert evaluate_odometry(made_run(tmp_path), Manifest(drive(tmp_path, frames=2), tmp_path)) is None
    with pytest.raises(InputError, match="three frames in a row"):
        evaluate_run(made_run(tmp_path), Manifest(drive(tmp_path, frames=2), tmp_path))
