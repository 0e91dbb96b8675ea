"""The log, the pace, and what is shown while training."""

import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vergence.errors import InputError
from vergence.runs.folder import RunFolder
from vergence.training.tracking import Pace, ProgressLine, RunLog, Window

ROW = {"loss": 0.5, "lr": 1e-4, "images_per_second": 12.0, "data_wait": 0.25}


def test_rows_are_on_disk_as_soon_as_they_are_written(tmp_path: Path) -> None:
    log = RunLog(RunFolder(tmp_path), (), {})
    log.write(3, "train", {"loss": 1.5, "odd": math.nan, "far": math.inf})
    row = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert {key: row[key] for key in ("step", "kind", "loss", "odd", "far")} == {
        "step": 3, "kind": "train", "loss": 1.5, "odd": None, "far": None,
    }  # fmt: skip
    log.write(4, "train", {"loss": 1.0})
    log.close()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    log = RunLog(RunFolder(tmp_path), (), {}, active=False)
    log.write(1, "train", {"loss": 1.0})
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_through_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a link to nowhere or a pipe; remove it"):
        RunLog(RunFolder(tmp_path), (), {})
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = RunLog(RunFolder(tmp_path), (), {})
    with pytest.raises(InputError, match=r"No space left.*--resume"):
        log.write(1, "train", {"loss": 1.0})
    log.close()


def test_window_means_count_each_key_by_itself() -> None:
    window = Window()
    window.add({"loss": torch.tensor(1.0), "rare": torch.tensor(8.0)})
    window.add({"loss": torch.tensor(3.0)})
    assert window.means(SimpleNamespace(num_processes=1)) == {"loss": 2.0, "rare": 8.0}
    window.clear(2)
    assert (window.sums, window.start) == ({}, 2)


def test_window_does_not_change_what_it_was_given() -> None:
    loss = torch.tensor(1.0)
    window = Window()
    window.add({"loss": loss})
    window.add({"loss": torch.tensor(2.0)})
    assert float(loss) == 1


def test_window_leaves_out_steps_without_a_value_to_log_but_never_hides_a_loss() -> None:
    window, nan = Window(), torch.tensor(torch.nan)
    window.add({"loss": nan, "_share": torch.tensor(0.5), "_never": nan, "_far": torch.tensor(torch.inf)})
    window.add({"loss": torch.tensor(1.0), "_share": nan, "_never": nan, "_far": torch.tensor(1.0)})
    means = window.means(SimpleNamespace(num_processes=1))
    assert math.isnan(means.pop("loss"))
    assert means == {"_share": 0.5, "_far": math.inf}


def test_pace_leaves_pauses_out() -> None:
    pace = Pace()
    with pace.pause():
        time.sleep(0.2)
    time.sleep(0.02)
    pace.waited(0.01)
    pace.count(10)
    found = pace.read()
    assert 0.02 <= found["seconds"] < 0.2
    assert found["images_per_second"] == pytest.approx(10 / found["seconds"], rel=0.05)
    assert found["data_wait"] == pytest.approx(0.01 / found["seconds"], rel=0.05)


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine(10, 0) as progress:
        progress.show(5, ROW)
        progress.advance(5)
        progress.say("half way")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("step 5/10  loss 0.5000  lr 0.0001  12.0 images/s  data 25%  ETA 0:00:00")
    assert lines[1] == "half way"
    with ProgressLine(10, 0, active=False) as progress:
        progress.show(5, ROW)
        progress.say("nothing")
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "160")
    with ProgressLine(10, 0) as progress:
        progress.show(5, ROW)
        progress.say("[half] way")
    text = capsys.readouterr().err
    assert "5/10" in text
    assert "loss 0.5000" in text
    assert "[half] way" in text
