"""COCO's masks in run-length code and polygons, right and broken."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.data.annotation.annotated import complaint, edit, exported, read_labels
from vergence.data.annotation import coco, import_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["annotations"][0].pop("segmentation"), "annotation 1 has no segmentation"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts="0"), "broken mask"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts="~~~"), "broken mask"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts=[3, 4]), "do not add up"),
        (lambda c: c["annotations"][0]["segmentation"].update(size=[5, 3]), "expected [3, 5]"),
        (lambda c: c["annotations"][0].update(segmentation=[["x"]]), "broken mask"),
        (lambda c: c["annotations"][0].update(category_id=99), "image or category that is not listed"),
        (lambda c: c["annotations"][0].update(image_id=99), "image or category that is not listed"),
        (lambda c: c["images"][0].update(width=50), "annotated at 50x3, but the image is 5x3"),
        (lambda c: c["images"][0].update(file_name="b__000.png"), "lists b__000.png twice"),
        (lambda c: c["images"][0].update(file_name="c.png"), "c is the name of no frame"),
        (lambda c: c["images"][0].update(file_name=["b.png"]), "images[0].file_name: expected a text"),
        (lambda c: c["images"][0].pop("id"), "is no COCO file of masks"),
        (lambda c: c["images"][0].update(id=2), "an id of images or categories twice"),
        (lambda c: c["categories"][0].update(id=[]), "is no COCO file of masks"),
        (lambda c: c["images"].append(5), "is no COCO file of masks"),
        (lambda c: c.update(annotations=5), "is no COCO file of masks"),
        (lambda c: c["images"][0].update(width=0), "images[0].width: expected a whole number at least 1 and at most"),
        (lambda c: c["images"][0].update(height=10**12), "images[0].height: expected a whole number"),
        (lambda c: c["images"][0].update(height=3.5), "images[0].height: expected a whole number"),
        (lambda c: c["images"][0].update(height="3"), "images[0].height: expected a whole number"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts=[15.0]), "no whole number of pixels"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts=[-1, 16]), "no whole number of pixels"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts=[True] * 15), "no whole number of pixels"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts=15), "broken mask"),
        (lambda c: c["annotations"][0]["segmentation"].update(counts="o" * 1_000_000), "larger than any picture"),
        (lambda c: c["annotations"][0]["segmentation"].update(size=7), "expected [3, 5]"),
        (lambda c: c["annotations"][0].update(segmentation="what"), "broken mask"),
        (lambda c: c["categories"][0].update(name="lawn"), "the class 'lawn' (3 masks) is not in yard"),
    ],
)
def test_broken_coco(manifest: Manifest, change: Callable[[Any], Any], said: str) -> None:
    source = exported(manifest, "coco")
    edit(source / "annotations.json", lambda content: change(content) and None)
    assert said in complaint(manifest, source)


def test_coco_of_other_programs(manifest: Manifest) -> None:
    """Polygons, plain run lengths, and a file below annotations/; the later mask is on top."""
    content = {
        "images": [{"id": 7, "file_name": "b/000.png", "height": 3, "width": 5}],
        "categories": [{"id": 4, "name": "path"}, {"id": 9, "name": "old shed"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 4, "segmentation": [[0, 0, 5, 0, 5, 3, 0, 3]]},
            {"id": 2, "image_id": 7, "category_id": 9, "segmentation": {"size": [3, 5], "counts": [6, 3, 6]}},
        ],
    }
    path = manifest.root / "theirs" / "annotations" / "instances_default.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    for source in (path, path.parents[1]):
        done = import_labels(source, manifest, manifest.root / "m.csv")
        assert (done.format, done.imported) == ("coco", 1)
        expected = np.ones((3, 5), dtype=np.uint8)
        expected[:, 2] = 2
        np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[1], expected)


def test_coco_without_its_package(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(InputError, match=r"pip install 'vergence\[coco\]'"):
        coco._coder()


def of_polygons(manifest: Manifest, polygons: list[list[float]], name: str = "path") -> np.ndarray | None:
    """The label that one annotation of these polygons becomes; the picture is 5 wide and 3 high."""
    content = {
        "images": [{"id": 7, "file_name": "b/000.png", "height": 3, "width": 5}],
        "categories": [{"id": 0, "name": name}, {"id": 4, "name": "path"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 4, "segmentation": polygons}],
    }
    (manifest.root / "polygons.json").write_text(json.dumps(content))
    import_labels(manifest.root / "polygons.json", manifest, manifest.root / "p.csv")
    return read_labels(manifest.root / "p.csv")[1]


def test_a_polygon_inside_another_is_painted_and_told(manifest: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    whole = of_polygons(manifest, [[0, 0, 5, 0, 5, 3, 0, 3], [1, 1, 3, 1, 3, 2, 1, 2]])
    assert whole is not None
    assert set(np.unique(whole)) == {1}
    assert "annotation 1 has a polygon inside another" in caplog.text
    caplog.clear()
    of_polygons(manifest, [[0, 0, 2, 0, 2, 3, 0, 3], [3, 0, 5, 0, 5, 3, 3, 3]])
    assert "inside another" not in caplog.text


def test_shares_of_the_picture_are_no_pixels(manifest: Manifest) -> None:
    with pytest.raises(InputError, match="annotation 1 has coordinates from 0 to 1"):
        of_polygons(manifest, [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9]])
    corner = of_polygons(manifest, [[0, 0, 1, 0, 1, 1, 0, 1]])
    assert corner is not None
    assert (corner != 255).sum() == 1
