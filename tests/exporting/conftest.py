"""One run of both tasks and its ONNX file, for all tests of the room."""

from pathlib import Path

import pytest

from tests.exporting.small import both_run
from vergence import api

pytest.importorskip("onnxruntime", reason="needs the extra export")
pytest.importorskip("onnxscript", reason="needs the extra export")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return both_run(tmp_path_factory.mktemp("runs") / "both")


@pytest.fixture(scope="session")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as ONNX, as the defaults say."""
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    api.export(run, "onnx", file)
    return file
