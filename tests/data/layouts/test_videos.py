"""Videos as a manifest: their cameras, their names."""

import json

import pytest

from tests.data.video_files import write_video
from vergence.data.layouts import resolve_input
from vergence.data.layouts.videos import video
from vergence.errors import InputError


def test_manifest_of_a_video(tmp_path, caplog):
    manifest = resolve_input(write_video(tmp_path / "drive.mp4", frames=30))
    assert len(manifest) == 30
    assert {row.sequence for row in manifest} == {"drive"}
    assert manifest[0].fps == 10
    assert all(manifest.path(k).is_file() for k in range(30))
    assert manifest.splits() == {"train": 22, "": 5, "val": 3}


def test_intrinsics_beside_the_video(tmp_path):
    write_video(tmp_path / "drive.mp4")
    values = {"width": 640, "height": 320, "fx": 480.0, "fy": 480.0, "cx": 320.0, "cy": 160.0}
    (tmp_path / "drive.json").write_text(json.dumps(values))
    assert video(tmp_path / "drive.mp4")[0].fx == 0.75


@pytest.mark.parametrize("name", ["intrinsics.json", "drive.mp4.json", "drive.yaml", "calibration.yaml"])
def test_calibrations_near_the_video(tmp_path, name):
    """A calibration that lies there and is not used would be a silent guess."""
    write_video(tmp_path / "drive.mp4")
    values = {"width": 640, "height": 320, "fx": 480.0, "fy": 480.0, "cx": 320.0, "cy": 160.0}
    matrix = "camera_matrix: {rows: 3, cols: 3, data: [480, 0, 320, 0, 480, 160, 0, 0, 1]}"
    text = json.dumps(values) if name.endswith("json") else f"image_width: 640\nimage_height: 320\n{matrix}\n"
    (tmp_path / name).write_text(text)
    assert video(tmp_path / "drive.mp4")[0].fx == 0.75


def test_calibrations_that_are_not_read_are_told(tmp_path, caplog):
    write_video(tmp_path / "drive.mp4")
    (tmp_path / "cameras.txt").write_text("1 OPENCV 640 320 480 480 320 160 0 0 0 0\n")
    assert not video(tmp_path / "drive.mp4")[0].intrinsics_known
    assert "cameras.txt looks like a calibration and is not read" in caplog.text


def test_other_json_beside_the_video_is_no_camera(tmp_path, caplog):
    write_video(tmp_path / "drive.mp4")
    for findings in ({"summary": "fit", "sequences": []}, []):
        (tmp_path / "drive.json").write_text(json.dumps(findings))
        with caplog.at_level("INFO", "vergence"):
            assert not video(tmp_path / "drive.mp4")[0].intrinsics_known
        assert "not taken for the camera" in caplog.text
    (tmp_path / "drive.json").write_text(json.dumps({"cx": 320.0}))
    with pytest.raises(InputError, match="lacks width"):
        video(tmp_path / "drive.mp4")


def test_folder_of_videos(tmp_path):
    write_video(tmp_path / "a.mp4")
    write_video(tmp_path / "b.mp4", frames=5)
    manifest = video(tmp_path, frames=tmp_path / "decoded")
    assert [row.sequence for row in manifest] == ["a"] * 12 + ["b"] * 5
    assert (tmp_path / "decoded" / "a" / "000000.jpg").is_file()
    again = resolve_input(tmp_path)
    assert len(again) == 17


def test_two_videos_of_one_stem_are_two_sequences(tmp_path):
    write_video(tmp_path / "a.mp4", frames=5)
    write_video(tmp_path / "a.mov", frames=7)
    write_video(tmp_path / "b.mp4", frames=4)
    manifest = video(tmp_path)
    counts = {name: sum(row.sequence == name for row in manifest) for name in ("a.mp4", "a.mov", "b")}
    assert counts == {"a.mp4": 5, "a.mov": 7, "b": 4}
    assert len(video(tmp_path, frames=tmp_path / "out")) == 16
