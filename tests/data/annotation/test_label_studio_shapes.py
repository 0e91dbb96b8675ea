"""Label Studio's files in all their shapes mean the same masks, and its names lead to the same frames."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.annotation.annotated import bare, read_labels, world
from vergence.data.annotation import coco, export_labels, import_labels
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError

LABEL = np.array([[0, 0, 1, 1, 255], [0, 2, 1, 1, 255]], dtype=np.uint8)
FIELD = Path(__file__).parents[4] / "shared/field/13-label-studio-coco-and-json-min/lscoco"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL, LABEL[::-1]])


def tasks_of(manifest: Manifest) -> list[Any]:
    out = manifest.root / "out"
    export_labels(manifest, "label_studio", out)
    return json.loads((out / "tasks.json").read_text())


def brought(manifest: Manifest, content: Any, format: str | None = None) -> list[np.ndarray | None]:
    source = manifest.root / "given.json"
    source.write_text(json.dumps(content))
    space = next(row.label_space for row in manifest)
    import_labels(source, bare(manifest), manifest.root / "back" / "m.csv", format=format, space=space)
    return read_labels(manifest.root / "back" / "m.csv")


def json_min(tasks: list[Any]) -> Any:
    parts = ("original_width", "original_height", "image_rotation")
    return [
        {
            "image": task["data"]["image"],
            "id": number,
            "tag": [{**one["value"], **{key: one[key] for key in parts}} for one in task["annotations"][0]["result"]],
            "annotator": 1,
            "annotation_id": number,
        }
        for number, task in enumerate(tasks)
    ]


def target_storage(tasks: list[Any]) -> Any:
    return [{"id": 7, "result": task["annotations"][0]["result"], "task": {"data": task["data"]}} for task in tasks]


def completions(tasks: list[Any]) -> Any:
    return [{"data": task["data"], "completions": task["annotations"]} for task in tasks]


def labels_apart(tasks: list[Any]) -> Any:
    """Labels and Brush as two tags: two regions of one id."""
    for task in tasks:
        regions = []
        for region in task["annotations"][0]["result"]:
            name = region["value"].pop("brushlabels")
            labels = {"id": region["id"], "type": "labels", "value": {"labels": name}}
            regions += [{**region, "type": "brush"}, labels]
        task["annotations"][0]["result"] = regions
    return tasks


@pytest.mark.parametrize("shape", [json_min, target_storage, completions, labels_apart])
def test_shapes_mean_the_same_masks(manifest: Manifest, shape: Callable[[list[Any]], Any]) -> None:
    tasks = tasks_of(manifest)
    for task in tasks:
        del task["data"]["frame"]
    for found, expected in zip(brought(manifest, shape(tasks)), [LABEL, LABEL[::-1]], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_task_alone(manifest: Manifest) -> None:
    found = brought(manifest, tasks_of(manifest)[1])
    assert found[0] is None
    np.testing.assert_array_equal(found[1], LABEL[::-1])


def test_predictions_alone_are_said(manifest: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    tasks = tasks_of(manifest)
    tasks[0]["predictions"] = tasks[0].pop("annotations")
    with caplog.at_level(logging.WARNING, "vergence"):
        assert brought(manifest, tasks)[0] is None
    assert "1 tasks have predictions only, which nobody accepted: they are left out" in caplog.text
    tasks[1]["predictions"] = tasks[1].pop("annotations")
    with pytest.raises(InputError, match=r"its tasks have predictions only \(2\), which nobody accepted; submit"):
        brought(manifest, tasks)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda task: task.update(annotations=5), "annotations that are no list of objects"),
        (lambda task: task.update(annotations=[5]), "annotations that are no list of objects"),
        (lambda task: task["annotations"][0].update(result="x"), "a result that is no list of regions"),
        (lambda task: task["annotations"][0].update(result=[1]), "a result that is no list of regions"),
        (lambda task: task["annotations"][0]["result"][0].update(value=3), "a brush region with 0 classes"),
        (lambda task: task["annotations"][0]["result"][0]["value"].update(brushlabels=9), "with 1 classes [9]"),
        (lambda task: task["annotations"][0]["result"][0]["value"].update(brushlabels=[{}]), "with 1 classes [{}]"),
        (lambda task: task["annotations"][0]["result"][0]["value"].update(rle=10**12), "broken brush mask"),
        (lambda task: task["annotations"][0]["result"][0].update(original_width=[5]), "was annotated at [5]x"),
        (lambda task: task["data"].update(frame=None, image="http://[x/a.png"), "names no image"),
    ],
)
def test_odd_results(manifest: Manifest, change: Callable[[Any], Any], said: str) -> None:
    tasks = tasks_of(manifest)
    change(tasks[0])
    with pytest.raises(InputError) as error:
        brought(manifest, tasks)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "pattern",
    ["images/1/90fbb0c0-{}.jpg", r"images\1/90fbb0c0-{}.jpg", r"..\..\media\upload\4\90fbb0c0-{}.jpg", r"C:\x\{}.jpg"],
)
def test_uploaded_names_in_coco(manifest: Manifest, pattern: str) -> None:
    export_labels(manifest, "coco", manifest.root / "coco")
    content = json.loads((manifest.root / "coco" / coco.FILE).read_text())
    for image in content["images"]:
        image["file_name"] = pattern.format(image["file_name"].removesuffix(".png"))
    for found, expected in zip(brought(manifest, content), [LABEL, LABEL[::-1]], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(not FIELD.is_dir(), reason="needs the field cases in ../shared")
def test_files_of_users(tmp_path: Path) -> None:
    frames = resolve_input(str(FIELD / "frames"))
    road = {}
    for name in ("full", "min", "result_unix", "result_old", "result_116", "result_plain"):
        done = import_labels(FIELD / f"{name}.json", frames, tmp_path / f"{name}.csv")
        assert (done.imported, done.missing) == (4, 0)
        place = done.space.classes.index("road")
        road[name] = [label is not None and label == place for label in read_labels(tmp_path / f"{name}.csv")]
    np.testing.assert_array_equal(road["min"], road["full"])
    for name in ("result_unix", "result_old", "result_116"):
        np.testing.assert_array_equal(road[name], road["result_plain"])
