"""Scores as tables of a console."""

import numpy as np

from tests.evaluation.class_runs import frame, halves, made_run, untrained_says_sky
from tests.evaluation.scored_runs import golden
from tests.evaluation.scored_runs import made_run as depth_run
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.evaluation.console_tables import depth_table, tables
from vergence.evaluation.evaluate import evaluate_run


def test_tables_fit_a_console(tmp_path, monkeypatch):
    from rich.console import Console

    untrained_says_sky(monkeypatch)
    manifest = Manifest([frame(tmp_path, k, halves(0, 1), halves(0, 1)) for k in range(2)], tmp_path)
    result = evaluate_run(made_run(tmp_path), manifest)
    cityscapes = label_space("cityscapes19").classes
    for row in result["segmentation"]["rows"]:
        row["class_iou"] = {name: k / 19 if k else np.nan for k, name in enumerate(cityscapes)}
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for part in tables(result):
        console.print(part)
    text = console.export_text()
    console.file.close()
    assert "…" not in text
    for part in ("untrained", "100.0", "motorcycle", "–", manifest.digest()):
        assert part in text


def test_the_table_of_depth_fits_and_shows_the_stamp(tmp_path):
    from rich.console import Console

    result = evaluate_run(depth_run(tmp_path), Manifest([golden(tmp_path)], tmp_path))
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(depth_table(result))
    text = console.export_text()
    console.file.close()
    assert "untrained" in text
    assert "0.429" in text
    assert "…" not in text
    assert result["data"] in text
