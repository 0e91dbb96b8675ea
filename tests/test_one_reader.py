"""Structured files of strangers are parsed in one place, which limits what they may cost."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "vergence"
PARSERS = re.compile(
    r"json\.loads?\(|yaml\.(safe_|full_|unsafe_)?load|ElementTree|minidom|lxml|csv\.(reader|DictReader)|loadmat"
    r"|np\.(loadtxt|genfromtxt)|FileStorage|configparser|tomllib|literal_eval|pickle\.|\bread_csv\(path, sep"
)


def test_nothing_else_parses() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.parent.name != "structured"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if PARSERS.search(line)
    ]
    assert not found, "read it with vergence.data.structured: " + "; ".join(found)


def test_no_pickles() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text, path
        assert "weights_only=False" not in text, path
