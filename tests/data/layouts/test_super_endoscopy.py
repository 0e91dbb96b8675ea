"""Layouts of surgical video: SuPer and Semantic-SuPer."""

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.labels import label_mapping, label_space
from vergence.data.layouts.super_endoscopy import super_endoscopy
from vergence.errors import InputError

SIZE = (64, 48)
"""A tenth of 640x480."""


def names(count: int, ending: str = ".png", step: int = 1) -> list[str]:
    return [f"{number * step:06d}{ending}" for number in range(count)]


def put_labels(folder, files, classes=3):
    folder.mkdir(parents=True)
    for name in files:
        Image.fromarray((np.indices(SIZE[::-1]).sum(0) % classes).astype(np.uint8)).save(folder / name)


def test_a_trial_of_semantic_super(tmp_path, put):
    put(tmp_path / "trial_3/rgb", names(12, "-left.png") + names(12, "-right.png"), SIZE)
    put_labels(tmp_path / "trial_3/seg", names(2, "-left.png", 10))
    found = super_endoscopy(tmp_path / "trial_3", baseline=0.005)
    assert (len(found), found[0].sequence, found[7].position) == (12, "trial_3", 7)
    row = found[10]
    assert (row.image, row.stereo) == ("rgb/000010-left.png", "rgb/000010-right.png")
    assert (row.label, row.label_space) == ("seg/000010-left.png", "semantic_super")
    assert (row.baseline, found[1].label) == (0.005, "")
    assert (row.fx * 640, row.fy * 480) == pytest.approx((768.99, 768.99))
    assert (row.cx * 640, row.cy * 480) == pytest.approx((292.89, 291.61))
    options = FrameOptions(
        height=32, width=64, offsets=("s",), load_label=True, label_space="semantic_super", flip=1, flip_vertical=1
    )
    plain = FrameDataset(found, options, train=False)[0]
    turned = FrameDataset(found, options, train=True)[0]
    assert torch.equal(turned["label"], plain["label"].flip(-1, -2))
    assert turned["intrinsics"][0, 1, 2] == pytest.approx(31 - 291.61 / 480 * 32, abs=1e-4)
    assert turned["intrinsics"][0, 0, 2] == pytest.approx(63 - 292.89 / 640 * 64, abs=1e-4)
    assert turned["stereo_transform"][0, 3] == pytest.approx(0.005)
    assert set(turned["label"].unique().tolist()) == {0, 1, 2}


def test_super_v1_by_name_and_by_length(tmp_path, put):
    put(tmp_path / "super_v1/left", names(3, ".jpg"), SIZE)
    put(tmp_path / "super_v1/right", names(3, ".jpg"), SIZE)
    put_labels(tmp_path / "super_v1/masks/left", names(3), classes=2)
    found = super_endoscopy(tmp_path / "super_v1")
    assert (found[0].fx * 640, found[0].cx * 640, found[0].cy * 480) == pytest.approx((883, 445.06, 190.24))
    assert (found[0].label, found[0].label_space) == ("masks/left/000000.png", "super")
    put(tmp_path / "long/images/left", names(301), (8, 6))
    assert super_endoscopy(tmp_path / "long")[0].fx * 640 == pytest.approx(883)
    assert super_endoscopy(tmp_path / "long", version="semantic")[0].fx * 640 == pytest.approx(768.99)


def test_several_trials_are_several_sequences(tmp_path, put):
    for trial in ("trial_4", "trial_8", "trial_9"):
        put(tmp_path / trial / "data" / "left", names(10), SIZE)
    (tmp_path / "notes").mkdir()
    found = super_endoscopy(tmp_path)
    assert sorted({row.sequence for row in found}) == ["trial_4", "trial_8", "trial_9"]
    assert {row.split for row in found if row.sequence == "trial_4"} <= {"train", "val", ""}
    assert len({row.fx for row in found}) == 1


def test_right_frames_need_a_baseline(tmp_path, put, caplog):
    for side in ("left", "right"):
        put(tmp_path / "trial" / side, names(3), SIZE)
    with caplog.at_level(logging.WARNING, "vergence"):
        assert not any(row.stereo for row in super_endoscopy(tmp_path / "trial"))
    assert "give --baseline metres" in caplog.text
    camera = {"width": 640, "height": 480, "fx": 800, "fy": 801, "cx": 300, "cy": 250, "baseline_m": 0.0042}
    (tmp_path / "trial" / "intrinsics.json").write_text(json.dumps(camera))
    row = super_endoscopy(tmp_path / "trial", baseline=0.005)[0]
    assert (row.baseline, row.stereo, row.fx * 640) == pytest.approx((0.0042, "right/000000.png", 800))


def test_classes_of_the_two_data_sets_meet():
    np.testing.assert_array_equal(label_mapping("semantic_super", "super")[:4], [0, 0, 1, 255])
    own = label_space("lab:tool#0000ff,liver#ff0000")
    np.testing.assert_array_equal(label_mapping(own.text(), "semantic_super")[:2], [2, 255])


def test_own_classes(tmp_path, put):
    put(tmp_path / "trial/left", names(3), SIZE)
    put_labels(tmp_path / "trial/labels", names(3))
    (tmp_path / "classes.json").write_text('{"name": "lab", "classes": ["liver", "gall", "tool"]}')
    (tmp_path / "trial" / "classes.json").write_text('{"name": "lab", "classes": ["liver", "fat", "tool"]}')
    assert super_endoscopy(tmp_path)[0].label_space.startswith("lab:liver#")
    assert "fat" in super_endoscopy(tmp_path)[0].label_space
    assert super_endoscopy(tmp_path, label_space="semantic_super")[0].label_space == "semantic_super"


def test_what_is_wrong_is_said(tmp_path, put):
    with pytest.raises(InputError, match="holds no trials"):
        super_endoscopy(tmp_path)
    put(tmp_path / "a/left", names(3), SIZE)
    with pytest.raises(InputError, match="use auto, v1 or semantic"):
        super_endoscopy(tmp_path, version="v3")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="baseline 5 is impossible"):
        super_endoscopy(tmp_path, baseline=5)
    put_labels(tmp_path / "a/masks", ["000007.png"])
    with pytest.raises(InputError, match="has no frame of its number"):
        super_endoscopy(tmp_path)
    put(tmp_path / "b/left", names(3), (64, 32))
    with pytest.raises(InputError, match="the camera of SuPer"):
        super_endoscopy(tmp_path / "b")
    put(tmp_path / "c/left", ["000001.png", "0001.png"], SIZE)
    with pytest.raises(InputError, match="have one number"):
        super_endoscopy(tmp_path / "c")
