"""What a selection optimises, in a sentence for each criterion."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.report.selection_lead import lead_of

MANIFEST = Manifest([FrameRow(f"{index}.png", "drive", index, camera="left") for index in range(10)], Path())


def selection(criterion: str, rows: list[int], **scores: list[float]) -> dict[str, Any]:
    frames = [{"row": row, "step": 2, **{name: values[index] for name, values in scores.items()}}
              for index, row in enumerate(rows)]  # fmt: skip
    return {"criterion": criterion, "seed": 7, "labelled": [], "frames": frames}


def test_uniform_frames_tell_their_gaps(tmp_path: Path) -> None:
    lead = lead_of(selection("uniform", [0, 9, 5]), MANIFEST, tmp_path, [])
    assert lead.verdict == "Between neighbours in a sequence lie 4 to 5 frames, 4.5 on average."
    alone = lead_of(selection("uniform", [3]), MANIFEST, tmp_path, [])
    assert "no gap to state" in alone.verdict


def test_random_frames_claim_nothing(tmp_path: Path) -> None:
    assert "Nothing is optimised: these frames are drawn by seed 7." in lead_of(
        selection("random", [0]), MANIFEST, tmp_path, []
    ).verdict  # fmt: skip


@pytest.mark.parametrize(("criterion", "name"), [("us", "difficulty"), ("entropy", "entropy")])
def test_scores_of_chosen_frames_stand_beside_those_of_all(tmp_path: Path, criterion: str, name: str) -> None:
    step = tmp_path / "steps" / "step-0"
    step.mkdir(parents=True)
    np.save(step / f"{name}.npy", np.array([0.1, 0.3, np.nan]))
    lead = lead_of(selection(criterion, [1, 2], **{name: [0.3, 0.5]}), MANIFEST, tmp_path, [])
    assert lead.verdict.startswith("On 2 of the chosen frames ")
    assert lead.verdict.endswith("is 0.4 on average, 0.2 on all frames at that moment.")
    assert "the highest is 0.5" in lead.note


def test_no_score_is_said(tmp_path: Path) -> None:
    lead = lead_of(selection("us", [1]), MANIFEST, tmp_path, [])
    assert lead.verdict == "No frame has a score yet: all were chosen before a student could be asked."
    assert lead.chart == lead.note == ""
