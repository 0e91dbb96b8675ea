"""What a terminal would obey is shown, and brackets are no markup."""

import io
from pathlib import Path

import pytest

from tests.command_line import sentence
from vergence.cli import main


def test_escapes_of_a_terminal_are_shown_not_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    evil = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\rb"
    said = sentence(capsys, "scan", tmp_path / evil)
    assert r"a\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\rb" in said
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in said)
    place = tmp_path / evil
    place.mkdir()
    for image in sorted(folder.glob("**/*.png"))[:4]:
        (place / image.name).write_bytes(image.read_bytes())
    assert main(["index", "folder", str(place), "--out", str(tmp_path / "m.csv")]) == 0
    assert main(["scan", str(place)]) == 0
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not any(sign in text for sign in "\x1b\x07\x9b\r\u202e")


def test_names_in_brackets_are_no_markup() -> None:
    from rich.console import Console

    from vergence.evaluation.console_tables import tables

    names = ["[red]car[/red]", "road [paved]", "[/]", "sky :smile: \x1b[31m"]
    row = {"name": "trained", "miou": 0.5, "pixel_accuracy": 0.5, "mean_accuracy": 0.5, "frequency_weighted_iou": 0.5}
    row["class_iou"] = dict.fromkeys(names, 0.25)
    console = Console(width=140, file=io.StringIO())
    for table in tables({"segmentation": {"stamp": "data of [bold]x[/]", "rows": [row]}, "rows": []}):
        console.print(table)
    shown = console.file.getvalue()
    for text in (*names[:3], r"sky :smile: \x1b[31m", "data of [bold]x[/]"):
        assert text in shown
