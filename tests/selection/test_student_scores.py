"""Scores that are kept on disk: what is there is not computed again, what is of another call is removed."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vergence.errors import InputError
from vergence.selection.student_scores import kept_scores, open_stage, quiet


def test_only_missing_scores_are_computed(tmp_path: Path) -> None:
    asked: list[list[int]] = []
    told: list[tuple[int, int]] = []

    def scorer(rows: list[int]) -> Iterator[tuple[int, float]]:
        asked.append(rows)
        yield from ((row, row / 10) for row in rows)

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    path = tmp_path / "scores.npy"
    first = kept_scores(path, 6, [1, 4], scorer, progress)
    np.testing.assert_array_equal(first, [np.nan, 0.1, np.nan, np.nan, 0.4, np.nan])
    kept_scores(path, 6, [1, 2, 4], scorer, progress)
    assert asked == [[1, 4], [2]]
    assert told == [(1, 2), (2, 2), (3, 3)]
    with pytest.raises(InputError, match="remove it, it is made again"):
        kept_scores(path, 7, [1], scorer)


def test_scores_before_an_error_stay(tmp_path: Path) -> None:
    def breaks(rows: list[int]) -> Iterator[tuple[int, float]]:
        yield rows[0], 1.5
        raise InputError("the network has diverged.")

    with pytest.raises(InputError):
        kept_scores(tmp_path / "a.npy", 3, [0, 1], breaks)
    found = kept_scores(tmp_path / "a.npy", 3, [0, 1], lambda rows: ((row, 2.5) for row in rows))
    np.testing.assert_array_equal(found, [1.5, 2.5, np.nan])


def test_a_stage_of_another_key_begins_anew(tmp_path: Path) -> None:
    folder = tmp_path / "step-2"
    open_stage(folder, {"frames": 3, "student": "a"})
    (folder / "entropy.npy").touch()
    open_stage(folder, {"student": "a", "frames": 3})
    assert (folder / "entropy.npy").is_file()
    open_stage(folder, {"student": "b", "frames": 3})
    assert [path.name for path in folder.iterdir()] == ["stage.json"]


def test_quiet_lets_errors_through_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("vergence")
    with caplog.at_level(logging.INFO, "vergence"):
        with quiet():
            log.warning("no news")
            log.error("an error")
        log.info("after")
    assert [record.message for record in caplog.records] == ["an error", "after"]
