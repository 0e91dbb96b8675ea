"""Label, depth and other map folders are no frames, whatever the neighbouring tools call them."""

import json
import logging
import unicodedata

import pytest

from tests.data.layouts.map_trees import NAMES, SPACE, deep, ids, photo
from vergence.data.layouts.clips import folder
from vergence.data.layouts.mapillary import mapillary
from vergence.data.layouts.resolve import resolve_input
from vergence.errors import InputError

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
    "deepglobe": ("{}_sat.jpg", "{}_mask.png", "L"),
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


@pytest.mark.parametrize("place", ["surface_normals", "flow_viz", "depth_vis", "predictions", "output", "thumbnails"])
def test_pictures_made_of_the_frames_are_none(tmp_path, caplog, place):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / "rgb" / f"{stem}.png", k)
        photo(tmp_path / place / f"{stem}.png", 9 + k)
    assert {row.sequence for row in folder(tmp_path)} == {"rgb"}
    assert f"4 picture(s) in {place} are" in caplog.text


def test_what_servers_and_archives_add_is_no_data(tmp_path):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / f"{stem}.jpg", k)
        photo(tmp_path / "@eaDir" / f"{stem}.jpg" / "SYNOPHOTO_THUMB_M.jpg", k)
    assert len(folder(tmp_path)) == 4


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
    assert "out: the predictions in it are left out" in caplog.text


@pytest.mark.parametrize("place", ["", "images/"])
def test_predictions_written_into_the_folder_of_the_frames_leave_these_to_be_read(tmp_path, caplog, place):
    """And what a model says of the frames is not taken for their labels or depth."""
    for k, stem in enumerate(NAMES):
        photo(tmp_path / "clip" / place / f"{stem}.jpg", k)
        ids(tmp_path / "clip" / place / "labels" / f"{stem}.png")
        deep(tmp_path / "clip" / place / "depth" / f"{stem}.png")
        photo(tmp_path / "clip" / place / "colour" / f"{stem}.jpg", k)
    (tmp_path / "clip" / place / "predictions.json").write_text("{}")
    for root in (tmp_path, tmp_path / "clip", tmp_path / "clip" / place):
        rows = list(folder(root, label_space=SPACE, depth_scale=1000))
        assert [row.image.rpartition("/")[2] for row in rows] == [f"{stem}.jpg" for stem in NAMES]
        assert not any(row.label or row.depth for row in rows)
    assert "the predictions in it are left out" in caplog.text


def test_links_are_followed_once_and_links_to_nothing_are_told(tmp_path, caplog):
    for k, stem in enumerate(NAMES):
        photo(tmp_path / "clip" / f"{stem}.jpg", k)
    (tmp_path / "clip" / "again").symlink_to(tmp_path / "clip")
    (tmp_path / "clip" / "gone.jpg").symlink_to("nothing")
    (tmp_path / "copy").symlink_to(tmp_path / "clip")
    with caplog.at_level(logging.WARNING, "vergence"):
        assert [row.image for row in folder(tmp_path)] == [f"clip/{stem}.jpg" for stem in NAMES]
    assert "1 picture(s) such as gone.jpg are links to nothing" in caplog.text
    assert "copy is left out: it is a link to" in caplog.text


def test_labels_are_found_in_either_form_of_letters_with_marks(tmp_path):
    for k, letter in enumerate(("\u00fc", "\u00e4")):
        photo(tmp_path / "images" / f"{letter}{k}.jpg", k)
        ids(tmp_path / "labels" / unicodedata.normalize("NFD", f"{letter}{k}.png"))
    rows = list(folder(tmp_path, label_space=SPACE))
    assert [bool(row.label and (tmp_path / row.label).is_file()) for row in rows] == [True, True]
