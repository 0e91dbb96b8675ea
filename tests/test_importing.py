"""Imports of a command's process: nothing is collected meanwhile, and all is as it was afterwards."""

import gc
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from vergence.importing import uncollected_imports

OUTER = "import gc\nimport {inner}\nenabled = gc.isenabled()\ncycle = []\ncycle.append(cycle)\n"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    outer, inner = f"outer_{tmp_path.name}", f"inner_{tmp_path.name}"
    (tmp_path / f"{outer}.py").write_text(OUTER.format(inner=inner))
    (tmp_path / f"{inner}.py").write_text("import gc\nenabled = gc.isenabled()\n")
    (tmp_path / f"broken_{tmp_path.name}.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return outer, inner


def test_nothing_is_collected_while_modules_are_imported(modules: tuple[str, str]) -> None:
    before = list(sys.meta_path)
    with uncollected_imports():
        outer = importlib.import_module(modules[0])
        assert gc.isenabled()
    assert not outer.enabled
    assert not sys.modules[modules[1]].enabled
    assert sys.meta_path == before
    assert all(made is not outer.cycle for made in gc.get_objects())  # set aside: frozen objects are not listed
    gc.unfreeze()


def test_modules_keep_their_own_loader(modules: tuple[str, str]) -> None:
    with uncollected_imports():
        outer = importlib.import_module(modules[0])
    gc.unfreeze()
    plain = importlib.import_module("colorsys")
    assert type(outer.__loader__) is type(outer.__spec__.loader) is type(plain.__loader__)


def test_collects_again_after_an_import_that_failed(modules: tuple[str, str]) -> None:
    with uncollected_imports():
        with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
            importlib.import_module(modules[0].replace("outer", "broken"))
        assert gc.isenabled()
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_module_at_all")
    gc.unfreeze()
    assert gc.isenabled()


def test_who_wants_no_collector_keeps_none(modules: tuple[str, str]) -> None:
    gc.disable()
    try:
        with uncollected_imports():
            importlib.import_module(modules[0])
            assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_command_imports_uncollected_and_then_collects() -> None:
    code = """
import gc, sys
collected = []
gc.callbacks.append(lambda phase, info: collected.append("torch" in sys.modules) if phase == "start" else None)
from vergence import cli
cli.COMMANDS["recipes"] = lambda words: __import__("torch") and 0
del collected[:]
assert cli.main(["recipes"]) == 0
assert len(collected) < 10, len(collected)
assert gc.isenabled() and gc.get_freeze_count() > 100_000
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
