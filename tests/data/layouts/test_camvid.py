"""CamVid in both forms, its camera and its classes."""

import json
import math

import numpy as np
import pytest

from tests.data.layouts.labelled_trees import columns, ids_of, paint
from tests.data.made_rows import with_neighbours
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.labels import CAMVID_11, label_mapping, label_space
from vergence.data.layouts.camvid import camvid
from vergence.data.masks.label_files import read_label_space
from vergence.errors import InputError


def make_camvid(root, put, segnet: bool):
    val = [f"0016E5_{number:05d}.png" for number in range(7959, 7969, 2)]
    train = [f"0001TP_{number:06d}.png" for number in (6690, 6720, 6750)]
    for split, stills in (("train", train), ("val", val)):
        put(root / split if segnet else root / "images" / split, stills, (48, 36))
        put(root / f"{split}annot" if segnet else root / "labels" / split, stills, (48, 36), "L")
        if segnet:
            lines = [f"/SegNet/CamVid/{split}/{name} /SegNet/CamVid/{split}annot/{name}" for name in stills]
            (root / f"{split}.txt").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize("segnet", [True, False])
def test_camvid_forms(tmp_path, put, segnet):
    manifest = camvid(make_camvid(tmp_path, put, segnet))
    assert manifest.splits() == {"train": 3, "val": 5}
    assert all(row.label for row in manifest)
    assert manifest.path(4, "label").is_file()
    assert [row.fps for row in manifest] == [30] * 3 + [15] * 5
    assert manifest.neighbour(0, 1) is None, "a second apart"
    assert manifest.neighbour(3, 1) == 4, "every second frame of the film"


def test_camvid_pixels_are_not_square(tmp_path, put):
    row = camvid(make_camvid(tmp_path, put, True))[0]
    assert row.fx * 480 == pytest.approx(575)
    assert row.fy * 360 == pytest.approx(762)
    assert math.isnan(camvid(tmp_path, intrinsics="unknown")[0].fx)


def test_camvid_list_with_absent_files(tmp_path, put):
    make_camvid(tmp_path, put, True)
    (tmp_path / "val" / "0016E5_07961.png").unlink()
    with pytest.raises(InputError, match=r"val\.txt names 1 file\(s\) .* the first is val/0016E5_07961\.png"):
        camvid(tmp_path)


def test_camvid_label_without_image(tmp_path, put):
    make_camvid(tmp_path, put, False)
    (tmp_path / "images" / "val" / "0016E5_07961.png").unlink()
    with pytest.raises(InputError, match=r"1 label\(s\) without an image, the first is 0016E5_07961"):
        camvid(tmp_path)


def test_camvid_empty(tmp_path):
    with pytest.raises(InputError, match="holds no CamVid"):
        camvid(tmp_path)


def test_real_camvid(shared):
    manifest = camvid(shared / "camvid")
    assert manifest.splits() == {"train": 367, "val": 101, "test": 164}
    val = manifest.select("val")
    assert len(with_neighbours(val, (-1, 1))) == 99
    assert {row.fps for row in val} == {15}
    assert len(with_neighbours(manifest.select("train"), (1,))) == 0
    assert manifest[0].label_space == "camvid11"


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
