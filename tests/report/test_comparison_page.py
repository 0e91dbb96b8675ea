"""Several runs on one page: names, what differs, scores, the same frames."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run
from vergence.errors import InputError
from vergence.report.comparison_page import _charts, _differing, _evaluations, _names


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs of one network, whose recipes name other seeds, each scored."""
    first = stored_run(tmp_path / "a" / "run")
    config = json.loads((first / "checkpoints" / "step-00000001" / "config.json").read_text())
    recipe = config.get("config", config)
    (first / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (first / "metrics.jsonl").write_text('{"step": 1, "kind": "train", "loss": 0.5}\n')
    (first / "evaluation").mkdir()
    row = {"name": "trained", "abs_rel": 0.2, "a1": 0.7, "scale_median": 1.0, "scale_std": 0.1, "images": 3}
    result = {"stamp": "plain · step 1", "rows": [row, {"name": "untrained", "abs_rel": 0.6}], "step": 1}
    (first / "evaluation" / "plain.json").write_text(json.dumps(result))
    second = tmp_path / "b" / "run"
    shutil.copytree(first, second)
    recipe["train"]["seed"] = 7
    (second / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    result["stamp"], row["abs_rel"] = "plain · step 9", 0.15
    (second / "evaluation" / "plain.json").write_text(json.dumps(result))
    return [first, second]


def test_scores_settings_and_frames_lie_beside_each_other(runs: list[Path], tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        Image.fromarray(picture(number)).save(frames / f"{number:03d}.png")
    page = vergence.report(runs, data=frames, images=2).read_text()
    assert (runs[0] / "comparison.html").is_file()
    cells = re.findall(r'<td class="(\w*)">([^<]*)</td>', page)
    assert ("best", "0.150") in cells
    assert ("", "0.200") in cells
    assert "0.600" not in page  # the untrained network is no run
    assert "a/run" in page
    assert re.search(r"<td>Seed</td><td>0</td><td>7</td>", page)
    assert page.count('class="panel card"') == 2
    assert page.count("<figcaption>a/run") == 4  # depth and classes of two frames
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_names_tell_runs_apart_and_only_differences_are_listed(runs: list[Path]) -> None:
    assert _names([Path("x/one"), Path("x/two")]) == ["one", "two"]
    assert _names(runs) == ["a/run", "b/run"]
    assert [key for key, _ in _differing(dict(zip("ab", runs, strict=True)))] == ["Seed"]


def test_runs_that_learned_from_other_labels_share_a_table(runs: list[Path]) -> None:
    for labels, run in zip((10, 584), runs, strict=True):
        stamp = f"mIoU of a · data b · step {labels} · trained with {labels} of 640 frames (c{labels}) · windows"
        part = {"stamp": stamp, "rows": [{"name": "trained", "miou": labels / 1000, "class_iou": {}}]}
        (run / "evaluation" / "plain.json").write_text(json.dumps({"stamp": "", "rows": [], "segmentation": part}))
        log = [{"step": 1, "kind": "evaluate", "miou": 0.1, "score": 0.1}]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    named = dict(zip("ab", runs, strict=True))
    (table,) = _evaluations(named)
    assert [[cell.text for cell in row.cells][:2] for row in table.rows] == [["a", "1.0"], ["b", "58.4"]]
    assert "mIoU of a · data b · windows" in table.stamp
    assert [chart.title for chart in _charts(named)] == ["Evaluation: miou"]


def test_mistakes_are_told(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the same folder is named twice"):
        vergence.report([runs[0], runs[0]])
    with pytest.raises(InputError, match="nothing is no run folder"):
        vergence.report([runs[0], "nothing"])
    with pytest.raises(InputError, match="expected the paths of run folders"):
        vergence.report([runs[0], np.zeros(2)])
