import json
import logging
import math

import numpy as np
import pytest
from PIL import Image

from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.label_files import read_label_space
from vergence.data.labels import CAMVID_11, COMMA10K, MAPILLARY, label_mapping, label_space
from vergence.data.layouts import index_layout, recognise
from vergence.data.layouts.camvid import camvid
from vergence.data.layouts.clips import folder, folder_intrinsics
from vergence.data.layouts.comma10k import comma10k
from vergence.data.layouts.kitti_semantics import kitti_semantics
from vergence.data.layouts.mapillary import mapillary
from vergence.data.manifest import Manifest
from vergence.errors import InputError

STILLS = [f"{number:04d}_a{number}.png" for number in range(10)]


def paint(folder_, names, colours):
    folder_.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(colours).save(folder_ / name)


def ids_of(manifest, row=0, space=None):
    wanted = space or label_space(manifest[row].label_space).trained().text()
    options = FrameOptions(16, 32, (), label_space=wanted, load_label=True)
    return FrameDataset(manifest, options, train=False)[row]["label"].numpy()


def columns(count):
    """Ids 0, 1, ... in columns of a 32x16 label."""
    return np.broadcast_to(np.arange(32) % count, (16, 32)).astype(np.uint8)


def test_comma10k(tmp_path, put):
    put(tmp_path / "imgs", STILLS)
    paint(tmp_path / "masks", STILLS, COMMA10K.colourize(columns(5)))
    assert recognise(tmp_path) == "comma10k"
    manifest = comma10k(tmp_path)
    assert manifest.splits() == {"train": 9, "val": 1}
    assert manifest.select("val")[0].image == "imgs/0009_a9.png"
    np.testing.assert_array_equal(ids_of(manifest), columns(5))
    assert not manifest.with_neighbours((1,)), "single frames"
    assert math.isnan(manifest[0].fx)


def test_camera_of_comma10k(tmp_path, put):
    put(tmp_path / "imgs", STILLS[:2], (1164, 874))
    row = comma10k(tmp_path)[0]
    assert row.fx * 1164 == pytest.approx(910)
    assert row.label == ""
    assert math.isnan(comma10k(tmp_path, intrinsics="unknown")[0].fx)
    with pytest.raises(InputError, match="use auto or unknown"):
        comma10k(tmp_path, intrinsics="all")


def test_broken_comma10k(tmp_path, put):
    with pytest.raises(InputError, match="holds no comma10k"):
        comma10k(tmp_path)
    put(tmp_path / "imgs", STILLS)
    put(tmp_path / "masks", ["0001_b.png"])
    with pytest.raises(InputError, match=r"1 label\(s\) without an image, the first is 0001_b\.png"):
        comma10k(tmp_path)


def vistas(root, put, labels="labels", coloured=False):
    for part in ("training", "validation"):
        names = [f"{part}{k}.jpg" for k in range(3)]
        put(root / part / "images", names)
        ids = np.where(columns(66) == 65, 65, columns(66)).astype(np.uint8)
        ids[0] = 65
        place = root / part / labels
        place.mkdir(parents=True)
        for name in names:
            image = Image.fromarray(MAPILLARY.colourize(ids)) if coloured else Image.fromarray(ids)
            if not coloured:
                image.putpalette([value // 3 for value in range(768)])
            image.save(place / name.replace(".jpg", ".png"))
    return root


@pytest.mark.parametrize("labels", ["labels", "v1.2/labels"])
@pytest.mark.parametrize("coloured", [True, False])
def test_mapillary(tmp_path, put, labels, coloured):
    manifest = mapillary(vistas(tmp_path, put, labels, coloured))
    assert recognise(tmp_path) == "mapillary"
    assert manifest.splits() == {"train": 3, "val": 3}
    assert {row.label_space for row in manifest} == {"mapillary_v1.2"}
    ids = ids_of(manifest)
    assert (ids[0] == 255).all(), "unlabelled"
    np.testing.assert_array_equal(ids[1:], columns(66)[1:])
    assert mapillary(tmp_path, parts=("validation",)).splits() == {"val": 3}


def test_classes_of_mapillary_come_from_its_configuration(tmp_path, put):
    vistas(tmp_path, put)
    labels = [{"readable": "Road", "color": [1, 2, 3], "evaluate": True}]
    (tmp_path / "config.json").write_text(json.dumps({"labels": labels}))
    assert label_space(mapillary(tmp_path)[0].label_space).classes == ("Road",)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is no JSON"):
        mapillary(tmp_path)


def test_broken_mapillary(tmp_path, put):
    with pytest.raises(InputError, match="holds no Mapillary"):
        mapillary(tmp_path)
    with pytest.raises(InputError, match="part 'train' is unknown; use training"):
        mapillary(tmp_path, parts=("train",))


def test_kitti_semantics(tmp_path, put):
    names = [f"{k:06d}_10.png" for k in range(20)]
    put(tmp_path / "training" / "image_2", names)
    paint(tmp_path / "training" / "semantic", names, columns(34))
    put(tmp_path / "testing" / "image_2", names[:2])
    assert recognise(tmp_path) == "kitti_semantics"
    manifest = kitti_semantics(tmp_path, testing=True)
    assert manifest.splits() == {"train": 18, "val": 2, "test": 2}
    assert manifest[0].label == "training/semantic/000000_10.png"
    assert ids_of(manifest)[0, [6, 7, 8, 31]].tolist() == [255, 0, 1, 16]
    assert kitti_semantics(tmp_path / "training", split=False).splits() == {"train": 20}
    with pytest.raises(InputError, match="holds no KITTI semantics"):
        kitti_semantics(tmp_path / "testing" / "image_2")


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


def test_camvid_of_other_classes(tmp_path, put):
    names = [f"0016E5_{k:05d}.png" for k in range(3)]
    put(tmp_path / "images" / "train", names)
    paint(tmp_path / "labels" / "train", names, columns(2))
    (tmp_path / "classes.json").write_text(json.dumps(["road", "rest"]))
    assert label_space(camvid(tmp_path)[0].label_space).classes == ("road", "rest")


def test_void_of_segnet_is_ignored(tmp_path, put):
    names = [f"0016E5_{k:05d}.png" for k in range(3)]
    put(tmp_path / "train", names)
    paint(tmp_path / "trainannot", names, columns(12))
    manifest = camvid(tmp_path)
    assert manifest[0].label_space == "camvid_segnet"
    assert ids_of(manifest)[0, :13].tolist() == [*range(11), 255, 0]


def test_labels_of_the_real_camvid(shared):
    manifest = camvid(shared / "camvid").select("val")
    ids = FrameDataset(manifest, FrameOptions(360, 480, (), label_space="camvid11", load_label=True), train=False)
    label = ids[0]["label"].numpy()
    assert set(np.unique(label)) <= {*range(11), 255}
    assert (label == 3).mean() > 0.2, "road"


def test_nearest_cityscapes_classes_of_the_shared_camvid(shared):
    classes = json.loads((shared / "camvid" / "classes.json").read_text())["classes"]
    expected = [one["cityscapes_train_id"] for one in classes]
    assert label_mapping("camvid11", "cityscapes19")[:11].tolist() == expected
    assert read_label_space(shared / "camvid" / "classes.json") is CAMVID_11
