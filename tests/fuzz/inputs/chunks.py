"""Pictures from the inside: chunks, tags and markers that are cut, doubled, wrong, far too large, or rare but right."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.damage import Rng, write
from tests.fuzz.harness import ACCEPTED, EITHER, REFUSED, Case
from tests.fuzz.inputs.pictures import READ, VICTIM, chunk, encoded, exif, png, sound, tiff
from tests.fuzz.world import mask, picture

HEAD = b"\x89PNG\r\n\x1a\n"
END = chunk(b"IEND", b"")
ROWS = zlib.compress(bytes((64 * 3 + 1) * 32))


def header(
    width: int = 64, height: int = 32, depth: int = 8, colour: int = 2, packing: int = 0, lace: int = 0
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, packing, 0, lace))


def of_chunks(*chunks: bytes) -> bytes:
    return HEAD + b"".join(chunks)


def spoilt(kind: bytes, data: bytes) -> bytes:
    """A chunk whose sum is wrong."""
    return chunk(kind, data)[:-4] + b"\xde\xad\xbe\xef"


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _interlaced() -> bytes:
    """A grey picture of 64 x 32 in the seven passes of Adam7."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    pixels = np.asarray(picture(1).convert("L"))
    data = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx])
    return of_chunks(header(colour=0, lace=1), chunk(b"IDAT", zlib.compress(data)), END)


def _texts(count: int, size: int) -> bytes:
    return sound(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(size), 9)) * count)


PNG: dict[str, tuple[Callable[[], bytes], str]] = {
    "interlaced": (_interlaced, ACCEPTED),
    "interlaced_cut": (lambda: _interlaced()[:-60], REFUSED),
    "interlace_7": (lambda: of_chunks(header(lace=7), chunk(b"IDAT", ROWS), END), REFUSED),
    "packing_1": (lambda: of_chunks(header(packing=1), chunk(b"IDAT", ROWS), END), ACCEPTED),
    "palette_16_bits": (lambda: png(64, 32, zlib.compress(bytes(129 * 32)), 16, 3, chunk(b"PLTE", bytes(6))), REFUSED),
    "palette_5_bytes": (lambda: png(64, 32, zlib.compress(bytes(65 * 32)), 8, 3, chunk(b"PLTE", bytes(5))), EITHER),
    "palette_300": (lambda: png(64, 32, zlib.compress(bytes(65 * 32)), 8, 3, chunk(b"PLTE", bytes(900))), REFUSED),
    "palette_short": (lambda: png(64, 32, zlib.compress(b"\0" * 65 * 31 + b"\0" + b"\xff" * 64), 8, 3, chunk(b"PLTE", bytes(6))), EITHER),
    "one_bit": (lambda: _saved(picture(1).convert("1"), "PNG"), ACCEPTED),
    "sixteen_bits": (lambda: _saved(Image.fromarray(np.asarray(picture(1).convert("L")).astype(np.uint16) * 257), "PNG"), ACCEPTED),
    "alpha": (lambda: _saved(picture(1).convert("RGBA"), "PNG"), ACCEPTED),
    "palette": (lambda: _saved(picture(1).convert("P"), "PNG"), ACCEPTED),
    "no_end": (lambda: of_chunks(header(), chunk(b"IDAT", ROWS)), ACCEPTED),
    "no_header": (lambda: of_chunks(chunk(b"IDAT", ROWS), END), REFUSED),
    "header_twice": (lambda: of_chunks(header(), header(4, 4), chunk(b"IDAT", ROWS), END), EITHER),
    "header_short": (lambda: of_chunks(chunk(b"IHDR", bytes(5)), chunk(b"IDAT", ROWS), END), REFUSED),
    "header_sum": (lambda: of_chunks(spoilt(b"IHDR", header()[8:21]), chunk(b"IDAT", ROWS), END), REFUSED),
    "pixels_sum": (lambda: of_chunks(header(), spoilt(b"IDAT", ROWS), END), ACCEPTED),
    "pixels_empty": (lambda: of_chunks(header(), chunk(b"IDAT", b""), END), REFUSED),
    "pixels_zlib_sum": (lambda: of_chunks(header(), chunk(b"IDAT", ROWS[:-4] + bytes(4)), END), REFUSED),
    "pixels_filter_9": (lambda: of_chunks(header(), chunk(b"IDAT", zlib.compress((b"\x09" + bytes(192)) * 32)), END), REFUSED),
    "pixels_after_end": (lambda: of_chunks(header(), END, chunk(b"IDAT", ROWS)), REFUSED),
    "pixels_in_many": (lambda: of_chunks(header(), *(chunk(b"IDAT", ROWS[n : n + 1]) for n in range(len(ROWS))), END), ACCEPTED),
    "length_31_bits": (lambda: of_chunks(header(), struct.pack(">I", 2**31 - 1) + b"IDAT" + ROWS), ACCEPTED),
    "length_32_bits": (lambda: of_chunks(header(), struct.pack(">I", 2**32 - 1) + b"tEXt" + ROWS), REFUSED),
    "kind_no_letters": (lambda: of_chunks(header(), chunk(b"\0\1\2\3", b"x"), chunk(b"IDAT", ROWS), END), REFUSED),
    "kind_critical": (lambda: of_chunks(header(), chunk(b"ABCD", b"x"), chunk(b"IDAT", ROWS), END), EITHER),
    "texts_many": (lambda: _texts(2000, 40_000), REFUSED),
    "texts_large": (lambda: _texts(80, 1_000_000), REFUSED),
    "text_no_zero": (lambda: sound(chunk(b"zTXt", b"abc")), EITHER),
    "text_packing_9": (lambda: sound(chunk(b"zTXt", b"a\0\x09" + zlib.compress(b"x"))), REFUSED),
    "itext_bomb": (lambda: sound(chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(100_000_000)))), REFUSED),
    "profile_many": (lambda: sound(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(40_000_000))) * 4), REFUSED),
    "animated_no_frames": (lambda: sound(chunk(b"acTL", struct.pack(">II", 0, 0))), ACCEPTED),
    "animated_2_31": (lambda: sound(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))), REFUSED),
    "animated_outside": (lambda: sound(chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 640, 320, 9, 9, 1, 1, 0, 0))), REFUSED),
    "resolution_0": (lambda: sound(chunk(b"pHYs", struct.pack(">IIB", 0, 0, 1))), ACCEPTED),
    "resolution_short": (lambda: sound(chunk(b"pHYs", b"x")), REFUSED),
    "turned_6": (lambda: _saved(picture(1).transpose(Image.Transpose.ROTATE_90), "PNG", exif=_turn(6)), ACCEPTED),
    "turned_0": (lambda: _saved(picture(1), "PNG", exif=_turn(0)), ACCEPTED),
}  # fmt: skip


def _turn(value: int) -> bytes:
    return exif(3, struct.pack("<HH", value, 0))


def _jpeg(**options: object) -> bytes:
    return encoded("JPEG", **options)


def _marker(code: int, data: bytes) -> bytes:
    """A JPEG with one segment more behind its first two bytes."""
    good = _jpeg()
    return good[:2] + bytes((0xFF, code)) + struct.pack(">H", len(data) + 2) + data + good[2:]


def _edited(mark: bytes, place: int, value: int) -> bytes:
    data = bytearray(_jpeg())
    data[data.index(mark) + place] = value
    return bytes(data)


def _scans(count: int) -> bytes:
    """A progressive JPEG of 4096 x 4096 whose last scan comes again and again."""
    data = _saved(Image.new("RGB", (2048, 2048)), "JPEG", progressive=True, quality=10)
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + b"\xff\xd9"


JPEG: dict[str, tuple[Callable[[], bytes], str]] = {
    "cmyk": (lambda: _saved(picture(1).convert("CMYK"), "JPEG"), ACCEPTED),
    "grey": (lambda: _saved(picture(1).convert("L"), "JPEG"), ACCEPTED),
    "progressive": (lambda: _jpeg(progressive=True), ACCEPTED),
    "progressive_cut": (lambda: _jpeg(progressive=True)[:-200], REFUSED),
    "cut_and_closed": (lambda: _jpeg()[:-300] + b"\xff\xd9", EITHER),
    "two_pictures": (lambda: _jpeg() + _jpeg(), ACCEPTED),
    "precision_12": (lambda: _edited(b"\xff\xc0", 4, 12), REFUSED),
    "components_0": (lambda: _edited(b"\xff\xc0", 9, 0), REFUSED),
    "components_5": (lambda: _edited(b"\xff\xc0", 9, 5), REFUSED),
    "sampling_0": (lambda: _edited(b"\xff\xc0", 11, 0), REFUSED),
    "sampling_15": (lambda: _edited(b"\xff\xc0", 11, 0xFF), REFUSED),
    "table_9": (lambda: _edited(b"\xff\xc0", 12, 9), REFUSED),
    "arithmetic": (lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1), EITHER),
    "lossless": (lambda: _jpeg().replace(b"\xff\xc0", b"\xff\xc3", 1), REFUSED),
    "huffman_garbage": (lambda: _edited(b"\xff\xc4", 6, 0xFF), REFUSED),
    "no_end": (lambda: _jpeg()[:-2], REFUSED),
    "segment_length_0": (lambda: _jpeg()[:2] + b"\xff\xe5\0\0" + _jpeg()[2:], EITHER),
    "segment_beyond": (lambda: _jpeg()[:2] + b"\xff\xe5\xff\xff" + _jpeg()[2:], REFUSED),
    "comment": (lambda: _marker(0xFE, b"x" * 60000), ACCEPTED),
    "profile_parts": (lambda: _marker(0xE2, b"ICC_PROFILE\0\x05\x02" + b"x" * 99), ACCEPTED),
    "several": (lambda: _marker(0xE2, b"MPF\0" + b"II*\0\xff\xff\xff\xff" + b"x" * 60), ACCEPTED),
    "photoshop": (lambda: _marker(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff"), ACCEPTED),
    "exif_endless": (lambda: _jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"), ACCEPTED),
    "scans_200": (lambda: _scans(200), REFUSED),
    "dnl_height_0": (lambda: _edited(b"\xff\xc0", 6, 0), REFUSED),
}  # fmt: skip


def tagged(more: list[tuple[int, int, int, int]] = (), less: tuple[int, ...] = (), pixels: int = 2048) -> bytes:  # type: ignore[assignment]
    """A grey TIFF of 64 x 32 with tags changed or left out; its pixels stand behind the tags."""
    base = {
        256: (3, 1, 64), 257: (3, 1, 32), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 273: (4, 1, 0), 277: (3, 1, 1), 278: (3, 1, 32), 279: (4, 1, 2048),
    }  # fmt: skip
    base |= {tag: (kind, count, value) for tag, kind, count, value in more}
    kept = {tag: entry for tag, entry in sorted(base.items()) if tag not in less}
    start = 8 + 2 + 12 * len(kept) + 4
    if 273 in kept and kept[273] == (4, 1, 0):
        kept[273] = (4, 1, start)
    return tiff([(tag, *entry) for tag, entry in kept.items()], bytes(range(256)) * (pixels // 256))


TIFF: dict[str, tuple[Callable[[], bytes], str]] = {
    "sound": (tagged, ACCEPTED),
    "no_width": (lambda: tagged(less=(256,)), REFUSED),
    "no_offset": (lambda: tagged(less=(273,)), REFUSED),
    "no_counts": (lambda: tagged(less=(279,)), EITHER),
    "bits_3": (lambda: tagged([(258, 3, 1, 3)]), REFUSED),
    "bits_0": (lambda: tagged([(258, 3, 1, 0)]), REFUSED),
    "samples_0": (lambda: tagged([(277, 3, 1, 0)]), REFUSED),
    "samples_5": (lambda: tagged([(277, 3, 1, 5)]), REFUSED),
    "samples_65535": (lambda: tagged([(277, 3, 1, 65535)]), REFUSED),
    "strip_rows_0": (lambda: tagged([(278, 3, 1, 0)]), EITHER),
    "offset_in_header": (lambda: tagged([(273, 4, 1, 1)]), EITHER),
    "offset_behind": (lambda: tagged([(273, 4, 1, 999_999)]), REFUSED),
    "pixels_half": (lambda: tagged(pixels=1024), REFUSED),
    "tiles_0": (lambda: tagged([(322, 3, 1, 0), (323, 3, 1, 0), (324, 4, 1, 200), (325, 4, 1, 99)], (273, 278, 279)), REFUSED),
    "tiles_garbage": (lambda: tagged([(322, 3, 1, 16), (323, 3, 1, 16), (324, 4, 1, 200), (325, 4, 1, 99), (259, 3, 1, 8)], (273, 278, 279)), REFUSED),
    "sample_format_9": (lambda: tagged([(339, 3, 1, 9)]), REFUSED),
    "complex": (lambda: tagged([(339, 3, 1, 6), (258, 3, 1, 64)]), REFUSED),
    "photometric_99": (lambda: tagged([(262, 3, 1, 99)]), REFUSED),
    "palette_missing": (lambda: tagged([(262, 3, 1, 3)]), REFUSED),
    "white_is_zero": (lambda: tagged([(262, 3, 1, 0)]), ACCEPTED),
    "lzma_garbage": (lambda: tagged([(259, 3, 1, 34925)]), REFUSED),
    "zstd_garbage": (lambda: tagged([(259, 3, 1, 50000)]), REFUSED),
    "packbits_garbage": (lambda: tagged([(259, 3, 1, 32773)]), REFUSED),
    "old_jpeg": (lambda: tagged([(259, 3, 1, 6)]), REFUSED),
    "predictor_9": (lambda: tagged([(317, 3, 1, 9), (259, 3, 1, 5)]), REFUSED),
    "orientation_77": (lambda: tagged([(274, 3, 1, 77)]), ACCEPTED),
    "subfile_loop": (lambda: tagged([(330, 4, 1, 8)]), EITHER),
    "exif_loop": (lambda: tagged([(34665, 4, 1, 8)]), EITHER),
    "bigtiff_cut": (lambda: b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + b"\xff" * 30, REFUSED),
    "big_endian": (lambda: _saved(picture(1), "TIFF").replace(b"II*\0", b"MM\0*", 1), REFUSED),
    "float": (lambda: _saved(Image.fromarray(np.linspace(0, 1, 2048, dtype=np.float32).reshape(32, 64)), "TIFF"), ACCEPTED),
    "jpeg_inside": (lambda: _saved(picture(1), "TIFF", compression="jpeg"), ACCEPTED),
}  # fmt: skip


def _webp(place: int, value: bytes) -> bytes:
    data = encoded("WEBP")
    return data[:place] + value + data[place + len(value) :]


REST: dict[str, tuple[Callable[[], bytes], str]] = {
    "webp_length_lies": (lambda: _webp(4, b"\xff\xff\xff\x7f"), EITHER),
    "webp_chunk_lies": (lambda: _webp(16, b"\xff\xff\xff\x7f"), REFUSED),
    "webp_canvas": (lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6 + bytes(8), REFUSED),
    "webp_lossless_garbage": (lambda: b"RIFF" + struct.pack("<I", 60) + b"WEBPVP8L" + struct.pack("<I", 48) + b"\x2f" + b"\xaa" * 47, REFUSED),
    "bmp_bits_3": (lambda: encoded("BMP")[:28] + b"\x03\0" + encoded("BMP")[30:], REFUSED),
    "bmp_packing_9": (lambda: encoded("BMP")[:30] + b"\x09\0\0\0" + encoded("BMP")[34:], REFUSED),
    "bmp_rle_garbage": (lambda: encoded("BMP")[:28] + b"\x08\0\x01\0\0\0" + b"\xff" * 3000, REFUSED),
    "bmp_offset": (lambda: encoded("BMP")[:10] + b"\xff\xff\xff\x7f" + encoded("BMP")[14:], REFUSED),
    "bmp_header_7": (lambda: encoded("BMP")[:14] + b"\x07\0\0\0" + encoded("BMP")[18:], REFUSED),
    "bmp_cut": (lambda: encoded("BMP")[:2000], REFUSED),
    "gif_size_0": (lambda: encoded("GIF")[:6] + bytes(4) + encoded("GIF")[10:], EITHER),
    "gif_no_frames": (lambda: encoded("GIF")[:13] + b"\x00\x00\x00;", REFUSED),
    "gif_65535": (lambda: encoded("GIF")[:6] + b"\xff" * 4 + encoded("GIF")[10:], REFUSED),
    "gif_cut": (lambda: encoded("GIF")[:-200], REFUSED),
    "ppm_comment": (lambda: b"P6\n#" + b"x" * 1_000_000, REFUSED),
    "ppm_less": (lambda: b"P6\n-64 32\n255\n" + bytes(6144), REFUSED),
    "ppm_plain": (lambda: b"P2\n64 32\n255\n" + b"7 " * 2048, ACCEPTED),
    "ppm_plain_words": (lambda: b"P2\n64 32\n255\n" + b"x " * 2048, REFUSED),
    "ppm_plain_big": (lambda: b"P2\n64 32\n255\n" + b"300 " * 2048, REFUSED),
    "pfm_nan": (lambda: b"Pf\n64 32\n-1.0\n" + struct.pack("<f", float("nan")) * 2048, REFUSED),
    "pfm_scale_0": (lambda: b"Pf\n64 32\n0\n" + bytes(8192), REFUSED),
    "pfm_scale_nan": (lambda: b"Pf\n64 32\nnan\n" + bytes(8192), REFUSED),
}  # fmt: skip
LABELS: dict[str, tuple[Callable[[], bytes], str]] = {
    "sound": (lambda: _saved(mask(2), "PNG"), ACCEPTED),
    "interlaced_ids": (_interlaced, REFUSED),
    "jpeg": (lambda: _saved(mask(2), "JPEG"), REFUSED),
    "jpeg_cmyk": (lambda: _saved(mask(2).convert("CMYK"), "JPEG"), REFUSED),
    "tiff_cmyk": (lambda: _saved(mask(2).convert("CMYK"), "TIFF"), REFUSED),
    "id_3": (lambda: _saved(Image.fromarray(np.full((32, 64), 3, np.uint8)), "PNG"), REFUSED),
    "id_70000": (lambda: _saved(Image.fromarray(np.full((32, 64), 70000, np.int32)), "TIFF"), REFUSED),
    "id_less": (lambda: _saved(Image.fromarray(np.full((32, 64), -1, np.int32)), "TIFF"), REFUSED),
    "float": (lambda: _saved(Image.fromarray(np.ones((32, 64), np.float32)), "TIFF"), REFUSED),
    "nan": (lambda: _saved(Image.fromarray(np.full((32, 64), np.nan, np.float32)), "TIFF"), REFUSED),
    "photo": (lambda: _saved(picture(1), "PNG"), REFUSED),
    "aspect": (lambda: _saved(mask(2, (64, 64)), "PNG"), REFUSED),
    "turned": (lambda: _saved(mask(2), "PNG", exif=_turn(6)), REFUSED),
    "one_pixel": (lambda: _saved(mask(2, (1, 1)), "PNG"), REFUSED),
    "stack": (lambda: _saved(mask(2), "TIFF", save_all=True, append_images=[mask(3)]), REFUSED),
    "no_label_anywhere": (lambda: _saved(Image.fromarray(np.full((32, 64), 255, np.uint8)), "PNG"), ACCEPTED),
    "bomb": (lambda: png(30000, 30000, zlib.compress(bytes(99)), 8, 0), REFUSED),
    "cut": (lambda: _saved(mask(2), "PNG")[:-30], REFUSED),
}  # fmt: skip
"""A label of a training frame, which is trained on and judged."""


def cases() -> list[Case]:
    found = []
    for form, contents in {"png": PNG, "jpeg": JPEG, "tiff": TIFF, "rest": REST}.items():
        for name, (make, expect) in contents.items():

            def prepare(folder: Path, rng: Rng, make: Callable[[], bytes] = make) -> None:
                write(folder / VICTIM, make())

            argv, needs = READ["predict"]
            found.append(
                Case(
                    f"chunks/{form}/{name}",
                    argv,
                    prepare,
                    expect,
                    needs,
                    quick=name in ("texts_large", "animated_2_31", "bits_0"),
                )
            )
    for name, (make, expect) in LABELS.items():

        def spoil(folder: Path, rng: Rng, make: Callable[[], bytes] = make) -> None:
            write(folder / "labels/002.png", make())

        argv, needs = READ["evaluate"]
        found.append(
            Case(f"chunks/labels/{name}", argv, spoil, expect, needs, ("seg_run/evaluation*",), name == "jpeg")
        )
    return found
