"""Which format a folder is in, and what is said of those that are in none."""

import zipfile

import pytest
from PIL import Image

from tests.data.annotation.annotated import LABEL, complaint
from vergence.data.annotation import import_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError


def test_what_is_no_set_of_annotations(manifest: Manifest) -> None:
    root = manifest.root
    assert "nowhere does not exist" in complaint(manifest, root / "nowhere")
    assert "is no folder, no .zip, no .tar and no .json" in complaint(manifest, root / "a" / "000.png")
    (root / "empty").mkdir()
    assert "in no form that can be imported" in complaint(manifest, root / "empty")
    assert "did you mean 'coco'?" in complaint(manifest, root / "empty", format="cocoo")
    (root / "empty" / "labels").mkdir()
    Image.fromarray(LABEL).save(root / "empty" / "labels" / "a__000.png")
    assert "has labels/ but no classes.json" in complaint(manifest, root / "empty")
    with zipfile.ZipFile(root / "x.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing here " * 100)
    data = bytearray((root / "x.zip").read_bytes())
    data[50:60] = b"0123456789"
    (root / "x.zip").write_bytes(data)
    assert "cannot be unpacked" in complaint(manifest, root / "x.zip")
    with pytest.raises(InputError, match=r"m\.txt must end in"):
        import_labels(root / "empty", manifest, root / "m.txt")
