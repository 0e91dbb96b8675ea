"""Layouts of rendered data sets, and depth beside Cityscapes."""

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.structured.test_matlab import matlab_file, matrix
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.images import frame_depth
from vergence.data.inverse_depth import from_metres
from vergence.data.labels import CITYSCAPES_IDS, label_mapping, label_space
from vergence.data.layouts import recognise
from vergence.data.layouts.cityscapes import cityscapes
from vergence.data.layouts.gta5 import gta5
from vergence.data.layouts.synthia import synthia
from vergence.data.layouts.viper import viper
from vergence.data.manifest import Manifest
from vergence.errors import InputError

NAMES = [f"{number:05d}.png" for number in range(1, 4)]
SIZE = (32, 16)
IDS = (np.indices(SIZE[::-1]).sum(0) % 23).astype(np.uint8)
OFFICIAL = {3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13, 18: 14, 19: 15}
OFFICIAL |= {20: 16, 12: 17, 11: 18}
"""SYNTHIA's ids to train ids, corda.md section 5.1."""


def deep_png(path: Path, channels: np.ndarray) -> Path:
    """A PNG of (H, W, C) uint16: C = 2 grey with alpha, 3 RGB, 4 RGB with alpha."""
    height, width, count = channels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in channels)
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[count], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in parts)  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def save(path: Path, array: np.ndarray, palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image.putpalette([part for colour in CITYSCAPES_IDS.colours for part in colour])
    image.save(path)
    return path


def sample(manifest: Manifest, row: int = 0, **options) -> dict[str, torch.Tensor]:
    chosen = FrameOptions(height=16, width=32, offsets=(), load_label=True, label_space="cityscapes19", **options)
    return FrameDataset(manifest, chosen, train=False)[row]


# -- GTA5 --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gta(tmp_path, put):
    root = tmp_path / "gta"
    put(root / "images", NAMES)
    ids = (np.indices(SIZE[::-1]).sum(0) % 35).astype(np.uint8)
    save(root / "labels" / NAMES[0], ids, palette=True)
    save(root / "labels" / NAMES[1], ids)
    save(root / "labels" / NAMES[2], CITYSCAPES_IDS.colourize(np.where(ids == 34, 26, ids)))
    save(root / "disparity" / NAMES[0], np.full(SIZE[::-1], 256, np.uint16) * IDS)
    return root


def test_gta5(gta, caplog):
    assert recognise(gta) == "gta5"
    manifest = gta5(gta)
    assert [(row.sequence, row.split, row.label_space) for row in manifest][:1] == [("00001", "train", "gta5")]
    assert [row.estimate for row in manifest] == ["disparity/00001.png", "", ""]
    assert not manifest[0].intrinsics_known
    expected = label_mapping("cityscapes_ids", "cityscapes19")[(np.indices(SIZE[::-1]).sum(0) % 35)]
    for row in range(2):
        np.testing.assert_array_equal(sample(manifest, row)["label"], expected)
    painted = sample(manifest, 2)["label"].numpy()
    np.testing.assert_array_equal(painted[expected != 255], expected[expected != 255])
    assert label_space("gta5").trained().name == "cityscapes19"


def test_gta5_split_and_odd_labels(gta, put, caplog):
    assert gta5(gta, val=1).splits() == {"train": 2, "val": 1}
    with pytest.raises(InputError, match=r"val is 3 and .*images holds 3 images; hold fewer"):
        gta5(gta, val=3)
    put(gta / "labels", NAMES[1:2], size=(32, 12), mode="L")
    with caplog.at_level(logging.WARNING):
        assert [row.image for row in gta5(gta)] == ["images/00001.png", "images/00003.png"]
    assert "1 frame(s) left out, whose label has another size: 00002.png" in caplog.text


def test_own_folders_are_not_gta5(tmp_path, put):
    for name in ("mine", "gta_own"):
        put(tmp_path / name / "images", NAMES)
        put(tmp_path / name / "labels", NAMES, mode="L")
    (tmp_path / "gta_own" / "classes.json").write_text('["road", "sky"]')
    assert recognise(tmp_path / "mine") == recognise(tmp_path / "gta_own") == "folder"


def test_estimates_of_a_data_set_are_supervision(gta):
    """The stored sigmoid output gives g and, normalised, the estimate: from one file."""
    found = sample(gta5(gta).select(predicate=lambda row: bool(row.estimate)), load_inverse_depth="estimate",
                   load_estimate=True)  # fmt: skip
    assert found["inverse_depth"].dtype == torch.float32
    np.testing.assert_array_equal(found["inverse_depth"][0], IDS + 1)
    np.testing.assert_allclose(found["estimate"][0], IDS / 22, rtol=1e-6)
    with pytest.raises(InputError, match="has no estimated depth"):
        sample(gta5(gta), 1, load_inverse_depth="estimate")


# -- SYNTHIA -----------------------------------------------------------------------------------------------------------

CENTIMETRES = (IDS.astype(np.uint16) + 1) * 100


@pytest.fixture
def rand(tmp_path, put):
    root = tmp_path / "RAND_CITYSCAPES"
    put(root / "RGB", NAMES)
    save(root / "synthia_mapped_to_cityscapes" / NAMES[0], IDS)
    instances = np.random.default_rng(0).integers(0, 65536, IDS.shape)
    deep_png(root / "GT" / "LABELS" / NAMES[0], np.stack((IDS, instances), axis=-1).astype(np.uint16))
    deep_png(root / "GT" / "LABELS" / NAMES[1], np.stack((IDS, instances, instances), axis=-1).astype(np.uint16))
    stored = CENTIMETRES.copy()
    stored[0, :3] = (0, 5, 65535)
    save(root / "Depth" / "Depth" / NAMES[0], stored)
    deep_png(root / "Depth" / "Depth" / NAMES[1], np.stack((stored,) * 3, axis=-1))
    return root


def test_synthia(rand):
    assert recognise(rand) == "synthia"
    expected = np.array([OFFICIAL.get(number, 255) for number in range(23)])[IDS]
    mapped, original = synthia(rand), synthia(rand, labels="original")
    assert mapped[0].label == "synthia_mapped_to_cityscapes/00001.png"
    np.testing.assert_array_equal(sample(mapped)["label"], expected)
    for row, channels in enumerate((2, 3)):
        assert original[row].label == f"GT/LABELS/0000{row + 1}.png", channels
        np.testing.assert_array_equal(sample(original, row)["label"], expected)
    assert original[2].label == ""


def test_depth_of_synthia(rand):
    manifest = synthia(rand)
    assert (manifest[0].depth, manifest[0].depth_unit, manifest[2].depth_unit) == (
        "Depth/Depth/00001.png", "centimetres", ""
    )  # fmt: skip
    for row in range(2):
        np.testing.assert_allclose(frame_depth(manifest, row)[1:], CENTIMETRES[1:] / 100, rtol=1e-6)
        found = sample(manifest, row, load_inverse_depth="measured")["inverse_depth"][0]
        assert found[0, :3].tolist() == [1, 1, 1]
        np.testing.assert_allclose(found[1:], 655.36 / (CENTIMETRES[1:] / 100 + 0.01), rtol=1e-6)
    assert (sample(manifest, 2, load_inverse_depth="measured")["inverse_depth"] == 1).all()


def test_synthia_of_another_making(rand):
    assert synthia(rand, label_space="cityscapes_ids")[0].label_space == "cityscapes_ids"
    with pytest.raises(InputError, match="labels is 'both'; use auto, mapped or original"):
        synthia(rand, labels="both")
    with pytest.raises(InputError, match="unknown"):
        synthia(rand, label_space="synthya")
    for file in (rand / "synthia_mapped_to_cityscapes").iterdir():
        file.unlink()
    assert synthia(rand)[0].label.startswith("GT/LABELS/")
    with pytest.raises(InputError, match="holds no labels; unpack them"):
        synthia(rand, labels="mapped")


def test_deep_labels_that_are_no_classes(rand):
    channels = np.stack((IDS, IDS), axis=-1).astype(np.uint16)
    channels[3, 4, 0] = 300
    deep_png(rand / "GT" / "LABELS" / NAMES[0], channels)
    with pytest.raises(InputError, match="has the value 300 in its first channel of 16 or more bits"):
        sample(synthia(rand, labels="original"))
    path = rand / "GT" / "LABELS" / NAMES[1]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="damaged or truncated"):
        sample(synthia(rand, labels="original"), 1)


# -- VIPER -------------------------------------------------------------------------------------------------------------


def test_viper(tmp_path, put):
    for part, numbers in (("train", (1, 2, 4)), ("val", (10, 20))):
        names = [f"001_{number:05d}" for number in numbers]
        put(tmp_path / part / "img" / "001", [f"{name}.jpg" for name in names], size=(32, 18))
        put(tmp_path / part / "cls" / "001", [f"{name}.png" for name in names[:1]], size=(32, 18), mode="L")
    assert recognise(tmp_path) == "viper"
    manifest = viper(tmp_path)
    assert [(row.sequence, row.position, row.split) for row in manifest][2:4] == [
        ("train/001", 4, "train"), ("val/001", 10, "val")
    ]  # fmt: skip
    assert manifest.neighbour(0, 1) == 1
    assert manifest.neighbour(1, 1) is None
    assert manifest[0].label == "train/cls/001/001_00001.png"
    assert (manifest[1].label, manifest[0].label_space) == ("", "viper")
    assert manifest[0].fx == pytest.approx(1.206285)
    assert manifest[0].fy == pytest.approx(2.144507)
    tenth = viper(tmp_path, parts=("val",), step=10)
    assert tenth.neighbour(0, 1) == 1
    with pytest.raises(InputError, match="part 'all' is impossible"):
        viper(tmp_path, parts=("all",))
    put(tmp_path / "train" / "img" / "001", ["odd.jpg"], size=(32, 18))
    with pytest.raises(InputError, match=r"odd\.jpg is not named like 001_00001\.jpg"):
        viper(tmp_path)


# -- Cityscapes --------------------------------------------------------------------------------------------------------


def test_depth_beside_cityscapes(tmp_path, put):
    stem, place = "aachen_000000_000019", "train/aachen"
    put(tmp_path / "leftImg8bit_trainvaltest" / "leftImg8bit" / place, [f"{stem}_leftImg8bit.png"])
    put(tmp_path / "leftImg8bit_trainvaltest" / "leftImg8bit" / place, ["aachen_000001_000019_leftImg8bit.png"])
    put(tmp_path / "gtFine_trainvaltest" / "gtFine" / place, [f"{stem}_gtFine_labelIds.png"], mode="L")
    put(tmp_path / "disparity" / place, [f"{stem}_leftImg8bit.png", f"{stem}_disparity.png"], mode="I;16")
    metres = np.random.default_rng(0).uniform(-1, 900, SIZE[::-1])
    (tmp_path / "depth" / place).mkdir(parents=True)
    matlab_file(tmp_path / "depth" / place / f"{stem}_depth_stereoscopic.mat", matrix("depth_map", metres))
    assert recognise(tmp_path) == "cityscapes"
    manifest = cityscapes(tmp_path, intrinsics="mean")
    row = manifest[0]
    assert row.image == f"leftImg8bit_trainvaltest/leftImg8bit/{place}/{stem}_leftImg8bit.png"
    assert row.label == f"gtFine_trainvaltest/gtFine/{place}/{stem}_gtFine_labelIds.png"
    assert row.estimate == f"disparity/{place}/{stem}_leftImg8bit.png"
    assert row.disparity == f"disparity/{place}/{stem}_disparity.png"
    assert row.depth == f"depth/{place}/{stem}_depth_stereoscopic.mat"
    assert manifest[1].depth == ""
    found = FrameDataset(manifest, FrameOptions(height=16, width=32, offsets=(), load_inverse_depth="measured"), False)
    expected = from_metres(metres)
    np.testing.assert_allclose(found[0]["inverse_depth"][0], expected, rtol=1e-5)
    assert ((found[0]["inverse_depth"][0] == 1).numpy() == (expected == 1)).all()
