import contextlib
import io
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vergence
from tests.data.small_world import picture, save
from vergence.data.imaging.images import open_image
from vergence.data.pictures import LIMIT, bits, is_lossy, is_whole_png, open_picture, picture_size
from vergence.errors import InputError

UPRIGHT = np.repeat(np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, 16, 0), 16, 1)
AS_STORED = {  # what a camera stores, by what EXIF calls the place of row 0 and column 0
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


def turned(path: Path, orientation: int) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 100}}.get(path.suffix, {})
    Image.fromarray(np.ascontiguousarray(AS_STORED[orientation])).convert("RGB").save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_pictures_are_upright_as_their_exif_says(tmp_path, suffix, orientation):
    path = turned(tmp_path / f"a{suffix}", orientation)
    assert picture_size(path) == (64, 48)
    np.testing.assert_allclose(np.asarray(open_picture(path).convert("L")).astype(int), UPRIGHT, atol=2)
    np.testing.assert_allclose(np.asarray(open_image(path))[..., 0].astype(int), UPRIGHT, atol=2)


def test_exif_behind_the_pixels_of_a_png_counts_too(tmp_path):
    whole = turned(tmp_path / "a.png", 6).read_bytes()
    start = whole.index(b"eXIf") - 4
    length = struct.unpack(">I", whole[start : start + 4])[0] + 12
    end = whole.index(b"IEND") - 4
    moved = whole[:start] + whole[start + length : end] + whole[start : start + length] + whole[end:]
    (tmp_path / "b.png").write_bytes(moved)
    assert picture_size(tmp_path / "b.png") == open_picture(tmp_path / "b.png").size == (64, 48)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_turns_nothing(tmp_path):
    Image.fromarray(UPRIGHT).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert picture_size(tmp_path / "a.jpg") == open_picture(tmp_path / "a.jpg").size == (64, 48)


def test_a_draft_is_smaller_and_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture(0, 400, 800)).save(tmp_path / "a.jpg", exif=exif)
    assert open_image(tmp_path / "a.jpg", draft_width=100).size == (100, 200)
    assert open_image(tmp_path / "a.jpg").size == (400, 800)


@pytest.mark.parametrize("read", [open_picture, picture_size])
def test_only_known_formats_are_decoded(tmp_path, read):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    Image.fromarray(picture(0)).save(tmp_path / "b.png", format="ICO")
    for name in ("a.png", "b.png"):
        with pytest.raises(InputError, match=f"{name} is no image that can be read"):
            read(tmp_path / name)


def large_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [open_picture, picture_size])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch, read):
    for side in (9_500, 12_000, 30_000):
        (tmp_path / "a.png").write_bytes(large_png(side, side))
        with pytest.raises(InputError, match=f"more than 89 million pixels.*{LIMIT}"):
            read(tmp_path / "a.png")
    Image.fromarray(picture(0)).save(tmp_path / "b.png")
    monkeypatch.setenv(LIMIT, "0.0009")
    with pytest.raises(InputError, match=r"40x24, more than 0\.0009 million pixels"):
        read(tmp_path / "b.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    monkeypatch.setenv(LIMIT, "0.001")
    read(tmp_path / "b.png")
    monkeypatch.setenv(LIMIT, "many")
    with pytest.raises(InputError, match="'many'; give a number of million pixels"):
        read(tmp_path / "b.png")


@pytest.mark.parametrize("read", [open_picture, picture_size])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp", ".gif"])
def test_several_pictures_in_a_file_are_an_error(tmp_path, read, suffix):
    first, *others = (Image.fromarray(picture(k)) for k in range(3))
    first.save(tmp_path / f"a{suffix}", save_all=True, append_images=others)
    with pytest.raises(InputError, match="a file of its own in one folder"):
        read(tmp_path / f"a{suffix}")


def test_previews_in_a_file_are_no_pictures(tmp_path):
    first, preview = Image.fromarray(picture(0)), Image.fromarray(picture(0, 6, 10))
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[preview])
    first.save(tmp_path / "b.jpg", format="MPO", save_all=True, append_images=[preview])
    with Image.open(tmp_path / "a.tif") as image:
        assert image.n_frames == 2
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.tif")), picture(0))
    for name in ("a.tif", "b.jpg"):
        assert picture_size(tmp_path / name) == open_picture(tmp_path / name).size == (40, 24)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(InputError, match="no regular file"):
        open_picture(tmp_path / "a.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM", "GIF"])
@pytest.mark.filterwarnings("ignore")
def test_bytes_changed_at_random_give_a_picture_or_one_sentence(tmp_path, form):
    stored = io.BytesIO()
    Image.fromarray(picture(0)).save(stored, form)
    rng, path = np.random.default_rng(0), tmp_path / "a.png"
    refused = 0
    for _ in range(150):
        changed = np.frombuffer(stored.getvalue(), np.uint8).copy()
        places = rng.integers(0, min(len(changed), int(rng.choice([64, len(changed)]))), rng.integers(1, 6))
        changed[places] = rng.integers(0, 256, len(places))
        path.write_bytes(changed[: len(changed) if rng.uniform() < 0.7 else rng.integers(1, len(changed))].tobytes())
        for read in (picture_size, open_image):
            with contextlib.suppress(InputError):
                read(path)
                continue
            refused += 1
    assert refused > 20


def test_what_is_lossy(tmp_path):
    image = Image.fromarray(picture(0))
    image.save(tmp_path / "a.jpg")
    image.save(tmp_path / "a.webp")
    image.save(tmp_path / "b.webp", lossless=True)
    image.save(tmp_path / "a.tif", compression="jpeg")
    image.save(tmp_path / "b.tif", compression="tiff_lzw")
    image.save(tmp_path / "b.png")
    for path in sorted(tmp_path.iterdir()):
        assert is_lossy(open_picture(path), path) == (path.stem == "a"), path


@pytest.mark.parametrize(("mode", "expected"), [("1", 1), ("L", 8), ("I;16", 16), ("RGB", 8), ("P", 8)])
def test_bits_of_a_channel(tmp_path, mode, expected):
    Image.new(mode, (8, 8)).save(tmp_path / "a.png")
    if mode != "P":
        assert bits(open_picture(tmp_path / "a.png")) == expected


def test_nothing_else_opens_pictures():
    root = Path(vergence.__file__).parent
    opens = re.compile(
        r"\bImage\.open\b|\bfrom PIL\.Image import\b|\bImageFile\b|\bimread\b|\bread_image\(.*torchvision"
    )
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if opens.search(path.read_text())}
    assert found == {"data/pictures.py"}


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_plain_tiff_files_are_turned_whole(tmp_path, kind, orientation):
    """Without compression PIL maps them into memory, and took their width for their height."""
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(AS_STORED[orientation]).astype(kind)).save(tmp_path / "a.tif", exif=exif)
    assert picture_size(tmp_path / "a.tif") == (64, 48)
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.tif")), UPRIGHT)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS.*run git lfs pull"),
        (b"\0\0\0\x18ftypheic", "HEIC picture, which is not read; give a PNG"),
        (b"<!DOCTYPE html>", "web page"),
        (b"", "is empty; give a PNG"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(tmp_path, head, words):
    (tmp_path / "a.jpg").write_bytes(head)
    with pytest.raises(InputError, match=words):
        picture_size(tmp_path / "a.jpg")


def test_a_jpeg_of_endless_scans(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.jpg", progressive=True)
    data = (tmp_path / "a.jpg").read_bytes()
    assert open_picture(tmp_path / "a.jpg").mode == "RGB"
    last = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + last * 200 + b"\xff\xd9")
    with pytest.raises(InputError, match="a JPEG of more than 100 scans"):
        open_picture(tmp_path / "a.jpg")


def test_a_png_of_two_headers_is_refused(tmp_path: Path) -> None:
    """Decoders take the later one: a picture of another size than every viewer shows, with pixels of nowhere."""
    for size in ((8, 6), (2, 2)):
        Image.new("L", size, 200).save(tmp_path / f"{size[0]}.png")
    large, small = ((tmp_path / f"{width}.png").read_bytes() for width in (8, 2))
    (tmp_path / "two.png").write_bytes(large[:33] + small[8:33] + large[33:])
    for read in (open_picture, picture_size):
        with pytest.raises(InputError, match="has two headers, of 8x6 and 2x2"):
            read(tmp_path / "two.png")
    assert open_picture(tmp_path / "8.png").size == (8, 6)


def test_every_byte_of_a_png_counts(tmp_path):
    path = save(tmp_path / "a.png", picture(1, 6, 8))
    whole = path.read_bytes()
    assert is_whole_png(path)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        assert not is_whole_png(path), place


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:40], lambda data: data + b"x"])
def test_cut_off_or_longer(tmp_path, change):
    path = save(tmp_path / "a.png", picture(1))
    path.write_bytes(change(path.read_bytes()))
    assert not is_whole_png(path)


def test_what_is_no_png(tmp_path):
    assert not is_whole_png(tmp_path / "nowhere.png")
    assert not is_whole_png(save(tmp_path / "a.jpg", picture(1)))
