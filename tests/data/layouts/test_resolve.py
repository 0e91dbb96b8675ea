import logging

import pytest

from tests.data.layouts.trees import FRAMES
from vergence.data.layouts import recognise, resolve_input
from vergence.data.layouts.clips import folder
from vergence.errors import InputError


def test_recognises_each_form(tmp_path, put, put_intrinsics):
    put(tmp_path / "plain", FRAMES)
    put(tmp_path / "clips" / "mono" / "images", FRAMES)
    put_intrinsics(tmp_path / "clips" / "mono")
    put(tmp_path / "clips" / "stereo" / "left", FRAMES)
    put(tmp_path / "city" / "leftImg8bit" / "train" / "aachen", ["aachen_000000_000019_leftImg8bit.png"])
    put(tmp_path / "raw" / "2011_09_26" / "2011_09_26_drive_0001_sync" / "image_02" / "data", FRAMES)
    put(tmp_path / "odometry" / "sequences" / "00" / "image_2", FRAMES)
    put(tmp_path / "gt" / "image_left", FRAMES)
    put(tmp_path / "gt" / "disparity", FRAMES)
    put(tmp_path / "segnet" / "train", FRAMES)
    put(tmp_path / "segnet" / "trainannot", FRAMES)
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "drive.MP4").touch()
    found = {name.name: recognise(name) for name in tmp_path.iterdir()}
    assert found == {
        "plain": "folder",
        "clips": "driving_video",
        "city": "cityscapes",
        "raw": "kitti_raw",
        "odometry": "kitti_odometry",
        "gt": "kitti2015",
        "segnet": "camvid",
        "films": "video",
    }
    assert recognise(tmp_path / "clips" / "mono") == "folder_intrinsics"
    assert recognise(tmp_path / "clips" / "stereo") == "stereo_folders"
    assert recognise(tmp_path / "plain" / FRAMES[0]) == "image"
    assert recognise(tmp_path / "films" / "drive.MP4") == "video"


def test_manifest_file_and_folder_with_a_manifest(tmp_path, put):
    put(tmp_path / "frames", FRAMES)
    folder(tmp_path / "frames").write(tmp_path / "manifest.csv")
    assert len(resolve_input(tmp_path / "manifest.csv")) == 4
    assert resolve_input(tmp_path).path(0).is_file()


def test_single_image(tmp_path, put):
    put(tmp_path, FRAMES[:1])
    manifest = resolve_input(tmp_path / FRAMES[0])
    assert len(manifest) == 1
    assert manifest.path(0).is_file()


def test_one_log_line_says_what_it_is_and_which_intrinsics(tmp_path, put, put_intrinsics, caplog):
    put(tmp_path / "a" / "images", FRAMES)
    put_intrinsics(tmp_path / "a")
    put(tmp_path / "b", FRAMES)
    with caplog.at_level(logging.INFO, "vergence"):
        resolve_input(tmp_path / "a", split=False)
        resolve_input(tmp_path / "b", split=False)
    known, unknown = caplog.messages
    assert "recognised as folder_intrinsics" in known
    assert "fx 0.750 W, fy 1.562 H" in known
    assert "recognised as folder;" in unknown
    assert "intrinsics unknown: guessed from the field of view, or learned" in unknown


def test_split_can_be_left_out(tmp_path, put):
    put(tmp_path, [f"{number:06d}.jpg" for number in range(30)])
    assert resolve_input(tmp_path, split=False).splits() == {"": 30}
    assert resolve_input(tmp_path).splits() == {"train": 22, "": 5, "val": 3}


def test_several_inputs_become_one_manifest(tmp_path, put, put_intrinsics):
    put(tmp_path / "one" / "drive", FRAMES)
    put(tmp_path / "two" / "drive", FRAMES[:3])
    put(tmp_path / "three" / "images", FRAMES)
    put_intrinsics(tmp_path / "three")
    manifest = resolve_input([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert len(manifest) == 11
    assert {row.sequence for row in manifest} == {"one/drive", "two/drive", "three"}
    assert sum(row.intrinsics_known for row in manifest) == 4
    assert all(manifest.path(k).is_file() for k in range(11))


def test_joined_manifests_are_called_by_their_folders(tmp_path, put):
    for name in ("city", "motorway"):
        put(tmp_path / name / "drive", FRAMES)
        folder(tmp_path / name).write(tmp_path / name / "manifest.csv")
    expected = {"city/drive", "motorway/drive"}
    assert {row.sequence for row in resolve_input(tmp_path)} == expected
    files = [tmp_path / name / "manifest.csv" for name in ("city", "motorway")]
    assert {row.sequence for row in resolve_input(files)} == expected


def test_the_same_input_twice_is_kept_apart(tmp_path, put):
    put(tmp_path / "one", FRAMES)
    assert len(resolve_input([tmp_path / "one", tmp_path / "one"])) == 8


def test_missing_and_unknown_inputs(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        resolve_input(tmp_path / "nothing")
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="is no manifest"):
        resolve_input(tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="no input given"):
        resolve_input([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        resolve_input(tmp_path / "empty")


def test_real_collection_and_folder(shared):
    assert len(resolve_input(shared / "driving_video")) == 2495
    assert recognise(shared / "camvid") == "camvid"
    assert recognise(shared / "depth_gt" / "kitti2015") == "kitti2015"
    assert not any(row.intrinsics_known for row in resolve_input(shared / "kitti_city_unlabelled"))
