"""One process in a run folder at a time; what the dead left is told from what the living write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vergence.errors import InputError
from vergence.runs.run_lock import LOCK, PARTIAL, clean_leftovers, is_leftover, locked

DEAD = 4_194_304 + 5  # beyond the largest number of a process


def test_a_second_lock_is_refused_and_the_first_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vergence.runs.run_lock import locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).read_text() == f"{os.getpid()}\n"
        other = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True)
        assert f"is being trained by another process ({os.getpid()})" in other.stderr
    assert not (tmp_path / "run" / LOCK).exists()
    with locked(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), locked(tmp_path / "file" / "run"):
        pass


def test_files_of_dead_processes_are_left_over() -> None:
    left = [LOCK, f"{PARTIAL}step-5", f".a.{DEAD}.tmp", f".a.{DEAD}.tmp.json", f".a.{os.getpid()}.tmp"]
    assert all(is_leftover(Path(name)) for name in left)
    kept = [f".a.{os.getppid()}.tmp", "a.tmp", "metrics.jsonl", ".hidden", f"a.{DEAD}.tmp"]
    assert not any(is_leftover(Path(name)) for name in kept)


def test_cleaning_keeps_the_lock_and_what_is_no_leftover(tmp_path: Path) -> None:
    (tmp_path / f"{PARTIAL}step-5").mkdir()
    (tmp_path / f"{PARTIAL}step-5" / "model").touch()
    for name in (LOCK, f".a.{DEAD}.tmp.json", "recipe.yaml"):
        (tmp_path / name).touch()
    clean_leftovers(tmp_path, tmp_path / "absent")
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, "recipe.yaml"]
