"""What cannot be carried is one sentence, said before anything is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.propagation.moving import video
from vergence import api
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.pictures import picture_size
from vergence.errors import InputError
from vergence.inference.inputs import ground_truth_label, stored_label
from vergence.motion.confidence import IGNORED
from vergence.propagation.checks import check_frames, nothing_carried
from vergence.propagation.propagate import Propagation, propagate
from vergence.propagation.segments import segments
from vergence.propagation.video_motion import VideoMotion

pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")

LENS = "opencv 0.5 1 0.5 0.5 -0.4 0 0 0"


def refused(manifest: Manifest, folder: Path, said: str, **options) -> None:
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match=said):
        propagate(manifest, folder / "out.csv", Propagation(**options))
    assert sorted(folder.rglob("*")) == before, "something is left of a call that was refused"


def test_frames_too_small_for_flow(tmp_path: Path) -> None:
    refused(video(tmp_path, size=(40, 20)), tmp_path, "0.png is 40x20, and optical flow needs 24 pixels a side")
    large = video(tmp_path)
    refused(large, tmp_path, "96x48 and no wider than 32 while labels are carried, .* give more --width", width=32)


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    Image.new("RGB", (96, 60)).save(tmp_path / "4.png")
    refused(manifest, tmp_path, r"4.png is 96x60, but .*2.png of the same sequence is 96x48")


@pytest.mark.parametrize("gone", ["5.png", "label.png"])
def test_files_that_are_not_there_are_missed_before_work(tmp_path: Path, gone: str) -> None:
    manifest = video(tmp_path)
    (tmp_path / gone).unlink()
    refused(manifest, tmp_path, f"{gone} does not exist")


def test_a_size_that_the_manifest_has_wrong(tmp_path: Path) -> None:
    rows = [replace(row, width=192, height=96) for row in video(tmp_path)]
    refused(
        Manifest(rows, tmp_path), tmp_path, r"0\.png is 96x48, but the manifest says 192x96; make the manifest again"
    )


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    Image.new("L", (48, 48)).save(tmp_path / "label.png")
    refused(manifest, tmp_path, "label.png is 48x48, but its image is 96x48")
    Image.new("L", (96, 48), 77).save(tmp_path / "label.png")
    refused(manifest, tmp_path, "has the id 77")


def test_labels_of_two_spaces_or_of_none(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    other = replace(manifest[2], image="5.png", position=5, label_space="cityscapes19")
    two = Manifest([*(row for row in manifest if row.position != 5), other], tmp_path)
    refused(two, tmp_path, r"labels of 2 spaces \(camvid11, cityscapes19\); carry those of each space by themselves")
    refused(manifest.changed(lambda row: replace(row, label_space="")), tmp_path, "does not say what its labels mean")


def test_where_every_frame_is_labelled(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    refused(Manifest([manifest[2]], tmp_path), tmp_path, "every frame of .* is labelled")


def test_labels_without_a_class_reach_nothing(tmp_path: Path) -> None:
    refused(video(tmp_path, label=IGNORED), tmp_path, "no label of .* reached a pixel .* hold no class")


def test_why_nothing_was_reached_names_the_run_or_the_cuts(tmp_path: Path) -> None:
    manifest = Manifest([], tmp_path, "drive.csv")
    flow = VideoMotion(None, "flow", 60)
    assert "the video is cut beside every labelled frame" in nothing_carried(manifest, flow, 2)
    flow.flow, flow.run = None, type("Run", (), {"path": "runs/other"})()
    assert "a run that learned from video of this camera" in nothing_carried(manifest, flow, 2)
    assert "runs/other" in nothing_carried(manifest, flow, 2)


def test_a_label_of_half_the_size_is_carried_and_shown(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    ids = np.zeros((24, 48), np.uint8)
    ids[:, 24:] = 1
    Image.fromarray(ids).save(tmp_path / "label.png")
    api.labels_propagate(manifest.write(tmp_path / "m.csv"), tmp_path / "out.csv", keep=0.7)
    found = read_label(Manifest.read(tmp_path / "out.csv").path(3, "label"))
    kept = found != IGNORED
    assert found.shape == (48, 96)
    truth = np.broadcast_to(np.arange(96) >= 46, found.shape)  # two pixels to the left
    assert (found == truth)[kept].mean() > 0.97
    assert (tmp_path / "out" / "propagation.html").is_file()


def test_carried_labels_have_the_size_of_their_frames(tmp_path: Path) -> None:
    """Whether the manifest says it or not, and however small frames were made to carry."""
    manifest = video(tmp_path)
    assert manifest[0].width == 0
    propagate(manifest, tmp_path / "out.csv", Propagation(width=64))
    out = Manifest.read(tmp_path / "out.csv")
    sizes = {picture_size(out.path(row, name)) for row in (1, 3) for name in ("label", "label_confidence")}
    assert sizes == {(96, 48)}


def test_a_label_without_a_space_beside_one_that_has_it(tmp_path: Path) -> None:
    rows = [replace(row, label="label.png", label_space="") if row.position == 5 else row for row in video(tmp_path)]
    api.labels_propagate(Manifest(rows, tmp_path).write(tmp_path / "m.csv"), tmp_path / "out.csv")
    assert (tmp_path / "out" / "propagation.html").is_file()


def test_a_label_of_a_bent_picture_stays_as_bent_as_its_picture(tmp_path: Path) -> None:
    manifest = video(tmp_path, lens=LENS, fx=0.5, fy=1.0, cx=0.5, cy=0.5)
    space = label_space("camvid11")
    assert (stored_label(manifest, 2, space) == read_label(tmp_path / "label.png")).all()
    assert (ground_truth_label(manifest, 2, space) != read_label(tmp_path / "label.png")).any(), "not bent"
    motion = VideoMotion(None, "flow", 60)
    motion.run = object()  # type: ignore[assignment]
    with pytest.raises(InputError, match="was taken by a lens that bends; use --motion flow"):
        check_frames(manifest, list(segments(manifest, 2.0)), space, 1280, motion)
