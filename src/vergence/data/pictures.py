"""The one place that opens pictures: which formats, how large, which way up, and plain words for whatever is wrong."""

import contextlib
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vergence.data.buckets.remote import local
from vergence.data.environment import positive
from vergence.errors import InputError

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "PPM", "GIF")
"""What may be decoded, whatever the suffix says: none of these starts another program."""
LIMIT = "VERGENCE_MAX_MEGAPIXELS"
"""Environment variable: how many million pixels a picture may have."""
DEFAULT_MEGAPIXELS = 89.0
WHITE_LEVEL = "VERGENCE_WHITE_LEVEL"
"""Environment variable: the stored value of pictures of more than 8 bits that is white, where it is not inferred."""
_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the picture upright."""
_ACROSS = (5, 6, 7, 8)
"""Orientations that swap width and height."""
_RAW_MODE, _TURNED, _INVERTED = "vergence raw mode", "vergence turned", "vergence inverted"
"""Keys of ``Image.info``."""
_SUBFILE, _NO_PAGE = 254, 0b101
"""TIFF's tag of what a page is, and its bits of a preview and of a mask."""
_MOST_PREVIEWS = 64
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_SCANS = 100
"""A progressive JPEG usually has 10: each may be a few bytes, and costs a pass over all pixels."""

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit says it in a sentence
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of tags that no pixel depends on


def open_picture(path: Path | str, draft_width: int = 0) -> Image.Image:
    """Decode a picture in its own mode, upright as its EXIF orientation says, as every viewer shows it.

    Args:
        path: a file of one of the :data:`FORMATS`.
        draft_width: a JPEG may be decoded smaller, at least so wide, which is much quicker; 0 = at full size.

    Raises:
        InputError: missing, empty, truncated, no picture of a known format, of more pixels than :data:`LIMIT` allows,
            or of several pages.
    """
    path = Path(path)
    with _in_plain_words(path), _opened(path) as image:
        if draft_width and image.format in ("JPEG", "MPO"):
            image.draft("RGB", (1, draft_width) if _orientation(image) in _ACROSS else (draft_width, 1))
        raw_mode = _raw_mode(image)
        orientation = _orientation(image) if image.format == "TIFF" else 1
        if orientation in _ACROSS:
            image.filename = ""  # else PIL maps the file into memory with width and height the wrong way round
        image.load()
        upright = image
        if image.format != "TIFF":  # PIL turns these itself, and no others
            orientation = _orientation(image)
            upright = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
        upright.format = image.format
        upright.info[_TURNED] = orientation
        upright.info[_RAW_MODE] = raw_mode
        upright.info[_INVERTED] = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        return upright


def picture_size(path: Path | str) -> tuple[int, int]:
    """(width, height) of a picture that is upright, from the file's header; InputError as of :func:`open_picture`."""
    path = Path(path)
    with _in_plain_words(path), _opened(path) as image:
        width, height = image.size
        if image.format != "TIFF" and _orientation(image, header_only=True) in _ACROSS:
            return height, width
        return width, height


def decode_bytes(data: IO[bytes], name: Path | str) -> Image.Image:
    """Decode a picture that is held in memory, made from the file ``name``; InputError as of :func:`open_picture`."""
    path = Path(name)
    with _in_plain_words(path), Image.open(data, formats=FORMATS) as image:
        _check_pixels(image, path)
        image.load()
        return image


def raw_mode(image: Image.Image) -> str:
    """How the file of a picture from :func:`open_picture` stores its pixels, as PIL names it: "RGB;16B", "L;4"."""
    return str(image.info.get(_RAW_MODE, ""))


def is_inverted(image: Image.Image) -> bool:
    """Whether 0 is white in a TIFF, which PIL heeds in pictures of 8 bits and fewer only."""
    return bool(image.info.get(_INVERTED, False))


def header_modes(path: Path | str) -> tuple[str, str]:
    """PIL's mode and raw mode (:func:`raw_mode`) of a file, without decoding it; InputError as :func:`open_picture`."""
    path = Path(path)
    with _in_plain_words(path), _opened(path) as image:
        return image.mode, _raw_mode(image)


def turned_like(image: Image.Image, stored: NDArray[Any]) -> NDArray[Any]:
    """Pixels (H, W, ...) as the file stores them, upright as a picture of it from :func:`open_picture`."""
    orientation = image.info.get(_TURNED, 1)
    pixels = stored.swapaxes(0, 1) if orientation in _ACROSS else stored
    pixels = pixels[::-1] if orientation in (3, 4, 7, 8) else pixels
    return np.ascontiguousarray(pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels)


def bits(image: Image.Image) -> int:
    """Bits of a channel in the file of a picture from :func:`open_picture`."""
    if image.mode == "1":
        return 1
    match = re.search(r";(\d+)", raw_mode(image))
    return int(match[1]) if match else 8


def is_lossy(image: Image.Image, path: Path | str) -> bool:
    """Whether the file of a picture from :func:`open_picture` was compressed in a way that changes its values."""
    if image.format == "WEBP":
        return _has_lossy_chunk(Path(path))
    return image.format in ("JPEG", "MPO") or "jpeg" in str(image.info.get("compression", ""))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A picture whose header has been read and found to be in order."""
    path = local(path)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    if not stat.S_ISREG(mode):  # a pipe would be waited for without end
        raise InputError(f"{path} is no regular file, expected an image file; correct the manifest.")
    limit = most_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and limit > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limit  # the user wants larger pictures than PIL opens without complaint
    with Image.open(path, formats=FORMATS) as image:
        _check_pixels(image, path)
        _check_single(image, path)
        if image.format == "PNG":
            _check_one_header(image, path)
        if image.info.get("progressive") and path.read_bytes().count(b"\xff\xda") > _MOST_SCANS:
            raise InputError(f"{path} is a JPEG of more than {_MOST_SCANS} scans, as no program writes; save it again.")
        yield image


def _raw_mode(image: Any) -> str:
    mode = image.tile[0][3] if image.tile else ""
    mode = mode[0] if isinstance(mode, tuple) and mode else mode
    return mode if isinstance(mode, str) else ""


def most_pixels() -> int:
    """How many pixels a picture, a frame of a video or a sparse map may have: :data:`LIMIT`."""
    remedy = "give a number of million pixels greater than 0, such as 200."
    return round(positive(LIMIT, DEFAULT_MEGAPIXELS, 1e6, remedy) * 1e6)


def _check_pixels(image: Image.Image, path: Path) -> None:
    if image.width * image.height > most_pixels():
        raise InputError(
            f"{path} is {image.width}x{image.height}, more than {most_pixels() / 1e6:g} million pixels; make it "
            f"smaller, or set {LIMIT} to what a picture may have."
        )


def _check_one_header(image: Image.Image, path: Path) -> None:
    """InputError where a later header of a PNG file says another size than the first, which decoders let it."""
    with path.open("rb") as file:
        header_size = struct.unpack(">II", file.read(24)[16:])
    if header_size != image.size:
        sizes = f"of {header_size[0]}x{header_size[1]} and {image.width}x{image.height}"
        raise InputError(f"{path} has two headers, {sizes}; save it again.")


def _check_single(image: Any, path: Path) -> None:
    """InputError where a file holds several pictures; previews in a TIFF and what cameras add to a JPEG are none."""
    if not getattr(image, "is_animated", False) or image.format == "MPO":
        return
    if image.format == "TIFF":
        pages = 0
        for page in range(1, _MOST_PREVIEWS):
            try:
                image.seek(page)
            except EOFError:
                break
            pages += not int(image.tag_v2.get(_SUBFILE, 0)) & _NO_PAGE
        image.seek(0)
        if not pages:
            return
    raise InputError(
        f"{path} holds {getattr(image, 'n_frames', 'several')} pictures, of which one would be taken; save each as a "
        "file of its own in one folder, or all as a video."
    )


def _orientation(image: Any, header_only: bool = False) -> int:
    """1 to 8. Of a PNG it may come after the pixels, which ``header_only`` spares decoding where it does not."""
    if header_only and image.format == "PNG":
        if not _may_be_turned(image):
            return 1
        image.load()
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # an EXIF block that cannot be read turns nothing, in viewers neither
        return 1
    return value if isinstance(value, int) else 1


def _may_be_turned(image: Any) -> bool:
    """Whether a PNG has something in front of its pixels, or behind them, that could hold an orientation."""
    if any(key in image.info for key in ("exif", "Raw profile type exif", "XML:com.adobe.xmp")):
        return True
    seen_pixels = False
    with Path(image.filename).open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if seen_pixels and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            seen_pixels = seen_pixels or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
    return False


def _has_lossy_chunk(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, length = struct.unpack("<4sI", head)
            if kind == b"VP8 ":
                return True
            file.seek(length + length % 2, os.SEEK_CUR)
    return False


def _what_it_is(path: Path) -> str:
    """What a file that is no picture is instead, and what to do."""
    with path.open("rb") as file:
        head = file.read(64)
    kind = next((name for start, name in _NOT_READ.items() if re.match(start, head, re.DOTALL)), "")
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, the picture itself is not here; run git lfs pull"
    return f"is {kind or 'no image that can be read' if head else 'empty'}; give a PNG or JPEG file"


_NOT_READ = {
    b"....ftyp(heic|heix|hevc|mif1|msf1)": "a HEIC picture, which is not read",
    b"....ftypavi": "an AVIF picture, which is not read",
    b"....jP  |\xff\x4f\xff\x51": "a JPEG 2000 picture, which is not read",
    b"(II\\*\0|MM\0\\*|II\\+\0|MM\0\\+)": "a TIFF of a kind that is not read, such as colours in floating point",
    rb"\s*<": "a web page or XML, no picture",
    b"%PDF": "a PDF file, no picture",
}
"""Start of a file -> what it is, where users take it for a picture."""


@contextlib.contextmanager
def _in_plain_words(path: Path) -> Iterator[None]:
    """Every way in which a decoder fails becomes one sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; correct the manifest or put the file there.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, expected an image file; correct the manifest.") from None
    except PermissionError:
        raise InputError(f"{path} may not be read; change its permissions.") from None
    except UnidentifiedImageError:
        raise InputError(f"{path} {_what_it_is(path)}, or take its row out of the manifest.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{path} has more than {most_pixels() / 1e6:g} million pixels; make it smaller, or set {LIMIT} to what a "
            "picture may have."
        ) from None
    except Exception as error:  # decoders meet hostile bytes with every kind of exception there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is damaged or truncated ({reason}); copy it again or take its row out.") from error


def is_whole_png(path: Path | str) -> bool:
    """Whether a file is there, a PNG to its last part, and every part has the checksum it says (PNG 1.2, 3.4).

    Decoders do not look at all of these checksums.
    """
    try:
        content = memoryview(Path(path).read_bytes())
    except OSError:
        return False
    if content[:8] != _PNG_SIGNATURE:
        return False
    offset = 8
    while offset + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, offset)
        end = offset + 8 + length
        if end + 4 > len(content) or struct.unpack_from(">I", content, end)[0] != zlib.crc32(content[offset + 4 : end]):
            return False
        if content[offset + 4 : offset + 8] == b"IEND":
            return end + 4 == len(content)
        offset = end + 4
    return False
