"""One bar for all commands."""

import pytest

from vergence.console import bar
from vergence.progress import terminal_bar


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TTY_COMPATIBLE", "1"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_a_bar_says_what_is_done_how_much_and_more(capsys: pytest.CaptureFixture[str]) -> None:
    shown = terminal_bar("baking", 8, done=2)
    assert shown is not None
    with shown:
        shown.update(shown.task_ids[0], completed=5, numbers="very hot")
    text = capsys.readouterr().err
    for said in ("baking", "5/8", "very hot", "ETA"):
        assert said in text


@pytest.mark.usefixtures("terminal")
def test_commands_show_a_bar_for_each_stretch_of_work(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("predicting") as progress:
        for done, total in ((1, 2), (2, 2), (1, 3), (3, 3)):
            progress(done, total)
    text = capsys.readouterr().err
    assert "2/2" in text
    assert "3/3" in text
    assert "predicting: " not in text


def test_elsewhere_commands_say_a_line_every_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal_bar("baking", 8) is None
    with bar("predicting") as progress:
        for done in range(1, 9):
            progress(done, 8)
        progress(1, 1)
    assert capsys.readouterr().err.splitlines() == [
        *(f"predicting: {done} of 8" for done in (2, 4, 6, 8)),
        "predicting: 1 of 1",
    ]
