"""CSV and lines of numbers: broken ones name their line."""

from pathlib import Path

from tests.data.structured.refusals import refused
from vergence.data.structured import read_csv, read_numbers


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,b\n"1,2\n')
    assert "is no CSV" in refused(lambda: read_csv(path))
    for text, said in (("1 2\n3", "line 2 has 1 numbers, expected 2"), ("1 nan", "'nan', expected a finite number")):
        path.write_text(text)
        assert said in refused(lambda: read_numbers(path))
    path.write_text("# nothing\n")
    assert "holds no numbers" in refused(lambda: read_numbers(path))
