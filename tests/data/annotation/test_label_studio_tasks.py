"""Tasks of Label Studio: their images, their brush masks, and what is wrong with them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.data.annotation.annotated import bare, complaint, edit, exported
from vergence.data.annotation import import_labels
from vergence.data.manifest import Manifest


def first_region(content: Any) -> Any:
    return content[0]["annotations"][0]["result"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: first_region(c)["value"].update(rle=[1, 2, 3]), "broken brush mask (the code ends early)"),
        (lambda c: first_region(c)["value"].update(rle="what"), "broken brush mask"),
        (lambda c: first_region(c)["value"].pop("rle"), "broken brush mask"),
        (lambda c: first_region(c).update(original_width=9), "annotated at 9x3, but the image is 5x3"),
        (lambda c: first_region(c).update(image_rotation=90), "on a rotated image"),
        (lambda c: first_region(c).update(type="polygonlabels"), "type polygonlabels, which is no mask"),
        (lambda c: first_region(c)["value"].update(brushlabels=["grass", "path"]), "with 2 classes"),
        (lambda c: first_region(c)["value"].update(brushlabels=["lawn"]), "the class 'lawn' (1 masks) is not in yard"),
        (lambda c: c[0]["annotations"].append({"result": []}), "a__000 has 2 annotations; keep one"),
        (lambda c: c.append(c[0]), "a__000 is the image of several tasks"),
        (lambda c: c[0].update(data={"text": "hello"}), "names no image"),
        (lambda c: c[0]["data"].update(frame="z"), "z is the name of no frame"),
    ],
)
def test_broken_tasks(manifest: Manifest, change: Callable[[Any], Any], said: str) -> None:
    source = exported(manifest, "label_studio")
    edit(source / "tasks.json", lambda content: change(content) and None)
    assert said in complaint(manifest, source)


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/3/0a1b2c3d-b__000.png",
        "/data/local-files/?d=folder/b__000.png",
        "s3://bucket/b/000.png",
        "https://host/x/b__000.png?token=1",
        "b/000.png",
    ],
)
def test_names_of_images_in_tasks(manifest: Manifest, address: str) -> None:
    source = exported(manifest, "label_studio")
    edit(source / "tasks.json", lambda content: [{**content[0], "data": {"id": "x", "picture": address}}])
    import_labels(source, bare(manifest), manifest.root / "m.csv")
    assert [row.label != "" for row in Manifest.read(manifest.root / "m.csv")] == [False, True, False]
