"""What the tests of this folder share."""

from pathlib import Path


def recipe(folder: Path, text: str, name: str = "own.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name
