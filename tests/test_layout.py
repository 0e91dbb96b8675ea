"""Tests lie where the modules do: ``src/vergence/a/b.py`` is tested by ``tests/a/test_b.py``. Arguments are few."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "vergence"
NO_MODULES = {"__init__", "__main__"}
UNTESTED: set[str] = set()
"""Modules without a test file of their own; the set may shrink, not grow."""


def place_of_test(module: Path) -> Path:
    """Where the tests of a module of the package lie, both relative to their folders."""
    return module.with_name(f"test_{module.stem.lstrip('_')}.py")


def without_test(source: Path, tests: Path) -> set[str]:
    """Modules that have no test file at the mirrored place, or one without a test."""
    modules = [path.relative_to(source) for path in source.rglob("*.py") if path.stem not in NO_MODULES]
    return {
        module.as_posix()
        for module in modules
        if not (file := tests / place_of_test(module)).is_file() or "def test_" not in file.read_text(encoding="utf-8")
    }


def test_every_module_has_its_tests_at_the_mirrored_place() -> None:
    assert without_test(SOURCE, TESTS) == UNTESTED


def test_the_rule_finds_what_is_missing(tmp_path: Path) -> None:
    source, tests = tmp_path / "source", tmp_path / "tests"
    for name in ("a/__init__", "a/b", "a/c", "_d", "e"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / f"{name}.py").touch()
    for name, text in (
        ("a/test_b", "def test_b(): pass"),
        ("test_d", "class T:\n    def test_x(self): pass"),
        ("test_e", ""),
    ):
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        (tests / f"{name}.py").write_text(text)
    assert without_test(source, tests) == {"a/c.py", "e.py"}


MANY = 10
VERBS = {"api.py", "labelling.py", "preparing.py"}
"""Options of a command are the arguments of its function; those of a layout are options of ``vergence index``."""
OWN_OPTIONS = {
    "inference/predictor.py: load",
    "losses/photometric_depth.py: photometric_depth_loss",
    "models/decoders.py: __init__",
}
"""Doors for Python with options by name, and a network whose form has as many."""


def test_only_options_of_commands_and_doors_are_many() -> None:
    many = set()
    for path in SOURCE.rglob("*.py"):
        file = path.relative_to(SOURCE).as_posix()
        if file in VERBS or file.startswith("data/layouts/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                own = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                if len(own) - (own[:1] in (["self"], ["cls"])) >= MANY:
                    many.add(f"{file}: {node.name}")
    assert many == OWN_OPTIONS
