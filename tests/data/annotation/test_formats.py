"""All problems of a set of annotations are told at once, and long lists are cut."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.annotation.annotated import LABEL, complaint, exported, world
from vergence.data.manifest import Manifest


def test_every_problem_is_told_at_once(manifest: Manifest) -> None:
    labels = exported(manifest, "png") / "labels"
    Image.fromarray(LABEL[:2]).save(labels / "a__000.png")
    Image.fromarray(LABEL + np.uint8(3)).save(labels / "b__000.png")
    (labels / "a__001.png").write_bytes(b"no picture")
    Image.fromarray(LABEL).save(labels / "a__01.png")
    said = complaint(manifest, labels.parent)
    assert "nothing was written; it has 4 problems:" in said
    assert "a__000.png is 5x2, but its image is 5x3" in said
    assert "b__000.png has the id 3, 4, 5, but classes.json has ids 0 to 2 and 255 for none" in said
    assert "a__001.png is no image" in said
    assert "a__01 is the name of no frame in the manifest (did you mean 'a__001'?)" in said


def test_long_lists_are_cut(tmp_path: Path) -> None:
    manifest = world(tmp_path, [LABEL] * 25)
    labels = exported(manifest, "png") / "labels"
    for path in labels.glob("*.png"):
        Image.fromarray(LABEL[:, :2]).save(path)
    lines = complaint(manifest, labels.parent).splitlines()
    assert "25 problems" in lines[0]
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more"


@pytest.mark.parametrize("form", ["png", "cvat"])
def test_lossy_masks_are_refused(manifest: Manifest, form: str) -> None:
    source = exported(manifest, form)
    path = next(source.glob("labels/*.png" if form == "png" else "SegmentationClass/*.png"))
    Image.open(path).convert("RGB").save(path, format="JPEG")
    assert "in a way which changes its values" in complaint(manifest, source)
