"""Label, depth and other map folders are no frames, whatever the neighbouring tools call them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.images import read_depth
from vergence.data.layouts.clips import folder
from vergence.data.layouts.mapillary import mapillary
from vergence.data.layouts.resolve import resolve_input
from vergence.errors import InputError

SIZE = (24, 14)
SPACE = "three:road#804080,sky#4682b4,car#00008e"


def photo(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*SIZE[::-1], 3), np.uint8)).save(path)


def ids(path, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.zeros(SIZE[::-1], np.uint8)
    label[7:], label[9:, 12:] = 1, 2
    image = Image.fromarray(label)
    if mode == "P":
        image.putpalette([128, 64, 128, 70, 130, 180, 0, 0, 142])
    if mode == "RGB":
        image = Image.fromarray(np.array([[128, 64, 128], [70, 130, 180], [0, 0, 142]], np.uint8)[label])
    image.save(path)


def deep(path, value=5000):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SIZE[::-1], value, np.uint16)).save(path)


NAMES = [f"{k:06d}" for k in range(4)]
LABELLED = {  # (pattern of the picture, pattern of its label, mode)
    "mmseg": ("img_dir/train/{}.jpg", "ann_dir/train/{}.png", "L"),
    "mmseg png": ("img_dir/train/{}.png", "ann_dir/train/{}.png", "P"),
    "voc": ("JPEGImages/2007_{}.jpg", "SegmentationClass/2007_{}.png", "P"),
    "voc, made by labelme": ("JPEGImages/{}.jpg", "SegmentationClassPNG/{}.png", "P"),
    "roboflow": ("train/f_{}_jpg.rf.0a{}.jpg", "train/f_{}_jpg.rf.0a{}_mask.png", "L"),
    "camvid": ("701_StillsRaw_full/0001TP_{}.png", "LabeledApproved_full/0001TP_{}_L.png", "RGB"),
    "cityscapes-like": ("leftImg/a/{}_leftImg8bit.png", "gtFine/a/{}_gtFine_labelIds.png", "L"),
    "annotations": ("images/training/{}.jpg", "annotations/training/{}.png", "L"),
    "colours": ("images/{}.png", "labels_color/{}.png", "RGB"),
    "no known name": ("pictures/{}.png", "drawn/{}.png", "L"),
    "one folder, one stem": ("{}.jpg", "{}.png", "L"),
    "one folder, a prefix": ("a/rgb_{}.png", "a/label_{}.png", "L"),
    "masks_png": ("images_png/{}.png", "masks_png/{}.png", "L"),
    "supervisely": ("ds0/img/{}.jpg", "ds0/masks_machine/{}.png", "L"),
    "virtual kitti": ("frames/rgb/Camera_0/rgb_{}.jpg", "frames/classSegmentation/Camera_0/classgt_{}.png", "RGB"),
    "by split": ("train/images/{}.jpg", "train/masks/{}.png", "1"),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_labels(tmp_path, caplog, name):
    image, label, mode = LABELLED[name]
    for k, stem in enumerate(NAMES):
        photo(tmp_path / image.format(stem, stem), k)
        ids(tmp_path / label.format(stem, stem), mode)
    with caplog.at_level(logging.WARNING, "vergence"):
        rows = list(folder(tmp_path))
    assert [row.image for row in rows] == [image.format(stem, stem) for stem in NAMES]
    assert not any(row.label for row in rows)
    assert "--label_space" in caplog.text
    rows = list(folder(tmp_path, label_space=SPACE))
    assert [row.label for row in rows] == [label.format(stem, stem) for stem in NAMES]
    assert [row.position for row in rows] == [0, 1, 2, 3]


def test_label_maps_of_several_kinds_give_one_label(tmp_path):
    for stem in NAMES:
        photo(tmp_path / "leftImg8bits" / f"{stem}_leftImg8bit.png", 1)
        for kind in ("labelIds", "instanceIds", "color", "labelTrainIds"):
            ids(tmp_path / "gtFine" / f"{stem}_gtFine_{kind}.png", "RGB" if kind == "color" else "L")
    rows = list(folder(tmp_path, label_space=SPACE))
    assert [row.label for row in rows] == [f"gtFine/{stem}_gtFine_labelTrainIds.png" for stem in NAMES]


def test_roboflow_classes_and_splits(tmp_path):
    for split in ("train", "valid", "test"):
        for stem in NAMES:
            photo(tmp_path / split / f"{stem}.jpg")
            ids(tmp_path / split / f"{stem}_mask.png")
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, road\n2, pole\n")
    manifest = folder(tmp_path)
    assert manifest.splits() == {"test": 4, "train": 4, "val": 4}
    assert all(row.label == row.image.replace(".jpg", "_mask.png") for row in manifest)
    assert manifest[0].label_space.startswith("roboflow:background#")


def test_tum_depth_is_joined_by_time(tmp_path):
    for k in range(6):
        photo(tmp_path / "rgb" / f"1305031102.{175304 + 33000 * k}.png", k)
        deep(tmp_path / "depth" / f"1305031102.{160407 + 33000 * k}.png")
    manifest = folder(tmp_path)
    assert [row.depth for row in manifest] == [f"depth/1305031102.{160407 + 33000 * k}.png" for k in range(6)]
    assert {row.depth_scale for row in manifest} == {5000.0}
    assert len(manifest.with_neighbours([1])) == 5
    assert (read_depth(manifest.path(0, "depth"), "", manifest[0].depth_scale) == 1).all()


def test_depth_of_unknown_unit_is_left_out_and_said(tmp_path, caplog):
    for stem in NAMES:
        photo(tmp_path / "scene" / f"{stem}.jpg")
        deep(tmp_path / "scene" / "depth" / f"{stem}.png", 2000)
    with caplog.at_level(logging.WARNING, "vergence"):
        assert not any(row.depth for row in folder(tmp_path))
    assert "--depth_scale" in caplog.text
    row = folder(tmp_path, depth_scale=1000)[0]
    assert row.image == "scene/000000.jpg"
    assert row.depth == "scene/depth/000000.png"
    with pytest.raises(InputError, match="depth_scale"):
        folder(tmp_path, depth_scale=-1)


def test_lists_of_scenes_are_splits(tmp_path):
    for scene in ("Scene0", "Scene1", "Scene2"):
        for stem in NAMES:
            photo(tmp_path / "Training" / scene / f"{stem}.jpg")
    (tmp_path / "Training" / "train.txt").write_text("Scene1\nScene2\n")
    (tmp_path / "Training" / "val.txt").write_text("Scene0\n")
    splits = {row.sequence: row.split for row in folder(tmp_path)}
    assert splits == {"Training/Scene0": "val", "Training/Scene1": "train", "Training/Scene2": "train"}
    assert {row.sequence: row.split for row in folder(tmp_path / "Training")}["Scene0"] == "val"


def test_lists_of_voc_are_splits(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for k, stem in enumerate(NAMES):
        photo(root / "JPEGImages" / f"{stem}.jpg", k)
    place = root / "ImageSets" / "Segmentation"
    place.mkdir(parents=True)
    (place / "train.txt").write_text("000000\n000001\n")
    (place / "val.txt").write_text("000003\n")
    assert [row.split for row in folder(root)] == ["train", "train", "", "val"]
    main = root / "ImageSets" / "Main"
    main.mkdir()
    (main / "train.txt").write_text("000003\n000002\n")  # detection splits the same images in another way
    assert [row.split for row in folder(root)] == ["train", "train", "", "val"]
    assert [row.split for row in folder(tmp_path)] == ["train", "train", "", "val"]
    (place / "val.txt").write_text("000001\n")
    with pytest.raises(InputError, match="000001, which is train too"):
        folder(root)


def test_depth_of_the_same_time_is_that_of_the_own_clip(tmp_path):
    for clip in ("fr1", "fr2"):
        for k in range(4):
            photo(tmp_path / clip / "rgb" / f"1305031102.{k}00000.png", k)
            deep(tmp_path / clip / "depth" / f"1305031102.{k}10000.png", 5000)
    rows = list(folder(tmp_path))
    assert [Path(row.depth).parts[0] for row in rows] == [Path(row.image).parts[0] for row in rows]
    assert [Path(row.depth).stem[11] for row in rows] == [Path(row.image).stem[11] for row in rows]


def test_clip_with_maps_beside_its_images(tmp_path, caplog):
    for clip in ("a", "b"):
        for k, stem in enumerate(NAMES):
            photo(tmp_path / clip / "images" / f"{stem}.jpg", k)
            ids(tmp_path / clip / "semantics_net" / f"{stem}.png")
            deep(tmp_path / clip / "lidar_depth" / f"{stem}.png")
    with caplog.at_level(logging.WARNING, "vergence"):
        rows = list(resolve_input(tmp_path))
    assert [row.image.split("/")[1] for row in rows] == ["images"] * 8
    assert all(row.depth == row.image.replace("images", "lidar_depth").replace("jpg", "png") for row in rows)
    assert "a/semantics_net, b/semantics_net" in caplog.text


def test_folder_of_photographs_with_the_name_of_maps_stays(tmp_path):
    for stem in NAMES:
        photo(tmp_path / "drive" / f"1{stem}.jpg")
        photo(tmp_path / "seg_2" / f"2{stem}.jpg")
    assert {row.sequence for row in folder(tmp_path)} == {"drive", "seg_2"}


def test_polygons_are_said_not_to_be_read(tmp_path, caplog):
    for stem in NAMES:
        photo(tmp_path / "images" / "train" / f"{stem}.jpg")
        (tmp_path / "labels" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / "train" / f"{stem}.txt").write_text("0 .1 .1 .2 .2 .3 .3\n")
    with caplog.at_level(logging.WARNING, "vergence"):
        assert len(folder(tmp_path)) == 4
    assert "4 file(s) such as 000000.txt are not read" in caplog.text


def test_two_pictures_of_one_name_are_refused(tmp_path):
    for name in ("000.jpg", "001.jpg", "002.jpg", "002.png"):
        photo(tmp_path / name)
    with pytest.raises(InputError, match=r"002\.jpg and 002\.png; keep one"):
        folder(tmp_path)


@pytest.mark.parametrize("config", [True, False])
def test_vistas_2_with_its_classes_or_without_labels(tmp_path, caplog, config):
    for part in ("training", "validation"):
        for stem in NAMES:
            photo(tmp_path / part / "images" / f"{part}{stem}.jpg")
            ids(tmp_path / part / "v2.0" / "labels" / f"{part}{stem}.png", "P")
            deep(tmp_path / part / "v2.0" / "instances" / f"{part}{stem}.png")
    if config:
        classes = [{"name": name, "color": [k, k, 9], "evaluate": True} for k, name in enumerate("abc")]
        (tmp_path / "config_v2.0.json").write_text(json.dumps({"labels": classes}))
    with caplog.at_level(logging.WARNING, "vergence"):
        found = list(mapillary(tmp_path))
    assert [row.image for row in resolve_input(tmp_path)] == [row.image for row in found]
    assert len(found) == 8
    assert all(bool(row.label) == config for row in found)
    assert ("config_v2.0.json with its classes is missing" in caplog.text) != config


def test_labels_below_folders_of_their_own_are_found_by_name(tmp_path, caplog):
    """BDD100K: images/10k/train/a.jpg and labels/sem_seg/masks/train/a.png."""
    for number in range(4):
        picture = np.random.default_rng(number).integers(0, 255, (32, 64, 3), dtype=np.uint8)
        for place, values in (
            ("images/10k/train", picture),
            ("labels/sem_seg/masks/train", np.eye(32, 64, dtype=np.uint8)),
        ):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(tmp_path / place / f"{number}.{'jpg' if 'images' in place else 'png'}")
    left_out = folder(tmp_path)
    assert [row.label for row in left_out] == [""] * 4
    assert "labels of unknown classes and are left out; add classes.json or give --label_space" in caplog.text
    found = folder(tmp_path, label_space="cityscapes19")
    assert [row.label for row in found] == [f"labels/sem_seg/masks/train/{number}.png" for number in range(4)]


def test_a_list_that_names_no_frame_is_said(tmp_path, caplog):
    for number in range(4):
        picture = np.random.default_rng(number).integers(0, 255, (32, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.jpg")
    (tmp_path / "train.txt").write_text("nothing\nof_this\n")
    folder(tmp_path)
    assert "train.txt: none of its 2 lines names a frame of" in caplog.text


@pytest.mark.parametrize("place", ["surface_normals", "flow_viz", "depth_vis", "predictions", "output", "thumbnails"])
def test_pictures_made_of_the_frames_are_none(tmp_path, caplog, place):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / "rgb" / f"{stem}.png", k)
        photo(tmp_path / place / f"{stem}.png", 9 + k)
    assert {row.sequence for row in folder(tmp_path)} == {"rgb"}
    assert f"4 picture(s) in {place} are" in caplog.text


def test_depth_between_colours_of_nyu(tmp_path):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}_colors.png", k)
        deep(tmp_path / f"{stem}_depth.png")
    rows = list(folder(tmp_path, depth_scale=1000))
    assert [(row.image, row.depth) for row in rows] == [(f"{n}_colors.png", f"{n}_depth.png") for n in NAMES]


def test_what_servers_and_archives_add_is_no_data(tmp_path):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}.jpg", k)
        photo(tmp_path / "@eaDir" / f"{stem}.jpg" / "SYNOPHOTO_THUMB_M.jpg", k)
    assert len(folder(tmp_path)) == 4


def test_files_beside_the_frames_that_are_not_read_are_told(tmp_path, caplog):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}.jpg", k)
    for name in ("IMG_0001.HEIC", "IMG_0002.HEIC", "drive.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "K.txt").write_text("100 0 50")
    folder(tmp_path)
    assert "3 file(s) such as IMG_0001.HEIC are not read beside the pictures" in caplog.text
    assert "K.txt looks like a calibration and is not read" in caplog.text


def test_the_log_names_the_sequences(tmp_path, caplog):
    """So a folder that holds no frames is seen where nothing else tells it."""
    for place in ("rgb", "thermal"):
        for k, stem in enumerate(NAMES):
            photo(tmp_path / place / f"{stem}.png", k)
    with caplog.at_level(logging.INFO, "vergence"):
        resolve_input(tmp_path)
    assert "2 sequence(s) (rgb, thermal);" in caplog.text


def test_results_of_vergence_beside_the_frames_are_no_frames(tmp_path, caplog):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}.jpg", k)
        photo(tmp_path / "out" / "colour" / f"{stem}.png", k)
    (tmp_path / "out" / "predictions.json").write_text("{}")
    assert len(folder(tmp_path)) == 4
    assert "out is left out: it holds results of Vergence" in caplog.text
