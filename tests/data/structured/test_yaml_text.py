"""YAML: what it means, and that malformed files cost a sentence, quickly, not a crash or minutes."""

from pathlib import Path

import pytest

from tests.data.structured.refusals import refused
from vergence.data.structured import parse_yaml, read_yaml


def test_size(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b" " * ((1 << 20) + 1))
    assert "is larger than 1 MB" in refused(lambda: read_yaml(path))


def laughs(line: str) -> str:
    """Each line means nine of the line before."""
    letters = [chr(98 + place) for place in range(20)]
    lines = [line.format(new=new, old=",".join([f"*{chr(ord(new) - 1)}"] * 9)) for new in letters]
    return "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (laughs("{new}: &{new} [{old}]"), "means more than 100000 values with its aliases"),
        (laughs("{new}: &{new} {{<<: [{old}]}}"), "means more than 100000 values"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 150_000, "nested deeper than 32 levels"),
        ("- " * 150_000, "nested deeper"),
        ("? " * 150_000, "nested deeper"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(1000)), "nested deeper"),
        ("a: [" + "1," * 300_000 + "]", "more than 100000 values"),
        ("a: 1\nb: 2\na: 3", "line 3 has the key 'a' a second time"),
        ("a: .nan", "not finite"),
        ("a: .inf", "not finite"),
        ("a: " + "9" * 5000, "YAML that can be used"),
        ("a: !!python/object:os.system {}", "is no YAML"),
        ("a:\n\t- b", "in line 2, column 1"),
        ("a: 1\n---\nb: 1", "is no YAML in line 2"),
        ("a: 2011-99-99", "YAML that can be used"),
        ("a: \x07", "is no YAML"),
    ],
)
def test_bad_yaml(text: str, said: str) -> None:
    assert said in refused(lambda: parse_yaml(text, "x.yaml"))


def test_good_yaml() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: 2}", "x") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1, "e": 2},
    }
    assert parse_yaml("", "x") is None
