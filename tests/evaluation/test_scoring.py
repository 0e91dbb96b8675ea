"""What is asked of a scoring, and what the run's settings say of the rest."""

from pathlib import Path

import pytest

from tests.evaluation.scored_runs import made_run
from vergence.errors import InputError
from vergence.evaluation.scoring import Scoring


def test_what_is_not_asked_for_is_as_the_run_says(tmp_path: Path) -> None:
    run = made_run(tmp_path)
    run.config.evaluate.flip, run.config.evaluate.resolution = True, "native"
    settled = Scoring().of(run)
    assert (settled.protocol.name, settled.flip, settled.resolution) == ("plain", True, "native")
    asked = Scoring("eigen", 2.0, flip=False, resolution="64x32").of(run)
    assert (asked.protocol.name, asked.protocol.scale, asked.flip, asked.resolution) == ("eigen", 2.0, False, "64x32")


@pytest.mark.parametrize("asked", [Scoring("egen"), Scoring(resolution="large"), Scoring(classes="some")])
def test_what_is_impossible(asked: Scoring, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        asked.of(made_run(tmp_path))
