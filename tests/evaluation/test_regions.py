"""Depth by class and at borders of objects: by hand, with labels of another size or space, without labels."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.data.small_world import save
from tests.evaluation.scored_runs import HEIGHT, WIDTH, RedMethod, made_run, rows
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.evaluation.console_tables import tables
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import Scoring, evaluate, evaluate_run

SPACE = "toy:road#804080,car#00008e,sky#4682b4"
NONE = choose_protocol("plain", "none")


def world(folder: Path, count: int = 2, scale: int = 1, space: str = SPACE, label: bool = True) -> Manifest:
    """A car at 4 m, seen at 5, before a road at 20 m, seen at 40; the sky was not measured. Red is 40 / depth."""
    found = []
    for k in range(count):
        car = (slice(24, 48), slice(40 + k, 80 + k))
        image, depth = np.ones((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH), 20, np.float32)
        image[(*car, 0)], depth[car] = 8, 4
        depth[:8] = 0
        ids = np.zeros((HEIGHT, WIDTH), np.uint8)
        ids[car], ids[:8], ids[-1] = 1, 2, 255
        save(folder / f"{k}.png", image)
        np.save(folder / f"{k}.npy", depth)
        save(folder / f"l{k}.png", np.kron(ids, np.ones((scale, scale), np.uint8)))
        found.append(
            FrameRow(f"{k}.png", "s", k, "val", width=WIDTH, height=HEIGHT, depth=f"{k}.npy",
                     label=f"l{k}.png" if label else "", label_space=space)
        )  # fmt: skip
    return Manifest(found, folder)


@pytest.mark.parametrize("scale", [1, 2])
def test_by_hand(tmp_path: Path, scale: int) -> None:
    result = evaluate_run(made_run(tmp_path), world(tmp_path, scale=scale), Scoring(NONE, baselines=False))
    (row,) = result["rows"]
    found = row["class_abs_rel"]
    assert found["car"] == pytest.approx(0.25)
    assert found["road"] == pytest.approx(1.0)
    assert np.isnan(found["sky"])
    assert row["class_pixels"] == {"road": 2 * (55 * WIDTH - 24 * 40), "car": 2 * 24 * 40, "sky": 0}
    assert row["border_distance"] < 1.5
    assert row["border_recall"] == pytest.approx(1)
    assert row["sky_near"] == 1  # everything is seen at 10 m or nearer


def test_far_sky(tmp_path: Path) -> None:
    class Far(RedMethod):
        def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            found = super().predict(images)["inverse_depth"].clone()
            found[..., :8, : WIDTH // 4] = 1 / 50
            return {"inverse_depth": found, "disparity": found}

    (row,) = evaluate_run(made_run(tmp_path, method=Far()), world(tmp_path), Scoring(NONE, baselines=False))["rows"]
    assert row["sky_near"] == pytest.approx(0.75)
    result = evaluate_run(made_run(tmp_path), world(tmp_path), Scoring("plain", baselines=False))
    assert "sky_near" in result["rows"][0]


def test_every_predictor_and_depth_that_sees_no_object(tmp_path: Path) -> None:
    class Plane(RedMethod):
        def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            rise = torch.linspace(0.02, 0.2, images.shape[-2])[:, None].expand(len(images), 1, -1, images.shape[-1])
            return {"inverse_depth": rise, "disparity": rise}

    found = rows(evaluate_run(made_run(tmp_path, method=Plane()), world(tmp_path), Scoring(NONE)))
    assert set(found) == {"trained", "input_free", "untrained"}
    assert all("class_abs_rel" in row for row in found.values())
    assert found["trained"]["border_distance"] == 20
    assert found["trained"]["border_recall"] == 0


def test_files_and_tables(tmp_path: Path) -> None:
    world(tmp_path).write(tmp_path / "m.csv")
    run = made_run(tmp_path)
    result = evaluate(run, tmp_path / "m.csv", Scoring(scale="none", baselines=False), per_image=True)
    stored = json.loads((run.path / "evaluation" / "plain.json").read_text())
    assert stored["rows"][0]["class_abs_rel"]["sky"] is None
    with (run.path / "evaluation" / "plain-depth-classes.csv").open() as file:
        lines = {line["class"]: line for line in csv.DictReader(file)}
    assert set(lines) == {"road", "car"}
    assert float(lines["car"]["abs_rel"]) == pytest.approx(0.25)
    assert (run.path / "evaluation" / "plain.csv").is_file()
    console = Console(width=80, file=StringIO())
    for table in tables(result):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "borders, px" in text
    assert "within 3 px   100.0%" in text
    assert "car            0.250" in text
    assert "sky is near" in text


def test_without_labels_nothing_changes(tmp_path: Path) -> None:
    result = evaluate_run(made_run(tmp_path), world(tmp_path, label=False), Scoring(NONE, baselines=False))
    assert "class_abs_rel" not in result["rows"][0]
    assert "border_distance" not in result["rows"][0]
    assert len(tables(result)) == 1


def test_one_class_has_no_border(tmp_path: Path) -> None:
    manifest = world(tmp_path)
    for k in range(2):
        save(tmp_path / f"l{k}.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    result = evaluate_run(made_run(tmp_path), manifest, Scoring(NONE, baselines=False))
    assert "border_distance" not in result["rows"][0]
    assert result["rows"][0]["class_pixels"]["car"] == 0
    assert len(tables(result)) == 2


def test_other_spaces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    method = RedMethod()
    method.label_space = label_space("cityscapes19")
    (row,) = evaluate_run(made_run(tmp_path, method=method), world(tmp_path), Scoring(NONE, baselines=False))["rows"]
    assert row["class_abs_rel"]["car"] == pytest.approx(0.25)
    method.label_space = label_space("a:cow#010101,hay#020202")
    (row,) = evaluate_run(made_run(tmp_path, method=method), world(tmp_path), Scoring(NONE, baselines=False))["rows"]
    assert "class_abs_rel" not in row
    assert "share no class" in caplog.text
    several = world(tmp_path).changed(lambda row: replace(row, label_space="camvid11") if row.position else row)
    (row,) = evaluate_run(made_run(tmp_path), several, Scoring(NONE, baselines=False))["rows"]
    assert "class_abs_rel" not in row


def test_a_label_of_another_aspect(tmp_path: Path) -> None:
    manifest = world(tmp_path)
    save(tmp_path / "l1.png", np.zeros((HEIGHT, HEIGHT), np.uint8))
    with pytest.raises(InputError, match=r"l1.png is 64x64, but its image is 128x64"):
        evaluate_run(made_run(tmp_path), manifest, Scoring(NONE, baselines=False))
