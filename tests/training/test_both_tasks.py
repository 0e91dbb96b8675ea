"""A run that learns two tasks is scored on both while it trains."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vergence import api
from vergence.data.manifest import Manifest
from vergence.data.toytown import TownOptions, write_toytown
from vergence.errors import InputError

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


def stills_and_video(folder: Path) -> Path:
    """Two labelled stills without neighbours, and a video of the same street without labels."""
    town = Manifest.read(write_toytown(folder / "town", TownOptions(), {"train": 2, "val": 1}, frames=4))
    streets = list(dict.fromkeys(row.sequence for row in town.rows if row.split == "train"))
    stills = [replace(row, sequence=f"still {row.position}") for row in town.rows if row.sequence == streets[0]][::2]
    others = [row if row.split == "val" else replace(row, label="") for row in town.rows if row.sequence != streets[0]]
    return Manifest([*stills, *others], town.root).write(folder / "town" / "stills.parquet")


def test_labelled_stills_teach_beside_a_video_that_depth_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    data, (recipe, own) = stills_and_video(tmp_path), CASES["three_ways"]
    networks = {f"{part}.{key}": value for part in ("network", "pose") for key, value in NETWORK.items()}
    words = SMALL | networks | own | {"train.log_every": 1, "train.evaluate_every": 0}
    run = Path(api.train(recipe, tmp_path / "run", data, words))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [row for row in rows if row["kind"] == "train"]
    assert len(losses) == 2
    for row in losses:
        assert row["segmentation"] > 0
        assert row["photometric"] == 0  # a still has nothing that it could be synthesised from
        assert row["unlabelled_photometric"] > 0
    alone = words | {"three_ways.depth": "truth"}  # then nothing but the labelled frames teaches depth
    with pytest.raises(InputError, match="no usable sample"):
        api.train(recipe, tmp_path / "alone", data, alone)
