"""What is written for an annotator: all or nothing, and what is missing is asked for."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.annotation.annotated import SPACE, bare, read_labels, world
from tests.data.annotation.comparison import assert_same
from vergence.data.annotation import export_labels, import_labels
from vergence.data.labels import CITYSCAPES_19, CITYSCAPES_IDS, label_space
from vergence.data.manifest import Manifest
from vergence.errors import InputError


def test_predictions_fill_what_has_no_label(tmp_path: Path) -> None:
    drawn = np.full((4, 4), 2, dtype=np.uint8)
    manifest = world(tmp_path, [drawn, None])
    guess = np.arange(35, dtype=np.uint8).reshape(5, 7) % 2
    counts = export_labels(
        manifest, "png", tmp_path / "out", predictor=lambda path: guess, predictor_space=label_space(SPACE.text())
    )
    assert counts == {"frames": 2, "labels": 1, "predictions": 1}
    import_labels(tmp_path / "out", manifest, tmp_path / "m.csv")
    assert_same(read_labels(tmp_path / "m.csv"), [drawn, guess])


def test_labels_of_another_space_are_mapped(tmp_path: Path) -> None:
    label = np.array([[7, 8, 26, 255]], dtype=np.uint8)  # raw ids of road, sidewalk and car
    manifest = world(tmp_path, [label], CITYSCAPES_IDS)
    export_labels(manifest, "png", tmp_path / "out", "cityscapes19")
    import_labels(tmp_path / "out", bare(manifest), tmp_path / "m.csv")
    assert_same(read_labels(tmp_path / "m.csv"), [np.array([[0, 1, 13, 255]], dtype=np.uint8)])


def test_export_asks_for_what_it_cannot_know(tmp_path: Path) -> None:
    manifest = world(tmp_path, [None])
    with pytest.raises(InputError, match="name them with --label_space"):
        export_labels(manifest, "png", tmp_path / "out")
    with pytest.raises(InputError, match=r"no format 'cvta' of labels .did you mean 'cvat'"):
        export_labels(manifest, "cvta", tmp_path / "out", SPACE)
    with pytest.raises(InputError, match="no frames to annotate"):
        export_labels(Manifest([], tmp_path), "png", tmp_path / "out", SPACE)
    mixed = [*world(tmp_path / "x", [np.zeros((2, 2), np.uint8)]), *world(tmp_path / "y", [None])]
    other = world(tmp_path / "z", [None, np.zeros((2, 2), np.uint8)], CITYSCAPES_19)
    with pytest.raises(InputError, match="labels of several spaces"):
        export_labels(Manifest([mixed[0], other[1]], tmp_path), "png", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_export_writes_all_or_nothing(tmp_path: Path) -> None:
    manifest = world(tmp_path, [np.zeros((3, 3), dtype=np.uint8), np.full((3, 3), 9, dtype=np.uint8)])
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match=r"b0\.png has the id 9"):
        export_labels(manifest, "png", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").touch()
    with pytest.raises(InputError, match="out exists already"):
        export_labels(manifest, "png", tmp_path / "out")
