"""Scores of classes as tables of a console."""

import numpy as np

from tests.evaluation.class_runs import frame, halves, made_run, untrained_says_sky
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.evaluation.console_tables import tables
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
