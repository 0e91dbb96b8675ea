"""Labels of Pascal VOC and of original CamVid are read as they lie, without a file of classes."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture, save
from vergence.data.annotation.classes import voc_colour
from vergence.data.label_space import CAMVID_32, VOC_21
from vergence.data.labels import label_mapping, label_space
from vergence.data.layouts import recognise
from vergence.data.layouts.clips import folder
from vergence.data.masks.label_pictures import read_label

CAMVID = (
    "64 128 64 Animal; 192 0 128 Archway; 0 128 192 Bicyclist; 0 128 64 Bridge; 128 0 0 Building; 64 0 128 Car; "
    "64 0 192 CartLuggagePram; 192 128 64 Child; 192 192 128 Column_Pole; 64 64 128 Fence; 128 0 192 LaneMkgsDriv; "
    "192 0 64 LaneMkgsNonDriv; 128 128 64 Misc_Text; 192 0 192 MotorcycleScooter; 128 64 64 OtherMoving; "
    "64 192 128 ParkingBlock; 64 64 0 Pedestrian; 128 64 128 Road; 128 128 192 RoadShoulder; 0 0 192 Sidewalk; "
    "192 128 128 SignSymbol; 128 128 128 Sky; 64 128 192 SUVPickupTruck; 0 0 64 TrafficCone; 0 64 64 TrafficLight; "
    "192 64 128 Train; 128 128 0 Tree; 192 128 192 Truck_Bus; 64 0 64 Tunnel; 192 192 0 VegetationMisc; 0 0 0 Void; "
    "64 192 0 Wall"
)
"""label_colors.txt of CamVid, line after line."""
GROUPED = {
    "sky": "Sky",
    "building": "Building Wall Bridge Tunnel Archway",
    "pole": "Column_Pole TrafficCone",
    "road": "Road LaneMkgsDriv LaneMkgsNonDriv",
    "pavement": "Sidewalk ParkingBlock RoadShoulder",
    "tree": "Tree VegetationMisc",
    "sign_symbol": "SignSymbol Misc_Text TrafficLight",
    "fence": "Fence",
    "car": "Car SUVPickupTruck Truck_Bus Train OtherMoving",
    "pedestrian": "Pedestrian Child CartLuggagePram Animal",
    "bicyclist": "Bicyclist MotorcycleScooter",
}
"""How 32 classes became 11 in the SegNet tutorial."""
STEMS = ("2007_000032", "2007_000039", "2011_003271")
FILM = ("0001TP_006690", "0006R0_f00930", "0016E5_00390", "Seq05VD_f00000")


def stripes(classes: int) -> np.ndarray:
    """Ids (24, 40) of the first so many classes, and of 255 in the last row."""
    found = np.tile(np.arange(40) % classes, (24, 1)).astype(np.uint8)
    found[-1] = 255
    return found


def voc(root: Path, mode: str = "P", place: str = "SegmentationClass") -> Path:
    root = root / "VOCdevkit" / "VOC2012"
    palette = [part for index in range(256) for part in voc_colour(index)]
    palette[-3:] = (224, 224, 192)
    for number, stem in enumerate(STEMS):
        save(root / "JPEGImages" / f"{stem}.jpg", picture(number))
        label = Image.fromarray(stripes(21))
        if mode == "P":
            label.putpalette(palette)
        (root / place).mkdir(exist_ok=True)
        label.save(root / place / f"{stem}.png")
    sets = root / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("\n".join(STEMS[:2]))
    (sets / "val.txt").write_text(STEMS[2])
    return root


def camvid(root: Path, ending: str = "L") -> Path:
    ids = stripes(32)
    for number, stem in enumerate(FILM):
        save(root / "701_StillsRaw_full" / f"{stem}.png", picture(number))
        label = CAMVID_32.colourize(np.where(ids == 255, 30, ids)) if ending == "L" else np.where(ids == 255, 30, ids)
        save(root / "LabeledApproved_full" / f"{stem}_{ending}.png", label.astype(np.uint8))
    return root


def test_the_tables_are_those_of_the_data_sets() -> None:
    lines = [line.split() for line in CAMVID.split("; ")]
    assert CAMVID_32.classes == tuple(line[3] for line in lines)
    assert CAMVID_32.colours == tuple(tuple(map(int, line[:3])) for line in lines)
    assert [CAMVID_32.classes[number] for number in CAMVID_32.void] == ["Void"]
    assert len(VOC_21) == 21
    assert VOC_21.colours == tuple(voc_colour(index) for index in range(21)), "VOC's colours are bits of the id"
    assert [VOC_21.classes[index] for index in (0, 1, 7, 15, 20)] == [
        *("background", "aeroplane", "car", "person", "tvmonitor"),
    ]
    assert label_space("voc") is VOC_21


def test_classes_of_camvid_are_grouped_as_segnet_did() -> None:
    table = label_mapping("camvid32", "camvid11")
    expected = {old: new for new, olds in GROUPED.items() for old in olds.split()}
    classes = label_space("camvid11").classes
    found = {name: int(table[number]) for number, name in enumerate(CAMVID_32.classes)}
    assert found == {name: classes.index(expected[name]) if name in expected else 255 for name in CAMVID_32.classes}
    city = label_mapping("camvid32", "cityscapes19")
    named = {
        "Road": 0,
        "LaneMkgsDriv": 0,
        "Sidewalk": 1,
        "Child": 11,
        "SUVPickupTruck": 13,
        "Void": 255,
        "Archway": 255,
    }
    assert {name: int(city[CAMVID_32.classes.index(name)]) for name in named} == named


@pytest.mark.parametrize(("mode", "place"), [("P", "SegmentationClass"), ("L", "SegmentationClassAug")])
def test_voc_is_read_as_it_lies(tmp_path: Path, mode: str, place: str) -> None:
    root = voc(tmp_path, mode, place)
    assert recognise(root) == "folder"
    for given in (root, tmp_path):
        manifest = folder(given)
        assert [row.split for row in manifest] == ["train", "train", "val"]
        assert {row.label_space for row in manifest} == {"voc21"}
        label = read_label(manifest.path(0, "label"), None, VOC_21)
        np.testing.assert_array_equal(label, stripes(21))


@pytest.mark.parametrize("ending", ["L", "P"])
def test_original_camvid_is_read_as_it_lies(tmp_path: Path, ending: str) -> None:
    manifest = folder(camvid(tmp_path, ending), split=False)
    assert {Path(row.label).stem.removesuffix(f"_{ending}") for row in manifest} == set(FILM)
    assert {row.label_space for row in manifest} == {"camvid32"}
    label = read_label(manifest.path(0, "label"), None, CAMVID_32)
    np.testing.assert_array_equal(label[:-1], stripes(32)[:-1])
    table = label_mapping("camvid32", "camvid11")
    assert (table[label[-1]] == 255).all(), "void"


def test_other_labels_in_these_forms_are_not_taken_for_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = voc(tmp_path / "ids", "L")
    save(root / "SegmentationClass" / f"{STEMS[1]}.png", np.full((24, 40), 21, np.uint8))
    with caplog.at_level(logging.WARNING):
        assert not any(row.label for row in folder(root)), "21 is no id of VOC"
    assert "labels of unknown classes" in caplog.text
    root = voc(tmp_path / "own")
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nroad:128,0,0::\n")
    assert not any(row.label for row in folder(root)), "the user's own classes"
    root = voc(tmp_path / "names")
    (root / "SegmentationClass" / f"{STEMS[0]}.png").rename(root / "SegmentationClass" / "0001.png")
    (root / "JPEGImages" / f"{STEMS[0]}.jpg").rename(root / "JPEGImages" / "0001.jpg")
    assert not any(row.label for row in folder(root))
