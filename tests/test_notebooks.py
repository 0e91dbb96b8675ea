"""The notebooks run from the first cell to the last, on less data and with fewer steps than they say."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SMALLER = {
    r"STEPS = 60\b": "STEPS = 2",
    r"DEPTH_STEPS, STEPS, LABELS = .*": "DEPTH_STEPS, STEPS, LABELS = 2, 6, 3",
    r'{"train": \d, "val": \d, "frames": 12}': '{"train": 2, "val": 1, "frames": 5}',
    r'train={"steps": (\w+)}': r'train={"steps": \1}, frames={"workers": 0, "batch_size": 2}',
    r"vergence.evaluate\(run.*?\)": "vergence.evaluate(run, limit=2)",
}
"""How much there is to do, by what a notebook says; nothing else is changed."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipykernel", reason="notebooks run in ipykernel: pip install 'vergence[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="notebooks are run by nbclient: pip install 'vergence[dev]'")
    import nbformat

    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache"))
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        for said, less in SMALLER.items():
            cell.source = re.sub(said, less, cell.source)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no cell shows what the model sees"
    assert re.search(r"trained +(abs_rel|mIoU) 0\.\d+", "".join(output.get("text", "") for output in outputs))
