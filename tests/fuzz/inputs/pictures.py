"""Pictures: broken headers, bombs, other formats under a picture's name, meta data, and things that are no files."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.damage import BYTES, NOT_FILES, Rng, flipped, not_a_file, write
from tests.fuzz.harness import EITHER, REFUSED, Case
from tests.fuzz.world import picture

VICTIM = "frames/002.png"


def encoded(form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture(1).save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes = b"", depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", pixels) if pixels else b""
    return b"\x89PNG\r\n\x1a\n" + head + extra + body + chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """Pixels of one bit that pack a thousandfold."""
    return png(side, side, zlib.compress(bytes((side // 8 + 1) * side), 9), 1, 0)


def sound(extra: bytes) -> bytes:
    """A good picture with a chunk in front of its pixels."""
    return png(64, 32, zlib.compress(bytes((64 * 3 + 1) * 32)), extra=extra)


def tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"", following: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following) + tail


def basic_tiff(width: int, height: int, offset: int, count: int, following: int = 0, packing: int = 1) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, packing), (262, 3, 1, 1)]
    tags += [(273, 4, 1, offset), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, count)]
    return tiff(tags, bytes(64), following)


def stack(form: str) -> bytes:
    file = io.BytesIO()
    picture(1).save(file, form, save_all=True, append_images=[picture(2), picture(3)])
    return file.getvalue()


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header speaks of another size than its data have."""
    data = bytearray(encoded("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def exif(kind: int, value: bytes) -> bytes:
    """An orientation of a type and a value that it cannot have."""
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01" + struct.pack("<HI", kind, 1) + value + bytes(4)


def of_array(array: np.ndarray, form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return file.getvalue()


BROKEN: dict[str, Callable[[], bytes]] = {
    "png_no_pixels": lambda: png(64, 32),
    "png_width_0": lambda: png(0, 32, b"x"),
    "png_width_31_bits": lambda: png(2**31 - 1, 2**31 - 1, zlib.compress(b"0")),
    "png_60000": lambda: png(60000, 60000, zlib.compress(b"0")),
    "png_bomb": lambda: bomb(30000),
    "png_bomb_wide": lambda: png(100_000_000, 1, zlib.compress(bytes(12_500_001)), 1, 0),
    "png_depth_3": lambda: png(64, 32, zlib.compress(b"0" * 9999), 3),
    "png_colour_9": lambda: png(64, 32, zlib.compress(b"0" * 9999), 8, 9),
    "png_no_palette": lambda: png(64, 32, b"garbage", 8, 3),
    "png_bad_zlib": lambda: png(64, 32, b"garbage" * 50),
    "png_short_pixels": lambda: png(64, 32, zlib.compress(b"\0" * 100)),
    "png_bad_crc": lambda: encoded("PNG").replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(20),
    "png_text_bomb": lambda: sound(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000)))),
    "png_profile_bomb": lambda: sound(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(200_000_000)))),
    "png_animated": lambda: stack("PNG"),
    "gif_animated": lambda: stack("GIF"),
    "webp_animated": lambda: stack("WEBP"),
    "webp_half": lambda: encoded("WEBP")[:60],
    "tiff_stack": lambda: stack("TIFF"),
    "tiff_loop": lambda: basic_tiff(64, 32, 200, 10**6, following=8),
    "tiff_outside": lambda: basic_tiff(64, 32, 2**31, 2048),
    "tiff_huge": lambda: basic_tiff(2**31, 2**31, 130, 64),
    "tiff_short": lambda: basic_tiff(64, 32, 130, 64),
    "tiff_width_0": lambda: basic_tiff(0, 32, 130, 64),
    "tiff_packing_99": lambda: basic_tiff(64, 32, 130, 64, packing=99),
    "tiff_lzw_garbage": lambda: basic_tiff(64, 32, 130, 64, packing=5),
    "tiff_deflate_garbage": lambda: basic_tiff(64, 32, 130, 64, packing=8),
    "tiff_jpeg_garbage": lambda: basic_tiff(64, 32, 130, 64, packing=7),
    "tiff_fax_garbage": lambda: basic_tiff(60000, 1400, 130, 64, packing=4),
    "tiff_no_tags": lambda: tiff([]),
    "tiff_many_tags": lambda: b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(100),
    "tiff_tag_count": lambda: tiff([(256, 4, 2**30, 8), (257, 4, 2**32 - 1, 8)]),
    "tiff_nan": lambda: of_array(np.full((32, 64), np.nan, np.float32), "TIFF"),
    "jpeg_width_0": lambda: jpeg_of(0, 32),
    "jpeg_65535": lambda: jpeg_of(65535, 65535),
    "jpeg_half": lambda: encoded("JPEG")[:300],
    "jpeg_no_tables": lambda: b"\xff\xd8\xff\xda\x00\x0c" + bytes(500) + b"\xff\xd9",
    "bmp_height": lambda: encoded("BMP")[:22] + struct.pack("<i", -(2**31)) + encoded("BMP")[26:],
    "bmp_huge": lambda: encoded("BMP")[:18] + struct.pack("<ii", 10**6, 10**6) + encoded("BMP")[26:],
    "ppm_huge": lambda: b"P6\n1000000 1000000\n255\n" + bytes(100),
    "ppm_short": lambda: b"P6\n64 32\n255\n" + bytes(100),
    "ppm_words": lambda: b"P6\nsixty four\n255\n" + bytes(100),
    "ppm_long_number": lambda: b"P6\n" + b"1" * 100000 + b" 32\n255\n",
    "pgm_maxval": lambda: b"P5\n64 32\n99999999\n" + bytes(5000),
}
"""Must be refused where pixels are read."""
OTHERS: dict[str, Callable[[], bytes]] = {
    "eps": lambda: encoded("EPS"),
    "eps_runs": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 32\n(%pipe%id > canary) (w) file\n%%EOF\n",
    "eps_dos": lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 30, 100) + bytes(22) + b"%!PS-Adobe\n" + bytes(99),
    "pdf": lambda: encoded("PDF"),
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "ico": lambda: encoded("ICO"),
    "icns": lambda: b"icns" + struct.pack(">I", 100) + bytes(92),
    "jp2": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "psd": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 32, 64, 8, 3) + bytes(500),
    "tga": lambda: encoded("TGA"),
    "pcx": lambda: encoded("PCX"),
    "sgi": lambda: encoded("SGI"),
    "im": lambda: encoded("IM"),
    "xbm": lambda: b"#define x_width 64\n#define x_height 32\nstatic char x_bits[] = {\n0x00};\n",
    "xpm": lambda: b'/* XPM */\nstatic char *x[] = {"1 1 1 1", "a c #000000", "a"};\n',
    "fits": lambda: b"SIMPLE  =                    T" + b" " * 2850,
    "wmf": lambda: b"\xd7\xcd\xc6\x9a" + bytes(100),
    "spider": lambda: bytes(1024),
    "gbr": lambda: struct.pack(">IIIIIII", 28, 2, 64, 32, 3, 0x47494D50, 10) + bytes(7000),
    "dds": lambda: b"DDS " + struct.pack("<I", 124) + bytes(200),
    "blp": lambda: b"BLP2" + bytes(200),
    "msp": lambda: encoded("PNG")[:0] + b"DanM" + bytes(100),
    "zip": lambda: b"PK\x03\x04" + bytes(100),
}
"""Formats that are not on the list, however good: each is a door more."""
ODD: dict[str, Callable[[], bytes]] = {
    "exif_garbage": lambda: sound(chunk(b"eXIf", b"II*\0\xff\xff\xff\xff" + bytes(20))),
    "exif_loop": lambda: sound(chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\x08\0\0\0")),
    "exif_orientation_99": lambda: encoded("JPEG", exif=exif(3, b"c\0\0\0")),
    "exif_orientation_text": lambda: encoded("JPEG", exif=exif(2, b"a\0\0\0")),
    "xmp_entities": lambda: sound(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")),
    "profile_garbage": lambda: sound(chunk(b"iCCP", b"a\0\0" + zlib.compress(b"garbage"))),
    "gamma_0": lambda: sound(chunk(b"gAMA", bytes(4))),
    "unknown_chunk": lambda: sound(chunk(b"vpAg", b"x" * 99)),
    "transparency_long": lambda: sound(chunk(b"tRNS", b"x" * 999)),
    "trailing": lambda: encoded("PNG") + b"PK\x03\x04 and something else" * 99,
    "polyglot": lambda: encoded("JPEG") + b"%!PS\n(%pipe%id) (w) file\n",
}  # fmt: skip
"""May be used or refused."""

READ = {
    "predict": (("predict", "depth_run", "frames", "--out", "out", "--device", "cpu"), ("frames", "depth_run")),
    "scan": (("scan", "frames"), ("frames",)),
    "index": (("index", "folder", "frames", "--out", "out.csv"), ("frames",)),
    "train": (
        ("train", "depth.yaml", "--out", "out", "--data", "manifest.csv"),
        ("frames", "labels", "depth", "manifest.csv", "depth.yaml"),
    ),
    "export": (
        ("labels", "export", "manifest.csv", "--to", "png", "--out", "out"),
        ("frames", "labels", "depth", "manifest.csv"),
    ),
    "evaluate": (
        ("evaluate", "seg_run", "--data", "manifest.csv", "--split", "train"),
        ("frames", "labels", "depth", "manifest.csv", "seg_run"),
    ),
    "select": (
        ("select", "depth_run", "--data", "manifest.csv", "--count", "2", "--out", "out", "--criterion", "ds"),
        ("frames", "labels", "depth", "manifest.csv", "depth_run"),
    ),
}
"""Commands that meet the picture, and what they need."""
EVERY_PIXEL = ("predict", "train", "evaluate", "select")
"""Those that decode each picture, and so cannot help noticing."""


def case(verb: str, name: str, content: Callable[[], bytes], expect: str, quick: bool = False) -> Case:
    argv, needs = READ[verb]
    writes = ("out", "out/*", "out.*", "seg_run/evaluation*")

    def prepare(folder: Path, rng: Rng) -> None:
        write(folder / VICTIM, content())

    return Case(f"pictures/{verb}/{name}", argv, prepare, expect, needs, writes, quick)


def cases() -> list[Case]:
    found = []
    for verb in READ:
        strict = REFUSED if verb in EVERY_PIXEL else EITHER
        some = verb in ("predict", "index")
        for name, content in BROKEN.items():
            if verb in ("predict", "index", "scan") or "bomb" in name or name.startswith(("tiff_s", "png_b")):
                found.append(case(verb, name, content, strict, some and name in ("png_bomb", "tiff_loop", "tiff_huge")))
        for name, content in OTHERS.items():
            if some or name.startswith("eps"):
                found.append(case(verb, name, content, REFUSED if some else strict, some and name == "eps"))
        for name, content in ODD.items():
            if some:
                found.append(case(verb, name, content, EITHER))
        for name, way in BYTES.items():
            if some or name in ("empty", "half", "postscript"):
                good = encoded("PNG")
                found.append(
                    case(
                        verb,
                        name,
                        lambda good=good, way=way: way(good, np.random.default_rng(0)),
                        strict,
                        some and name == "half",
                    )
                )
        for what in NOT_FILES:
            argv, needs = READ[verb]
            found.append(
                Case(
                    f"pictures/{verb}/{what}",
                    argv,
                    lambda folder, rng, what=what: not_a_file(folder / VICTIM, what),
                    strict if verb in ("train", "evaluate", "select") else EITHER,
                    needs,
                    ("out", "out/*", "out.*", "seg_run/evaluation*"),
                    verb == "predict" and what == "pipe",
                )
            )
    for form in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM", "GIF"):
        for turn in range(6):

            def prepare(folder: Path, rng: Rng, form: str = form) -> None:
                write(folder / VICTIM, flipped(encoded(form), rng, 6))

            argv, needs = READ["predict"]
            found.append(Case(f"pictures/flips/{form}_{turn}", argv, prepare, EITHER, needs))
    return found
