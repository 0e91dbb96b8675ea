"""Data are looked at and indexed from the command line."""

from pathlib import Path

import pytest

from vergence.cli import main


def test_scan_reads_its_input_once(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    main(["scan", str(folder / "manifest.csv"), "--out", str(tmp_path / "fit.csv")])
    assert sum("recognised as manifest" in message for message in caplog.messages) == 1


def test_index_takes_the_options_of_the_layout(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["index", "folder", str(folder / "image"), "--out", str(tmp_path / "m.csv"), "--split", "false"]
    assert main(words) == 0
    assert "frames  10" in capsys.readouterr().out
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 11


def test_a_town_is_indexed_again_beside_its_manifest(tmp_path: Path) -> None:
    words = ["--frames", "2", "--train", "1", "--val", "0", "--width", "32", "--height", "16"]
    for _ in range(2):
        assert main(["index", "toytown", str(tmp_path), "--out", str(tmp_path / "manifest.csv"), *words]) == 0
    assert len((tmp_path / "manifest.csv").read_text().splitlines()) == 3
