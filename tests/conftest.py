"""Fixtures of the tests of this folder."""

from pathlib import Path

import pytest

from tests.exported_runs import both_run
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_frames(folder, depth=True)
    write_recipe(folder)
    return folder


@pytest.fixture(scope="session")
def exported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of depth and classes, to export."""
    return both_run(tmp_path_factory.mktemp("runs") / "both")


@pytest.fixture(scope="session")
def exported_model(exported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as ONNX, as the defaults say; a test that asks for it is skipped without the extra export."""
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    api.export(exported_run, "onnx", file)
    return file
