import logging
import struct
import zlib

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.pictures_on_disk import tiff
from tests.data.small_world import picture
from vergence.data.buckets.remote_store import NoAnswer
from vergence.data.caching.cache import FrameCache
from vergence.data.imaging import deep_pictures
from vergence.data.imaging.deep_pictures import WHITE_LEVEL
from vergence.data.imaging.images import read_image
from vergence.data.pictures import open_picture
from vergence.errors import InputError


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


GREY = picture(1)[..., 0]


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


def test_one_scale_for_all_pictures_of_a_folder_and_one_note(tmp_path, caplog):
    """A dark frame of a sequence stays dark."""
    for number, top in enumerate([4095, 200, 3000]):
        tiff(tmp_path / f"{number}.png", np.linspace(0, top, 960).reshape(24, 40).astype(np.uint16))
    with caplog.at_level(logging.INFO, "vergence"):
        peaks = [int(read_image(tmp_path / f"{number}.png").max()) for number in range(3)]
    assert peaks == [255, 200 >> 4, 3000 >> 4]
    assert [record.getMessage().count("4095 is taken for white") for record in caplog.records] == [1]


def test_white_does_not_hang_on_what_a_store_gave(tmp_path, monkeypatch):
    """Where the brightest picture of a folder cannot be had, the others are not scaled by what is left."""
    for number, top in enumerate([200, 4095]):
        tiff(tmp_path / f"{number}.png", np.linspace(0, top, 960).reshape(24, 40).astype(np.uint16))

    def failing(path):
        if path.name == "1.png":
            raise NoAnswer("1.png could not be fetched")
        return open_picture(path)

    monkeypatch.setattr(deep_pictures, "open_picture", failing)
    for reads in (read_image, deep_pictures.range_mark):
        with pytest.raises(NoAnswer):
            reads(tmp_path / "0.png")


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


def test_thermal_pictures_keep_their_contrast(tmp_path, caplog):
    """Hundredths of a kelvin: 29000 to 30020 of 65535 would be four grey levels."""
    for number in range(3):
        tiff(tmp_path / f"{number}.png", 29000 + 4 * GREY.astype(np.uint16) + number)
    seen = [read_image(tmp_path / f"{number}.png")[..., 0].astype(int) for number in range(3)]
    assert np.ptp(seen[0]) > 150
    assert abs(seen[2].mean() - seen[0].mean()) < 2
    order = np.argsort(GREY, axis=None)
    assert (np.diff(seen[0].ravel()[order]) >= 0).all()
    assert "as thermal cameras do" in caplog.text


def test_a_dead_pixel_does_not_make_all_others_black(tmp_path):
    values = GREY.astype(np.uint16) << 2
    values[0, 0] = 65535
    seen = read_image(tiff(tmp_path / "a.png", values))[..., 0].astype(int)
    assert np.ptp(seen.ravel()[1:]) > 150


@pytest.mark.parametrize("dtype", ["<u2", "<f4"])
def test_tiff_files_whose_white_is_0(tmp_path, dtype):
    white = 65535 if dtype == "<u2" else 1
    values = (GREY.astype(np.float64) / 255 * white).astype(dtype)
    Image.fromarray(white - values).save(tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    entry = data.index(struct.pack("<HHI", 262, 3, 1))
    data[entry + 8 : entry + 10] = struct.pack("<H", 0)
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif")[..., 0].astype(int), GREY, atol=1)


def test_cached_frames_follow_the_range_of_their_folder(tmp_path):
    """New frames that are brighter change the scale of the old ones: their entries are other ones."""
    cache = FrameCache(tmp_path / "cache", 24, 40)
    path = tiff(tmp_path / "a.png", GREY.astype(np.uint16) << 2)
    before = cache.name(path, "stretch")
    tiff(tmp_path / "b.png", np.full((24, 40), 60000, np.uint16))
    deep_pictures._levels_of_folder.cache_clear()  # another process
    deep_pictures._ranges_of_folder.cache_clear()
    assert cache.name(path, "stretch") != before
