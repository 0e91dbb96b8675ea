"""What a log says of labelled frames is read back."""

import json
from pathlib import Path

from vergence.runs.folder import RunFolder
from vergence.runs.labelled import Labelled, labelled_event, labelled_of


def test_the_labelled_frames_of_the_log_are_read_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.labelled() is None
    rows = [{"event": "started"}, labelled_event("ab12", "3 of 10 frames"), labelled_event("cd34", "4 frames (cd34)")]
    run.log.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]) + "{torn")
    assert run.labelled() == Labelled("ab12", "3 of 10 frames (ab12)")
    assert labelled_of(rows) == Labelled("cd34", "4 frames (cd34)")
    assert labelled_of([{"event": "labelled", "digest": "ab", "describe": "of old"}]) == Labelled("ab", "of old (ab)")
