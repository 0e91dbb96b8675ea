"""Labels go to an annotator and come back."""

from pathlib import Path

import numpy as np
import pytest

from tests.command_line import sentence
from vergence.cli import main


def test_labels_go_out_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.data.annotation.annotated import read_labels, world

    label = np.array([[0, 1, 255], [2, 2, 255]], dtype=np.uint8)
    world(tmp_path, [label, None]).write(tmp_path / "m.csv")
    words = ["labels", "export", "m.csv", "--to", "cvat", "--out", "out.zip"]
    paths = {"m.csv", "out.zip", "new.csv"}
    assert main([str(tmp_path / word) if word in paths else word for word in words]) == 0
    assert "2 frames in" in capsys.readouterr().out
    words = ["labels", "import", "out.zip", "--from", "cvat", "--data", "m.csv", "--out", "new.csv"]
    assert main([str(tmp_path / word) if word in paths else word for word in words]) == 0
    assert "1 of 2 frames labelled from cvat; without annotation and as before: 1" in capsys.readouterr().out
    found = read_labels(tmp_path / "new.csv")
    np.testing.assert_array_equal(found[0], label)
    assert found[1] is None
    words = [str(tmp_path / word) if word in paths else word for word in words]
    assert "b/000.png has no annotation" in sentence(capsys, *words, "--complete")
