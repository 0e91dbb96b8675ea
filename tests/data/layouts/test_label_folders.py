"""Labels in folders beside the images: pairs by name, splits by folder, and what does not fit."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.labelled_trees import columns, ids_of, paint
from tests.data.small_world import picture, save
from vergence.data.labels import label_space
from vergence.data.layouts import index_layout, recognise
from vergence.data.layouts.clips import folder, folder_intrinsics
from vergence.data.layouts.resolve import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError


def own(root, put, names=("a.jpg", "b.jpg", "c.jpg"), labels="labels", images="images"):
    put(root / images, list(names))
    paint(root / labels, [f"{name[:-4]}.png" for name in names[:2]], columns(3))
    (root / "classes.json").write_text(json.dumps({"classes": ["cow", "hay", "sky"]}))
    return root


@pytest.mark.parametrize("labels", ["labels", "masks"])
def test_a_plain_folder_with_labels_and_classes(tmp_path, put, labels):
    manifest = folder(own(tmp_path, put, labels=labels))
    assert recognise(tmp_path) == "folder"
    assert [row.label for row in manifest] == [f"{labels}/a.png", f"{labels}/b.png", ""]
    assert label_space(manifest[0].label_space).classes == ("cow", "hay", "sky")
    assert manifest[2].label_space == ""
    np.testing.assert_array_equal(ids_of(manifest), columns(3))


def test_labels_beside_frames_are_no_frames(tmp_path, put):
    manifest = folder(own(tmp_path, put, images="."))
    assert [row.image for row in manifest] == ["a.jpg", "b.jpg", "c.jpg"]
    assert manifest[0].label == "labels/a.png"


def test_manifest_of_own_labels_needs_no_other_file(tmp_path, put):
    own(tmp_path, put)
    index_layout("folder", tmp_path, tmp_path / "elsewhere" / "manifest.csv")
    (tmp_path / "classes.json").unlink()
    manifest = Manifest.read(tmp_path / "elsewhere" / "manifest.csv")
    assert label_space(manifest[0].label_space).classes == ("cow", "hay", "sky")
    np.testing.assert_array_equal(ids_of(manifest), columns(3))


def test_folders_called_train_and_val_are_splits(tmp_path, put):
    for part in ("train", "val"):
        put(tmp_path / "images" / part, [f"{k}.jpg" for k in range(4)])
        paint(tmp_path / "labels" / part, [f"{k}.png" for k in range(4)], columns(3))
    (tmp_path / "classes.json").write_text(json.dumps(["cow", "hay", "sky"]))
    assert recognise(tmp_path) == "folder", "marks of CamVid, other classes"
    manifest = folder(tmp_path)
    assert manifest.splits() == {"train": 4, "val": 4}
    assert manifest[5].label == "labels/val/1.png"
    put(tmp_path / "images" / "town", ["0.jpg"])
    assert folder(tmp_path).splits() == {"train": 9}


def test_labels_of_unknown_meaning_are_left_out(tmp_path, put, caplog):
    own(tmp_path, put)
    (tmp_path / "classes.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert not any(row.label for row in folder(tmp_path))
    assert "labels is not used: classes.json with the names of the classes is missing" in caplog.text
    assert folder(tmp_path, label_space="cityscapes19")[0].label_space == "cityscapes19"
    with pytest.raises(InputError, match="did you mean"):
        folder(tmp_path, label_space="cityscapes20")


def test_labels_with_known_intrinsics(tmp_path, put, put_intrinsics):
    own(tmp_path, put)
    put_intrinsics(tmp_path)
    manifest = folder_intrinsics(tmp_path)
    assert manifest[0].label == "labels/a.png"
    assert manifest[0].intrinsics_known


def test_labels_that_do_not_fit_the_images(tmp_path, put):
    own(tmp_path, put)
    paint(tmp_path / "labels", ["x.png"], columns(3))
    with pytest.raises(InputError, match=r"1 label\(s\) without an image, the first is x\.png; put the image"):
        folder(tmp_path)
    (tmp_path / "labels" / "x.png").unlink()
    paint(tmp_path / "labels", ["a.bmp"], columns(3))
    with pytest.raises(InputError, match=r"two labels for one image, a\.bmp and a\.png"):
        folder(tmp_path)


def labelled_pair(root, label=(24, 40)):
    (root / "classes.json").write_text(json.dumps({"classes": ["road", "sky", "car"]}))
    for name in ("000", "001"):
        save(root / "images" / f"{name}.png", picture(0))
        save(root / "labels" / f"{name}.png", np.ones(label, np.uint8))
    return root


def test_two_images_of_one_label(tmp_path):
    save(labelled_pair(tmp_path) / "images" / "001.jpg", picture(0))
    with pytest.raises(InputError, match=r"two (images|pictures).*001\.\w+ and (images/)?001\.\w+"):
        resolve_input(tmp_path)


def test_a_label_of_another_aspect(tmp_path):
    with pytest.raises(InputError, match=r"000\.png is 24x40, but its image is 40x24"):
        resolve_input(labelled_pair(tmp_path, (40, 24)))


def test_a_label_drawn_on_a_picture_that_nobody_turned(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture(0)).save(labelled_pair(tmp_path) / "images" / "001.png", exif=exif)
    with pytest.raises(InputError, match=r"001\.png is 40x24, but its image is 24x40 as it is shown"):
        resolve_input(tmp_path)
