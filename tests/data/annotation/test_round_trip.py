"""Labels survive the way to an annotator and back pixel for pixel."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.data.annotation.annotated import SPACE, bare, read_labels, round_trip, world
from tests.data.annotation.comparison import assert_same
from vergence.data.annotation import export_labels, import_labels
from vergence.data.annotation.registry import detect
from vergence.data.labels import CITYSCAPES_19, CITYSCAPES_IDS, LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label

FORMATS = ["png", "cvat", "coco", "label_studio"]


LABELS = npst.arrays(
    np.uint8, st.tuples(st.integers(1, 13), st.integers(1, 13)), elements=st.sampled_from([0, 1, 2, 255])
)


def special() -> list[np.ndarray | None]:
    """A hole in a hole, one pixel, nothing but ignored, one class alone, odd sizes, one row, one column, no label."""
    hole = np.zeros((11, 17), dtype=np.uint8)
    hole[2:9, 3:14] = 255
    hole[4:7, 5:12] = 1
    hole[5, 8] = 2
    pixel = np.full((7, 9), 255, dtype=np.uint8)
    pixel[6, 8] = 2
    ignored = np.full((3, 5), 255, dtype=np.uint8)
    checkers = (np.indices((9, 9)).sum(0) % 3).astype(np.uint8)
    row, column = np.array([[0, 0, 255, 2, 2]], dtype=np.uint8), np.array([[1], [1], [0]], dtype=np.uint8)
    return [hole, pixel, None, ignored, np.ones((1, 1), dtype=np.uint8), checkers, row, column]


@pytest.mark.parametrize("archive", ["out", "out.zip"])
@pytest.mark.parametrize("to", FORMATS)
def test_special_masks(tmp_path: Path, to: str, archive: str) -> None:
    assert_same(round_trip(tmp_path, special(), to, archive), special())


@pytest.mark.parametrize("to", FORMATS)
@settings(max_examples=25, deadline=None)
@given(labels=st.lists(LABELS, min_size=1, max_size=3))
def test_any_masks(to: str, labels: list[np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(round_trip(Path(folder), labels, to), labels)


@pytest.mark.parametrize("to", FORMATS)
def test_formats_are_recognised_and_named(tmp_path: Path, to: str) -> None:
    manifest = world(tmp_path, special())
    counts = export_labels(manifest, to, tmp_path / "out")
    assert counts == {"frames": 8, "labels": 7, "predictions": 0}
    assert detect(tmp_path / "out") == to
    done = import_labels(tmp_path / "out", bare(manifest), tmp_path / "m.parquet")
    assert (done.format, done.frames, done.imported, done.empty, done.missing) == (to, 8, 7, 1, 1)
    assert done.space.classes == SPACE.classes
    assert "7 of 8 frames labelled" in str(done)
    assert "1 of them without any class" in str(done)


@pytest.mark.parametrize("to", FORMATS)
def test_a_class_called_background_is_not_what_is_ignored(tmp_path: Path, to: str) -> None:
    space = LabelSpace("two", ("background", "ignore"), ((0, 0, 0), (255, 255, 255)))
    label = np.array([[0, 0, 1], [255, 1, 0]], dtype=np.uint8)
    manifest = world(tmp_path, [label], space)
    export_labels(manifest, to, tmp_path / "out")
    import_labels(tmp_path / "out", manifest, tmp_path / "m.csv")
    assert_same(read_labels(tmp_path / "m.csv"), [label])


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("space", [CITYSCAPES_19, CITYSCAPES_IDS], ids=lambda space: space.name)
def test_known_spaces_keep_their_name(tmp_path: Path, to: str, space: LabelSpace) -> None:
    label = np.arange(len(space) + 1, dtype=np.uint8)[None]
    label[0, -1] = 255
    manifest = world(tmp_path, [label], space)
    export_labels(manifest, to, tmp_path / "out")
    import_labels(tmp_path / "out", bare(manifest), tmp_path / "m.csv")
    assert_same(read_labels(tmp_path / "m.csv"), [label])
    assert Manifest.read(tmp_path / "m.csv")[0].label_space == space.name


def test_other_rows_and_columns_stay(tmp_path: Path) -> None:
    labels = [np.full((4, 4), value, dtype=np.uint8) for value in (0, 1, 2)]
    manifest = world(tmp_path, labels)
    part = Manifest(manifest.rows[1:2], manifest.root)
    export_labels(part, "png", tmp_path / "out")
    done = import_labels(tmp_path / "out", manifest, tmp_path / "new" / "m.csv")
    assert (done.imported, done.missing) == (1, 2)
    found = Manifest.read(tmp_path / "new" / "m.csv")
    assert_same(read_labels(tmp_path / "new" / "m.csv"), labels)
    assert [Path(row.label).parent.name for row in found] == ["truth", "m_labels", "truth"]
    assert [(row.sequence, row.position) for row in found] == [("a", 0), ("b", 0), ("a", 1)]


@pytest.mark.parametrize("colours", [((0, 0, 0), (255, 255, 255), (128, 0, 0)), ((9, 9, 9), (9, 9, 9), (0, 0, 0))])
def test_imported_labels_are_those_of_their_space(tmp_path: Path, colours: tuple) -> None:
    """A black class, and two of one colour, have other colours in the annotator, but not in what is trained on."""
    space = LabelSpace("yard", ("ground", "path", "shed"), colours)
    label = np.array([[0, 1, 2, 255], [2, 2, 1, 0]], dtype=np.uint8)
    export_labels(world(tmp_path, [label], space), "png", tmp_path / "out")
    import_labels(tmp_path / "out", bare(world(tmp_path, [label], space)), tmp_path / "back.csv", space=space)
    back = Manifest.read(tmp_path / "back.csv")
    assert label_space(back[0].label_space) == space
    np.testing.assert_array_equal(read_label(back.path(0, "label"), space=space), label)
