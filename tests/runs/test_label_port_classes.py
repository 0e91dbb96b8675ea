"""Which classes a label port speaks of, before anything is loaded."""

import json
from pathlib import Path

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.runs.label_port_classes import folder_space, label_folder, port_space, space_of_rows

SPACE = "two:road#804080,sky#4682b4"


def frames(*spaces: str, column: str = "label") -> Manifest:
    rows = [
        FrameRow(f"{k}.png", "a", k, **({column: f"l{k}.png", f"{column}_space": space} if space else {}))
        for k, space in enumerate(spaces)
    ]
    return Manifest(rows, Path())


def test_the_datas_own_labels() -> None:
    assert port_space("truth", frames("", "cityscapes_ids")) == "cityscapes19", "what is learned from raw ids"
    assert port_space("manifest", frames(SPACE, column="pseudo_label")) == SPACE
    assert port_space("truth", None) == ""
    assert space_of_rows(frames("", "")) == ""
    assert space_of_rows(frames("cityscapes_ids", "cityscapes19")) == "cityscapes19"
    with pytest.raises(InputError, match=r"labels of 2 spaces \(cityscapes19, two:"):
        space_of_rows(frames("cityscapes19", SPACE))


def test_a_folder_says_it_by_its_predictions_or_its_classes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say what its labels mean"):
        folder_space(tmp_path)
    (tmp_path / "classes.json").write_text('{"name": "mine", "classes": [{"name": "road", "color": "#010203"}]}')
    assert folder_space(tmp_path) == port_space(str(tmp_path), None) == "mine:road#010203"
    (tmp_path / "predictions.json").write_text(json.dumps({"label_space": "camvid11", "factor": float("nan")}))
    assert folder_space(tmp_path) == "camvid11"


def test_a_port_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'nowhere' is no label port: give a segmentation run"):
        label_folder("nowhere")
    assert label_folder(str(tmp_path)) == tmp_path
