"""Whatever is wrong with what comes back is said at once, in words, and nothing is written."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.annotation.annotated import SPACE, bare, read_labels, world
from vergence.data.annotation import coco, export_labels, import_labels
from vergence.data.label_pictures import read_label
from vergence.data.labels import CITYSCAPES_19, label_space
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError

LABEL = np.array([[0, 0, 1, 1, 255], [0, 2, 1, 1, 255], [0, 2, 2, 2, 255]], dtype=np.uint8)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL, LABEL, LABEL])


def exported(manifest: Manifest, to: str) -> Path:
    out = manifest.root / "out"
    export_labels(manifest, to, out)
    return out


def complaint(manifest: Manifest, source: Path, **more: Any) -> str:
    """What an import says that fails; it must leave nothing behind."""
    new = manifest.root / "new"
    with pytest.raises(InputError) as error:
        import_labels(source, manifest, new / "m.csv", **more)
    assert not new.exists()
    return str(error.value)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


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


def test_palettes_of_another_program(manifest: Manifest) -> None:
    """Sorted anew, the colours count; of other colours, nothing can be said."""
    path = exported(manifest, "png") / "labels" / "a__000.png"
    image = Image.open(path)
    image.load()
    palette = image.getpalette()
    assert palette is not None
    image.putpalette([*palette[3:6], *palette[:3], *palette[6:]])
    image.save(path)
    import_labels(path.parents[1], bare(manifest), manifest.root / "m.csv")
    exchanged = np.array([1, 0, *range(2, 256)], dtype=np.uint8)[LABEL]
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[0], exchanged)
    image.putpalette([9, 9, 9, *palette[3:]])
    image.save(path)
    said = complaint(manifest, path.parents[1])
    assert "a__000.png has another palette than classes.json: index 0 is #090909 instead of #008000" in said


@pytest.mark.parametrize("form", ["png", "cvat"])
def test_lossy_masks_are_refused(manifest: Manifest, form: str) -> None:
    source = exported(manifest, form)
    path = next(source.glob("labels/*.png" if form == "png" else "SegmentationClass/*.png"))
    Image.open(path).convert("RGB").save(path, format="JPEG")
    assert "in a way which changes its values" in complaint(manifest, source)


def test_colours_instead_of_ids(manifest: Manifest) -> None:
    path = exported(manifest, "png") / "labels" / "a__000.png"
    picture = np.array(Image.open(path).convert("RGB"))
    Image.fromarray(picture).save(path)
    import_labels(path.parents[1], bare(manifest), manifest.root / "new" / "m.csv")
    np.testing.assert_array_equal(read_labels(manifest.root / "new" / "m.csv")[0], LABEL)
    picture[0, 0] = (1, 2, 3)
    picture[1, :2] = (9, 9, 9)
    Image.fromarray(picture).save(path)
    with pytest.raises(
        InputError, match=r"#010203, at x 0, y 0 \(3 pixels of such colours\), which is no class in classes\.json"
    ):
        import_labels(path.parents[1], manifest, manifest.root / "new" / "m.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON (line 1, column 2"),
        ("[]", "is no list of classes"),
        ('{"classes": [{"name": "a", "color": "blue"}]}', "colour 'blue' is not of the form #rrggbb"),
        ('{"classes": [{"id": 300, "name": "a"}]}', "id 300"),
        ('{"classes": ["a", "a"]}', "distinct class names"),
    ],
)
def test_broken_classes(manifest: Manifest, content: str, said: str) -> None:
    source = exported(manifest, "png")
    (source / "classes.json").write_text(content)
    assert said in complaint(manifest, source)


def test_classes_that_people_wrote(manifest: Manifest) -> None:
    """Names alone: ids are read, whatever the palette; colours cannot be."""
    source = exported(manifest, "png")
    (source / "classes.json").write_text('["grass", "path", "old shed"]')
    import_labels(source, bare(manifest), manifest.root / "m.csv")
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[0], LABEL)
    Image.open(source / "labels" / "a__000.png").convert("RGB").save(source / "labels" / "a__000.png")
    assert "no label space says what they mean" in complaint(manifest, source)


def test_a_png_export_is_a_folder_to_train_from(manifest: Manifest) -> None:
    found = resolve_input(exported(manifest, "png"))
    assert [row.label != "" for row in found] == [True, True, True]
    assert label_space(found[0].label_space).classes == SPACE.classes
    np.testing.assert_array_equal(read_label(found.path(0, "label")), LABEL)


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


# --- CVAT -----------------------------------------------------------------------------------------------------------


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


# --- COCO -----------------------------------------------------------------------------------------------------------


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


# --- Label Studio ---------------------------------------------------------------------------------------------------


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


def test_tasks_without_a_valid_annotation_are_missing(manifest: Manifest) -> None:
    source = exported(manifest, "label_studio")

    def change(content: Any) -> None:
        content[0]["annotations"][0]["was_cancelled"] = True
        content[1]["annotations"][0]["result"] = []
        content[2]["predictions"] = content[2].pop("annotations")

    edit(source / "tasks.json", change)
    done = import_labels(source / "tasks.json", manifest, manifest.root / "m.csv")
    assert (done.imported, done.empty, done.missing) == (1, 1, 2)


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


def test_png_files_of_label_studio(manifest: Manifest) -> None:
    """One file a class and region, named after task, annotation, user, brush and class, beside the JSON export."""
    source = manifest.root / "studio"
    source.mkdir()
    for number, name in enumerate(SPACE.classes):
        layer = np.where(number == LABEL, 255, 0).astype(np.uint8)
        Image.fromarray(layer).save(source / f"task-12-annotation-5-by-anna@x.org-tag-{name}-0.png")
    assert "do not name their images" in complaint(manifest, source, format="label_studio")
    tasks = [{"id": 12, "data": {"image": "/data/upload/1/0a1b2c3d-b__000.png"}, "annotations": []}]
    (source / "project.json").write_text(json.dumps(tasks))
    done = import_labels(source, bare(manifest), manifest.root / "m.csv", space=SPACE)
    assert (done.format, done.imported) == ("label_studio", 1)
    np.testing.assert_array_equal(read_labels(manifest.root / "m.csv")[1], LABEL)
    Image.fromarray(LABEL[:2]).save(source / "task-12-annotation-5-by-anna@x.org-tag-grass-0.png")
    Image.fromarray(LABEL).save(source / "task-13-annotation-5-by-anna@x.org-tag-grass-0.png")
    Image.fromarray(LABEL).save(source / "task-12-annotation-5-grass.png")
    said = complaint(manifest, source)
    assert "tag-grass-0.png is 5x2, but its image is 5x3" in said
    assert "is of a task that the JSON file does not have" in said
    assert "is not named like task-1-annotation-1-by-1-tag-CLASS-0.png" in said
