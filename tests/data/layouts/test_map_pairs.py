"""Labels, depth and lists of splits are joined to their frames by name, folder and time."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.layouts.map_trees import NAMES, SPACE, deep, ids, photo
from tests.data.made_rows import with_neighbours
from vergence.data.imaging.images import read_depth
from vergence.data.layouts.clips import folder
from vergence.errors import InputError


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
    assert len(with_neighbours(manifest, [1])) == 5
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


def test_polygons_are_said_not_to_be_read(tmp_path, caplog):
    for stem in NAMES:
        photo(tmp_path / "images" / "train" / f"{stem}.jpg")
        (tmp_path / "labels" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / "train" / f"{stem}.txt").write_text("0 .1 .1 .2 .2 .3 .3\n")
    with caplog.at_level(logging.WARNING, "vergence"):
        assert len(folder(tmp_path)) == 4
    assert "4 file(s) such as 000000.txt are not read" in caplog.text


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


def test_depth_between_colours_of_nyu(tmp_path):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}_colors.png", k)
        deep(tmp_path / f"{stem}_depth.png")
    rows = list(folder(tmp_path, depth_scale=1000))
    assert [(row.image, row.depth) for row in rows] == [(f"{n}_colors.png", f"{n}_depth.png") for n in NAMES]


def test_files_beside_the_frames_that_are_not_read_are_told(tmp_path, caplog):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}.jpg", k)
    for name in ("IMG_0001.HEIC", "IMG_0002.HEIC", "drive.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "K.txt").write_text("100 0 50")
    folder(tmp_path)
    assert "3 file(s) such as IMG_0001.HEIC are not read beside the pictures" in caplog.text
    assert "K.txt looks like a calibration and is not read" in caplog.text
