"""The program, called as a shell does."""

import pytest

from vergence.cli import main


def sentence(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command that cannot be carried out."""
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert lines[-1].startswith("vergence: ")
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return lines[-1]
