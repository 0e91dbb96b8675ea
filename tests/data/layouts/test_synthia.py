"""SYNTHIA: labels in the red channel of deep pictures, depth in centimetres."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.data.layouts.rendered_trees import IDS, NAMES, sample, save
from vergence.data.imaging.images import frame_depth
from vergence.data.layouts import recognise
from vergence.data.layouts.synthia import synthia
from vergence.errors import InputError

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
