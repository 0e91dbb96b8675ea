import json
import logging
import math

import pytest

from vergence.data.layouts.camvid import camvid
from vergence.data.layouts.cityscapes import cityscapes
from vergence.errors import InputError

CAMERA = {"intrinsic": {"fx": 2262.52, "fy": 2265.3, "u0": 1096.98, "v0": 513.137}, "extrinsic": {"baseline": 0.209313}}


def names(recording: str, numbers: range, kind: str = "leftImg8bit") -> list[str]:
    return [f"{recording}_{number:06d}_{kind}.png" for number in numbers]


@pytest.fixture
def city(tmp_path, put):
    for part, town in (("train", "aachen"), ("val", "munster")):
        sequence = tmp_path / "leftImg8bit_sequence" / part / town
        put(sequence, names(f"{town}_000000", range(3, 6)) + names(f"{town}_000000", range(20, 23)))
        put(tmp_path / "leftImg8bit" / part / town, names(f"{town}_000000", range(4, 5)))
        put(tmp_path / "rightImg8bit_sequence" / part / town, names(f"{town}_000000", range(4, 6), "rightImg8bit"))
        labels = tmp_path / "gtFine" / part / town
        put(labels, names(f"{town}_000000", range(4, 5), "gtFine_labelIds"), mode="L")
        put(tmp_path / "disparity" / part / town, names(f"{town}_000000", range(4, 5), "disparity"), mode="I;16")
        cameras = tmp_path / "camera" / part / town
        cameras.mkdir(parents=True)
        (cameras / f"{town}_000000_000004_camera.json").write_text(json.dumps(CAMERA))
    return tmp_path


def test_snippets_are_sequences_of_the_camera_of_their_label(city, caplog):
    with caplog.at_level(logging.INFO):
        manifest = cityscapes(city)
    assert [row.sequence for row in manifest][:6] == ["aachen_000000_000003"] * 3 + ["aachen_000000_000020"] * 3
    assert manifest.splits() == {"train": 6, "val": 6}
    assert manifest[0].fx == 2262.52 / 2048
    assert manifest[0].cy == 513.137 / 1024
    assert manifest.neighbour(2, 1) is None
    assert "2 snippet(s) use the data set's mean" in caplog.text
    assert manifest[3].fy == 2265.3018 / 1024


def test_stereo_labels_and_disparity_of_one_frame(city):
    rows = list(cityscapes(city))
    assert [bool(row.stereo) for row in rows[:3]] == [False, True, True]
    assert rows[1].baseline == 0.209313
    assert rows[1].label == "gtFine/train/aachen/aachen_000000_000004_gtFine_labelIds.png"
    assert rows[1].label_space == "cityscapes_ids"
    assert rows[1].disparity == "disparity/train/aachen/aachen_000000_000004_disparity.png"
    assert rows[0].disparity == ""


def test_train_ids_are_preferred(city, put):
    put(city / "gtFine" / "train" / "aachen", names("aachen_000000", range(4, 5), "gtFine_labelTrainIds"), mode="L")
    row = cityscapes(city)[1]
    assert row.label.endswith("_labelTrainIds.png")
    assert row.label_space == "cityscapes19"


def test_stills(city):
    manifest = cityscapes(city, images="stills")
    assert [row.image for row in manifest] == [
        "leftImg8bit/train/aachen/aachen_000000_000004_leftImg8bit.png",
        "leftImg8bit/val/munster/munster_000000_000004_leftImg8bit.png",
    ]


def test_only_labelled_frames_as_samples(city):
    train = cityscapes(city, samples="labelled").select(split="train")
    assert [row.position for row in train] == [4]
    assert train.has_source(0, -1)
    assert train.has_source(0, 1)
    with pytest.raises(InputError, match="samples 'none' is unknown; use all, labelled"):
        cityscapes(city, samples="none")


def test_broken_cityscapes(city, tmp_path, put):
    path = city / "camera" / "train" / "aachen" / "aachen_000000_000004_camera.json"
    path.write_text(json.dumps({"intrinsic": {}}))
    with pytest.raises(InputError, match=r"intrinsic\.fx: expected a finite number greater than 0, found nothing"):
        cityscapes(city)
    with pytest.raises(InputError, match="unknown; use auto"):
        cityscapes(city, images="all")
    put(city / "leftImg8bit_sequence" / "train" / "aachen", ["photo.png"])
    with pytest.raises(InputError, match=r"photo\.png is not named like"):
        cityscapes(city, intrinsics="mean")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        cityscapes(tmp_path / "none")


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
    assert len(val.with_neighbours((-1, 1))) == 99
    assert {row.fps for row in val} == {15}
    assert len(manifest.select("train").with_neighbours((1,))) == 0
    assert manifest[0].label_space == "camvid11"
