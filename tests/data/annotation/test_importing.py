"""Masks that come back are matched to frames and classes; what is wrong is said, and nothing is written."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.data.annotation.annotated import LABEL, complaint, edit, exported
from vergence.data.annotation import export_labels, import_labels
from vergence.data.labels import CITYSCAPES_19
from vergence.data.manifest import Manifest
from vergence.errors import InputError


def test_unknown_class(manifest: Manifest) -> None:
    source = exported(manifest, "png")
    edit(source / "classes.json", lambda content: content["classes"][1].update(name="paht"))
    said = complaint(manifest, source)
    assert "the class 'paht' (3 masks) is not in yard (did you mean 'path'?)" in said


def test_another_label_space(manifest: Manifest) -> None:
    said = complaint(manifest, exported(manifest, "cvat"), space=CITYSCAPES_19)
    assert re.search(r"3 problems:\n.*'grass' \(3 masks\) is not in cityscapes19", said)


def test_two_masks_of_one_frame(manifest: Manifest) -> None:
    labels = exported(manifest, "png") / "labels"
    (labels / "b").mkdir()
    (labels / "b__000.png").rename(labels / "b" / "000.png")
    Image.fromarray(LABEL).save(labels / "b__000.png")
    assert "b/000 and b__000 are both masks of b/000.png; keep one" in complaint(manifest, labels.parent)


def test_names_of_images_are_understood_where_they_are_unique(manifest: Manifest) -> None:
    labels = exported(manifest, "png") / "labels"
    (labels / "b").mkdir()
    (labels / "b__000.png").rename(labels / "b" / "000.png")
    (labels / "a__000.png").rename(labels / "000.png")
    (labels / "a__001.png").rename(labels / "001.png")
    assert "000 is the name of several frames" in complaint(manifest, labels.parent)
    (labels / "000.png").unlink()
    done = import_labels(labels.parent, manifest, manifest.root / "new" / "m.csv")
    assert (done.imported, done.missing) == (2, 1)


def test_masks_in_a_folder_called_images_survive_an_archive(manifest: Manifest) -> None:
    """CVAT keeps the folders of the pictures that were uploaded."""
    source = exported(manifest, "cvat")
    inner = source / "SegmentationClass" / "images" / "b"
    inner.mkdir(parents=True)
    (source / "SegmentationClass" / "b__000.png").rename(inner / "000.png")
    with zipfile.ZipFile(manifest.root / "x.zip", "w") as archive:
        for path in source.rglob("*.*"):
            archive.write(path, Path("job_7") / path.relative_to(source))
    assert import_labels(manifest.root / "x.zip", manifest, manifest.root / "m.csv").imported == 3


def test_frames_without_annotation(manifest: Manifest) -> None:
    source = exported(manifest, "png")
    (source / "labels" / "b__000.png").unlink()
    assert "b/000.png has no annotation" in complaint(manifest, source, complete=True)
    assert import_labels(source, manifest, manifest.root / "m.csv").missing == 1
    for path in (source / "labels").iterdir():
        path.unlink()
    assert "it has no masks" in complaint(manifest, source)


@pytest.mark.parametrize(
    ("out", "said"),
    [("folder.csv", "is a folder; give --out a file"), ("file/m.csv", "file/m.csv cannot be written")],
)
def test_where_no_manifest_can_be(manifest: Manifest, out: str, said: str) -> None:
    source, home = exported(manifest, "png"), manifest.root
    (home / "folder.csv").mkdir()
    (home / "file").touch()
    before = sorted(home.rglob("*"))
    with pytest.raises(InputError, match=said):
        import_labels(source, manifest, home / out)
    assert sorted(home.rglob("*")) == before
    with pytest.raises(InputError, match=r"file/x\.zip cannot be written \(Not a directory\)"):
        export_labels(manifest, "png", home / "file" / "x.zip")


def test_masks_are_as_large_as_their_pictures(manifest: Manifest) -> None:
    """Whatever the manifest says; what it says wrongly is told."""
    wrong = manifest.changed(lambda row: replace(row, width=3000, height=2000))
    with pytest.raises(InputError, match="but the manifest says 3000x2000"):
        import_labels(exported(manifest, "png"), wrong, manifest.root / "m.csv")
