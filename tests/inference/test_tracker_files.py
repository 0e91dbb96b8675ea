import dataclasses
import json
import os

import numpy as np
import pytest

from tests.inference.test_class_files import HEIGHT, SPACE, WIDTH, BothMethod, DepthMethod, RedMethod, folder, made_run
from vergence.api import predict
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.frame_row import FrameRow
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.inference.tracker_files import read_tracker_frame

QUIET = {"colour": False, "overlay": False, "depth": False, "labels": False}


class MetricMethod(BothMethod):
    scale, metres_per_unit = "metric", 5.4


def stereo_manifest(tmp_path, count=3):
    root = folder(tmp_path, count)
    rows = [
        FrameRow(f"{k:03d}.png", "trial", k, camera="left", fx=1.2, fy=1.6, cx=0.45, cy=0.6, baseline=0.005)
        for k in range(count)
    ]
    return Manifest(rows, root)


def index_of(out):
    return json.loads((out / "tracker" / "index.json").read_text())


def test_a_frame_holds_what_the_other_files_hold_without_loss(tmp_path):
    frames, out = stereo_manifest(tmp_path), tmp_path / "out"
    record = predict(made_run(tmp_path, MetricMethod()), frames, out, tracker=True, array=True, confidence=True)
    assert record["unit"] == "metres"
    for name in ("000", "001", "002"):
        found = read_tracker_frame(out / "tracker" / f"{name}.npz")
        assert {key: array.dtype.name for key, array in found.items()} == {
            "depth": "float32", "labels": "uint8", "confidence": "float32", "intrinsics": "float64",
            "camera_known": "bool",
        }  # fmt: skip
        np.testing.assert_allclose(found["depth"], np.load(out / "array" / f"{name}.npy"), rtol=1e-6)
        np.testing.assert_array_equal(found["labels"], read_label(out / "labels" / f"{name}.png"))
        stored = read_label(out / "confidence" / f"{name}.png")
        np.testing.assert_allclose(found["confidence"], stored / 255, atol=0.51 / 255)
        expected = [[1.2 * WIDTH, 0, 0.45 * WIDTH], [0, 1.6 * HEIGHT, 0.6 * HEIGHT], [0, 0, 1]]
        np.testing.assert_allclose(found["intrinsics"], expected)
        assert found["camera_known"]


def test_the_index_says_what_the_arrays_mean(tmp_path):
    frames, out = stereo_manifest(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path, MetricMethod()), frames, out, tracker=True, **QUIET)
    assert sorted(os.listdir(out)) == ["predictions.json", "results.jsonl", "tracker"]
    index = index_of(out)
    assert (index["unit"], index["label_space"], index["camera"]) == ("metres", SPACE.text(), "known")
    assert [one["name"] for one in index["classes"]] == ["sky", "road", "car"]
    assert set(index["arrays"]) == {"depth", "labels", "confidence", "intrinsics", "camera_known"}
    assert index["frames"][1] == {
        "file": "001.npz", "image": str(frames.path(1)), "sequence": "trial", "camera": "left", "position": 1,
        "baseline_m": 0.005,
    }  # fmt: skip
    assert [one["position"] for one in index["frames"]] == [0, 1, 2]


def test_unscaled_depth_and_a_guessed_camera_are_said(tmp_path):
    out = tmp_path / "out"
    run = made_run(tmp_path, DepthMethod())
    predict(run, folder(tmp_path), out, tracker=True, field_of_view=90.0, colour=False, depth=False)
    index, found = index_of(out), read_tracker_frame(out / "tracker" / "000.npz")
    assert index["unit"] == "unscaled"
    assert "guessed" in index["camera"]
    assert set(found) == set(index["arrays"]) == {"depth", "intrinsics", "camera_known"}
    assert not found["camera_known"]
    assert found["intrinsics"][0, 0] == pytest.approx(WIDTH / 2)


def test_classes_alone(tmp_path):
    predict(made_run(tmp_path, RedMethod()), folder(tmp_path), tmp_path / "out", tracker=True, **QUIET)
    assert set(read_tracker_frame(tmp_path / "out" / "tracker" / "000.npz")) == {
        "labels", "confidence", "intrinsics", "camera_known",
    }  # fmt: skip
    assert "unit" not in index_of(tmp_path / "out")


def test_an_interrupted_export_goes_on(tmp_path):
    frames, out, method = stereo_manifest(tmp_path), tmp_path / "out", MetricMethod()
    predict(made_run(tmp_path, method), frames, out, tracker=True, **QUIET)
    first = index_of(out)
    (out / "tracker" / "001.npz").unlink()
    (out / "tracker" / "index.json").unlink()
    before = method.shown
    predict(made_run(tmp_path, method), frames, out, tracker=True, **QUIET)
    assert method.shown - before == 1
    assert index_of(out) == first
    assert not [name for name in os.listdir(out / "tracker") if name.endswith(".tmp.npz")]


def test_it_may_join_earlier_predictions(tmp_path):
    frames, out = stereo_manifest(tmp_path), tmp_path / "out"
    predict(made_run(tmp_path, MetricMethod()), frames, out)
    record = predict(made_run(tmp_path, MetricMethod()), frames, out, tracker=True)
    assert set(record["tracker"]) == set(index_of(out)["arrays"])
    assert predict(made_run(tmp_path, MetricMethod()), frames, out)["tracker"] == record["tracker"]


def test_frames_of_a_video_are_numbered(tmp_path):
    path = write_video(tmp_path / "a.mp4", (np.full((HEIGHT, WIDTH, 3), 60 + k, np.uint8) for k in range(3)), 10.0)
    record = predict(made_run(tmp_path, BothMethod()), path, tmp_path / "out", tracker=True)
    assert index_of(tmp_path / "out")["frames"][2] == {"file": "000002.npz", "position": 2}
    assert record["videos"] == ["colour.mp4", "overlay.mp4"]


def test_files_that_are_no_frames(tmp_path):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 half")
    np.savez(tmp_path / "other.npz", depth=np.ones(3))
    with pytest.raises(InputError, match=r"cannot be read as NumPy arrays .*; export it again"):
        read_tracker_frame(tmp_path / "torn.npz")
    with pytest.raises(InputError, match="does not exist; export it again"):
        read_tracker_frame(tmp_path / "missing.npz")
    with pytest.raises(InputError, match="has no intrinsics"):
        read_tracker_frame(tmp_path / "other.npz")


def test_names_of_several_sequences_keep_their_folders(tmp_path):
    frames = stereo_manifest(tmp_path, 2)
    (frames.root / "b").mkdir()
    for row in frames:
        os.rename(frames.root / row.image, frames.root / "b" / row.image)
    moved = Manifest([dataclasses.replace(row, image=f"b/{row.image}") for row in frames], frames.root)
    predict(made_run(tmp_path, MetricMethod()), moved, tmp_path / "out", tracker=True, **QUIET)
    assert index_of(tmp_path / "out")["frames"][0]["file"] == "b/000.npz"
    assert (tmp_path / "out" / "tracker" / "b" / "000.npz").is_file()
