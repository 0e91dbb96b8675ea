"""Where a run goes on: later checkpoints are dropped, other input is refused."""

from pathlib import Path

import pytest

from vergence.runs.folder import RunFolder
from vergence.training.resuming import drop_later


def checkpoints(run: RunFolder, *steps: int) -> list[str]:
    for step in steps:
        checkpoint = run.checkpoint(step)
        checkpoint.path.mkdir(parents=True)
        checkpoint.weights.touch()
    return sorted(path.name for path in run.checkpoint_folder.iterdir())


def test_checkpoints_after_the_step_go_and_the_last_that_stays_is_the_newest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder(tmp_path / "run")
    checkpoints(run, 10, 20, 30)
    steps = [checkpoint.step for checkpoint in run.checkpoints()]
    assert steps == [10, 20, 30]
    drop_later(run, 30)
    assert caplog.text == ""
    drop_later(run, 15)
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [10]
    assert "going on from step 15" in caplog.text
    assert "are dropped" in caplog.text
    drop_later(run, 0)
    assert run.checkpoints() == []
