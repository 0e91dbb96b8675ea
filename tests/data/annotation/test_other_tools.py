"""Annotations of tools and kinds that are not read: what they are is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.annotation.annotated import LABEL, bare, complaint, edit, exported, world
from vergence.data.annotation import coco
from vergence.data.manifest import Manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL, LABEL])


POLYGON = {"label": "grass", "points": [[1, 1], [4, 1], [4, 2]], "shape_type": "polygon"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.json": {"shapes": [POLYGON], "imagePath": "a__000.png"}}, "annotations of labelme"),
        ({"via.json": {"a.png1": {"filename": "a.png", "regions": []}}}, "annotations of VIA"),
        ({"meta.json": {"classes": []}, "ds0/ann/a.png.json": {"objects": []}}, "annotations of Supervisely"),
        ({"labels/a.txt": "0 0.1 0.1 0.2 0.2"}, "annotations of YOLO"),
        ({"annotations.xml": "<annotations/>"}, "annotations of CVAT for images"),
    ],
)
def test_forms_of_other_tools_are_called_by_name(manifest: Manifest, files: dict[str, Any], said: str) -> None:
    for name, content in files.items():
        path = manifest.root / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    assert f"{said}" in complaint(manifest, manifest.root / "given")


def test_polygons_of_label_studio_are_named_without_a_label_space(manifest: Manifest) -> None:
    region = {"type": "polygonlabels", "value": {"points": [[1, 1], [2, 1], [2, 2]], "polygonlabels": ["grass"]}}
    task = {"id": 1, "data": {"image": "a__000.png"}, "annotations": [{"result": [region]}]}
    (manifest.root / "tasks.json").write_text(json.dumps([task]))
    assert "region of type polygonlabels" in complaint(bare(manifest), manifest.root / "tasks.json")


def test_more_classes_than_a_mask_can_hold(manifest: Manifest) -> None:
    path = exported(manifest, "coco") / coco.FILE
    many = [{"id": number, "name": f"class {number}"} for number in range(1, 301)]
    edit(path, lambda content: content | {"categories": many})
    assert "more than 255 classes" in complaint(manifest, path.parent)
