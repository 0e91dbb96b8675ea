"""A run that learns two tasks is scored on both while it trains."""

import json
from pathlib import Path

import pytest

from vergence import api
from vergence.data.toytown import TownOptions, write_toytown

NETWORK = {"encoder": "test_resnet", "weights": "none"}
SMALL = {
    "train.steps": 2, "train.evaluate_every": 2, "train.device": "cpu", "frames.batch_size": 2, "frames.workers": 0,
    "frames.options.offsets": [-1, 1], "evaluate.limit": 2,
}  # fmt: skip
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "three_ways": (
        "three_ways-toytown-tiny",
        {"three_ways.multi_task": True, "three_ways.depth": "online", "frames.labelled.count": 2},
    ),
    "semhint": ("semhint-toytown-tiny", {"semhint.labels": "truth", "semhint.segmentation": True}),
}


@pytest.mark.parametrize("method", CASES)
def test_abs_rel_and_miou_are_logged(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    town = write_toytown(tmp_path / "town", TownOptions(), {"train": 1, "val": 1}, frames=4)
    recipe, own = CASES[method]
    networks = {f"{part}.{key}": value for part in ("network", "pose") for key, value in NETWORK.items()}
    run = Path(api.train(recipe, tmp_path / "run", town, SMALL | networks | own))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    scored = [row for row in rows if row["kind"] == "evaluate"]
    assert len(scored) == 1
    result = api.evaluate(run, baselines=False, device="cpu", limit=2)
    assert scored[0]["abs_rel"] == pytest.approx(result["rows"][0]["abs_rel"], rel=1e-4)
    assert scored[0]["miou"] == pytest.approx(result["segmentation"]["rows"][0]["miou"], rel=1e-4)
