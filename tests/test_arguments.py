"""Words of a command line become arguments, or one sentence."""

from pathlib import Path

import pytest

from vergence.cli import main


def test_layout_options_are_not_abbreviated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["index", "toytown", str(tmp_path / "town"), "--out", str(tmp_path / "town.csv"), "--styl", "dusk"]
    assert main(words) == 2
    assert "no option --styl; did you mean --style?" in capsys.readouterr().err
    assert not (tmp_path / "town").exists()


@pytest.mark.parametrize("word", ["nan", "-inf", "1e400", "٣", "1_0", ".nan"])
def test_numbers_of_options_are_finite_and_plain(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (
        ["scan", "x", f"--max_pairs={word}"],
        ["labels", "propagate", "x", "--out", "y.csv", "--seconds", word],
    ):
        assert main(argv) == 2
        said = capsys.readouterr().err
        assert f"is {word!r} in the command line; expected a" in said or "expected a finite number" in said
