"""The page about extending says what runs: its blocks are run one after another, as a reader would."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm.optim
import torch
from PIL import Image
from timm.optim._optim_factory import default_registry

import vergence
from vergence.data.label_space import LABEL_SPACES
from vergence.data.layouts import LAYOUTS
from vergence.data.manifest import Manifest
from vergence.evaluation.depth_scores import choose_protocol
from vergence.inference.depth_port import DEPTH_PORTS
from vergence.methods import METHODS
from vergence.settings.protocols import PROTOCOLS

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
TABLES: tuple[dict[str, object], ...] = (METHODS, LAYOUTS, LABEL_SPACES, DEPTH_PORTS, PROTOCOLS)  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What the page makes known is forgotten again."""
    before = [dict(table) for table in TABLES]
    yield
    for table, kept in zip(TABLES, before, strict=True):
        table.clear()
        table.update(kept)
    default_registry._optimizers.pop("signsgd", None)


def test_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    vergence.index("toytown", "town", "town.parquet", {"train": 1, "val": 1, "frames": 4})
    Path("pictures").mkdir()
    for place, row in enumerate(Manifest.read("town.parquet")):
        with Image.open(tmp_path / row.image) as picture:
            picture.convert("RGB").save(f"pictures/{place}.jpg")
            picture.convert("RGB").save("frame.jpg")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 8
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert 0 <= names["scores"]["miou"] <= 1  # type: ignore[index]
    assert names["seen"].classes is not None  # type: ignore[attr-defined]
    page = Path(vergence.report(str(names["run"]), images=1)).read_text(encoding="utf-8")
    assert "<figcaption>frame" in page
    assert "Labelled frames. One draw" in page
    assert len(Manifest.read("stills.csv")) == 4
    assert names["farm"].classes == ("grass", "cow")  # type: ignore[attr-defined]
    assert all(Path(row.estimate).is_file() for row in names["estimated"])  # type: ignore[attr-defined]
    assert "signsgd" in timm.optim.list_optimizers()
    stored = json.loads((Path(str(names["signs"])) / "checkpoints" / "step-00000002" / "config.json").read_text())
    assert stored["config"]["optim"]["name"] == "signsgd"
    assert choose_protocol("near").describe().endswith("0.001-20 m, no scaling")
    assert torch.is_grad_enabled()
