"""The examples in docstrings say what the program does: every one is run, warnings are errors."""

import doctest
import importlib
import warnings
from pathlib import Path

import pytest

import vergence

SOURCE = Path(vergence.__file__).parent
LEAST = 60
"""Examples that there are at least: a test that finds none would pass as well."""


def modules_with_examples() -> list[str]:
    """Names of the modules whose text has an example."""
    files = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    return [".".join(["vergence", *path.relative_to(SOURCE).with_suffix("").parts]) for path in files]


def examples(module: str) -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(importlib.import_module(module), module) if test.examples]


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_are_true(module: str) -> None:
    runner, report = doctest.DocTestRunner(verbose=False), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for test in examples(module):
            runner.run(test, out=report.append)
    assert runner.tries > 0, f"{module} has an example that is in no docstring"
    assert runner.failures == 0, "".join(report)


def test_there_are_examples() -> None:
    assert sum(len(examples(module)) for module in modules_with_examples()) >= LEAST
