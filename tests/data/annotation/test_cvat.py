"""CVAT's coloured masks and label map, right and broken."""

import numpy as np
import pytest
from PIL import Image

from tests.data.annotation.annotated import LABEL, bare, complaint, exported, read_labels
from vergence.data.annotation import import_labels
from vergence.data.manifest import Manifest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("grass:0,128,0::", "grass:0,128,1::", "#008000, at x 0, y 0 (4 pixels of such colours), which is no class"),
        ("grass:0,128,0::", "grass:128,128,128::", "path and grass share a name or a colour"),
        ("grass:0,128,0::", "grass 0 128 0", "should be like 'road:128,64,128::'"),
        ("grass:0,128,0::", "grass:0,128,300::", "should be like 'road:128,64,128::'"),
        ("grass:0,128,0::", "lawn:0,128,0::", "the class 'lawn' (3 masks) is not in yard"),
        ("background:0,0,0::", "background:9,9,9::", "background must be black"),
    ],
)
def test_broken_label_maps(manifest: Manifest, old: str, new: str, said: str) -> None:
    path = exported(manifest, "cvat") / "labelmap.txt"
    path.write_text(path.read_text().replace(old, new))
    assert said in complaint(manifest, path.parent)
    path.unlink()
    assert "labelmap.txt does not exist" in complaint(manifest, path.parent)


def test_cvat_masks_of_one_channel(manifest: Manifest) -> None:
    source = exported(manifest, "cvat")
    for path in (source / "SegmentationClass").iterdir():
        Image.fromarray(np.where(LABEL == 255, 4, LABEL + 1).astype(np.uint8)).save(path)
    import_labels(source, bare(manifest), manifest.root / "m.csv")
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[0], LABEL)
    Image.fromarray(np.full_like(LABEL, 77)).save(path)
    assert "has the id 77, but labelmap.txt has ids 0 to 4" in complaint(manifest, source)


def test_what_nobody_painted_in_cvat_is_ignored(manifest: Manifest) -> None:
    source = exported(manifest, "cvat")
    Image.fromarray(np.zeros((3, 5, 3), dtype=np.uint8)).save(source / "SegmentationClass" / "a__000.png")
    assert import_labels(source, manifest, manifest.root / "m.csv").empty == 1
    assert (read_labels(manifest.root / "m.csv")[0] == 255).all()
