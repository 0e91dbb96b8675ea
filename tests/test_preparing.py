"""Data are looked at and indexed from the command line."""

from pathlib import Path

import pytest

from tests.data.scan.films import film, travelling
from vergence.cli import main
from vergence.data.layouts import resolve_input


def test_scan_reads_its_input_once(folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    main(["scan", str(folder / "manifest.csv"), "--out", str(tmp_path / "fit.csv")])
    assert sum("recognised as manifest" in message for message in caplog.messages) == 1


def test_joined_shards_of_a_scan_are_what_one_process_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, speed in (("a", 2.0), ("b", 0.0), ("c", 4.0)):
        film(tmp_path / "drives" / name, travelling(12, speed))
    words = ["scan", str(tmp_path / "drives"), "--json"]
    assert main([*words, str(tmp_path / "whole.json"), "--out", str(tmp_path / "whole.csv")]) == 0
    told = capsys.readouterr().out
    shared = [*words, str(tmp_path / "r.json"), "--out", str(tmp_path / "r.csv")]
    for shard in ("1/2", "0/2"):
        assert not (tmp_path / "r.json").exists()
        assert main([*shared, "--shard", shard]) == 0
        assert main([*shared, "--shard", "0/3"]) == 2
        assert "which overlaps 0/3" in capsys.readouterr().err
    assert main(shared) == 0
    assert capsys.readouterr().out == told
    for suffix in (".json", ".csv"):
        assert (tmp_path / f"r{suffix}").read_text() == (tmp_path / f"whole{suffix}").read_text()
    assert main([*shared, "--shard", "0/2"]) == 0  # it comes late
    assert capsys.readouterr().out == told
    assert not (tmp_path / "r.shards").exists()


def test_pictures_that_change_before_the_join_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that could not be read, and now can."""
    for name in ("a", "b"):
        film(tmp_path / "drives" / name, travelling(12))
    picture = tmp_path / "drives" / "b" / "000003.jpg"
    good = picture.read_bytes()
    manifest = resolve_input(tmp_path / "drives", split=False).write(tmp_path / "m.csv")
    words = ["scan", str(manifest), "--json", str(tmp_path / "r.json")]
    picture.write_bytes(b"no picture")
    for shard in ("0/2", "1/2"):
        main([*words, "--shard", shard])
    picture.write_bytes(good)
    capsys.readouterr()
    assert main(words) == 2
    assert "files of 1/2 of the shards in " in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()
    assert main([*words, "--shard", "1/2"]) == 0
    assert main(words) == 0
    assert "cannot be read" not in (tmp_path / "r.json").read_text()


def test_a_piece_without_a_sequence_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["scan", str(film(tmp_path / "drive", travelling(12))), "--json", str(tmp_path / "r.json")]
    assert main([*words, "--shard", "0/2"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("No sequence is in this piece: there are fewer sequences than pieces.\n")
    assert "verdict" not in said
    assert main([*words, "--shard", "1/2"]) == 0
    assert main(words) == 0
    assert "drive" in capsys.readouterr().out


def test_shards_of_a_scan_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["scan", str(film(tmp_path / "drive", travelling(12)))]
    assert main([*words, "--shard", "0/2"]) == 2
    assert "shard 0/2 leaves what it finds beside a file; give --json or --out." in capsys.readouterr().err
    words += ["--json", str(tmp_path / "r.json")]
    assert main([*words, "--shard", "0/2"]) == 0
    for more, said in (
        ([], "1/2 is missing or not done"),
        (["--max_pairs", "20"], "is of other settings (max_pairs 100, here 20)"),
        (["--shard", "one"], "shard 'one' is unknown; give I/N"),
    ):
        capsys.readouterr()
        assert main([*words, *more]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()


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
