import logging
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture
from vergence.data.deep_pictures import WHITE_LEVEL
from vergence.data.images import read_image
from vergence.errors import InputError

GREY = picture(1)[..., 0]


def tiff(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("shift", [0, 2, 4, 6, 8])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_integers_are_scaled_by_the_bits_they_use(tmp_path, shift, suffix):
    path = tiff(tmp_path / f"a{suffix}", GREY.astype(np.uint16) << shift)
    tiff(tmp_path / f"b{suffix}", np.full((4, 4), 255 << shift, np.uint16))
    np.testing.assert_array_equal(read_image(path), np.repeat(GREY[..., None], 3, -1))


@pytest.mark.parametrize("white", [1, 255, 4095, 65535])
def test_floating_point_is_scaled_by_its_range(tmp_path, white):
    path = tiff(tmp_path / "a.tif", GREY.astype(np.float32) * np.float32(white / 255))
    np.testing.assert_array_equal(read_image(path)[..., 0], GREY)


@pytest.mark.parametrize("bits", [12, 16, 24, 31])
def test_integers_of_32_bits(tmp_path, bits):
    path = tiff(tmp_path / "a.tif", (GREY.astype(np.int64) << (bits - 8)).astype(np.int32))
    tiff(tmp_path / "b.tif", np.full((4, 4), 2**bits - 1, np.int32))
    expected = GREY if bits < 31 else GREY >> 1  # 31 bits are taken for 32
    np.testing.assert_array_equal(read_image(path)[..., 0], expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_12_bits_in_16(tmp_path, suffix, orientation):
    colours = picture(2).astype(np.uint16) << 4
    frame = av.VideoFrame.from_ndarray(colours, format="rgb48le")
    with av.open(str(tmp_path / "a.png"), "w", format="image2") as out:
        stream = out.add_stream("png" if suffix == ".png" else "tiff", rate=1)
        stream.width, stream.height, stream.pix_fmt = 40, 24, "rgb48be" if suffix == ".png" else "rgb48le"
        packets = [*stream.encode(frame), *stream.encode()]
        data = b"".join(bytes(packet) for packet in packets)
        out.mux(packets)
    path = tmp_path / f"sub{suffix}" / f"a{suffix}"
    path.parent.mkdir()
    path.write_bytes(data)
    if orientation > 1 and suffix == ".png":
        exif = Image.Exif()
        exif[274] = orientation
        block = exif.tobytes()[6:] if exif.tobytes().startswith(b"Exif") else exif.tobytes()
        chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
        path.write_bytes(data[:33] + chunk + data[33:])
        plain = tmp_path / "plain.png"
        Image.fromarray(picture(2)).save(plain, exif=exif)
        np.testing.assert_array_equal(read_image(path), read_image(plain))
    else:
        np.testing.assert_array_equal(read_image(path), picture(2))


def test_one_scale_for_all_pictures_of_a_folder_and_one_note(tmp_path, caplog):
    """A dark frame of a sequence stays dark."""
    for number, top in enumerate([4095, 200, 3000]):
        tiff(tmp_path / f"{number}.png", np.linspace(0, top, 960).reshape(24, 40).astype(np.uint16))
    with caplog.at_level(logging.INFO, "vergence"):
        peaks = [int(read_image(tmp_path / f"{number}.png").max()) for number in range(3)]
    assert peaks == [255, 200 >> 4, 3000 >> 4]
    assert [record.getMessage().count("4095 is taken for white") for record in caplog.records] == [1]


def test_what_white_is_can_be_said(tmp_path, monkeypatch):
    path = tiff(tmp_path / "a.png", np.full((4, 4), 100, np.uint16))
    monkeypatch.setenv(WHITE_LEVEL, "199")
    assert (read_image(path) == 128).all()
    monkeypatch.setenv(WHITE_LEVEL, "white")
    with pytest.raises(InputError, match="'white'; give the stored value"):
        read_image(path)


def test_a_frame_brighter_than_those_looked_at_is_an_error(tmp_path):
    for number in range(200):
        tiff(tmp_path / f"{number:03d}.png", np.full((2, 2), 9000 if number == 1 else 1000, np.uint16))
    read_image(tmp_path / "000.png")
    with pytest.raises(InputError, match=f"brighter than the pictures of its folder.*{WHITE_LEVEL}"):
        read_image(tmp_path / "001.png")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((4, 4), np.nan, np.float32), "not finite"),
        (np.full((4, 4), -20, np.float32), "none below 0"),
        (np.full((4, 4), 1e6, np.float32), "floating point up to 1e\\+06"),
        (np.full((4, 4), -3, np.int32), "none below 0"),
    ],
)
def test_numbers_that_make_no_picture(tmp_path, values, words):
    with pytest.raises(InputError, match=words):
        read_image(tiff(tmp_path / "a.tif", values))


def test_grey_maps_say_their_range(tmp_path):
    """Their header has it, so that a dark picture stays dark."""
    stored = GREY.astype(">u2") << 3
    (tmp_path / "a.pgm").write_bytes(b"P5 40 24 4095\n" + stored.astype(">u2").tobytes())
    np.testing.assert_allclose(read_image(tmp_path / "a.pgm")[..., 0].astype(int), GREY >> 1, atol=1)
