"""Videos that are right but odd, or empty; arrays of every type and order; sparse depth whose places lie."""

import io
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.damage import Rng, write
from tests.fuzz.harness import ACCEPTED, REFUSED, Case
from tests.fuzz.inputs.media import VIDEO, npy, saved
from tests.fuzz.inputs.media import WRITES as VIDEO_WRITES
from tests.fuzz.world import picture


def film(
    path: Path,
    sizes: list[tuple[int, int]],
    codec: str = "mpeg4",
    rate: int = 10,
    aspect: Fraction | None = None,
    times: Callable[[int], int] | None = None,
    form: str | None = None,
) -> None:
    """Frames of the given sizes; the stream has that of the first."""
    import av

    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = sizes[0] if sizes else (64, 32)
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24" if codec == "png" else "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number, size in enumerate(sizes):
            frame = av.VideoFrame.from_image(picture(number, size))
            frame.pts, frame.time_base = number, Fraction(1, rate)
            for packet in stream.encode(frame):
                if times is not None:
                    packet.pts = packet.dts = times(number)
                    packet.time_base = Fraction(1, rate)
                container.mux(packet)
        container.mux(stream.encode())


def sound_only(path: Path) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def matrix(path: Path, numbers: tuple[int, ...]) -> None:
    """A film whose track is turned by a matrix of 9 numbers (16.16, the last column 2.30)."""
    film(path, [(64, 32)] * 8)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"tkhd") + 4 + 40
    data[place : place + 36] = b"".join(int(number).to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)


ONE, W = 1 << 16, 1 << 30
FILMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "sound": (lambda path: film(path, [(64, 32)] * 8), ACCEPTED),
    "no_frames": (lambda path: film(path, []), REFUSED),
    "one_frame": (lambda path: film(path, [(64, 32)]), REFUSED),
    "odd_size": (lambda path: film(path, [(63, 31)] * 8, "png", form="mov"), ACCEPTED),
    "tiny": (lambda path: film(path, [(2, 2)] * 8), ACCEPTED),
    "audio": (sound_only, REFUSED),
    "turned_90": (lambda path: matrix(path, (0, ONE, 0, -ONE, 0, 0, 32 * ONE, 0, W)), ACCEPTED),
    "matrix_zeros": (lambda path: matrix(path, (0,) * 9), ACCEPTED),
    "matrix_huge": (lambda path: matrix(path, (2**31 - 1,) * 9), ACCEPTED),
    "matrix_45": (lambda path: matrix(path, (46341, 46341, 0, -46341, 46341, 0, 0, 0, W)), ACCEPTED),
    "aspect_10000": (lambda path: _aspect(path, 10000, 1), REFUSED),
    "aspect_less": (lambda path: _aspect(path, 1, 10000), REFUSED),
    "aspect_0": (lambda path: _aspect(path, 0, 0), ACCEPTED),
    "aspect_2": (lambda path: _aspect(path, 2, 1), ACCEPTED),
    "size_changes": (lambda path: _joined(path, (64, 32), (48, 32)), REFUSED),
    "same_time": (lambda path: film(path, [(64, 32)] * 8, "mjpeg", times=lambda n: n // 7, form="matroska"), ACCEPTED),
    "years_apart": (lambda path: film(path, [(64, 32)] * 8, "mjpeg", times=lambda n: n * 10**9, form="matroska"), ACCEPTED),
    "one_pause": (lambda path: film(path, [(64, 32)] * 8, "mjpeg", times=lambda n: n + (n > 4) * 10**7, form="matroska"), ACCEPTED),
    "gif": (lambda path: _gif(path), ACCEPTED),
    "raw": (lambda path: film(path, [(64, 32)] * 8, "mjpeg", form="mjpeg"), ACCEPTED),
    "huge_frames": (lambda path: _large(path), REFUSED),
}  # fmt: skip


def _aspect(path: Path, across: int, down: int) -> None:
    """A film whose pixels are said to be so wide and high."""
    film(path, [(64, 32)] * 8, aspect=Fraction(3, 2))
    data = bytearray(path.read_bytes())
    place = data.index(b"pasp") + 4
    data[place : place + 8] = across.to_bytes(4, "big") + down.to_bytes(4, "big")
    path.write_bytes(data)


def _joined(path: Path, *sizes: tuple[int, int]) -> None:
    """Raw streams one behind the other: the size changes in between."""
    content = b""
    for size in sizes:
        film(path, [size] * 4, "mjpeg", form="mjpeg")
        content += path.read_bytes()
    path.write_bytes(content)


def _gif(path: Path) -> None:
    picture(0).save(path, "GIF", save_all=True, append_images=[picture(number) for number in range(1, 5)])


def _large(path: Path) -> None:
    """Two frames of 144 million pixels, of one colour, in a few kilobytes."""
    import av

    file = io.BytesIO()
    Image.new("1", (12000, 12000)).save(file, "PNG")
    with av.open(str(path), "w", format="mov") as container:
        stream: Any = container.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 12000, 12000, "monob"
        for number in range(4):
            packet = av.Packet(file.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            packet.is_keyframe = True
            container.mux(packet)


def films() -> list[Case]:
    found = []
    for verb, argv in VIDEO.items():
        for name, (make, expect) in FILMS.items():
            words = [word.replace("{}", "theirs.mp4") for word in argv]
            expect = ACCEPTED if (verb, name) == ("predict", "one_frame") else expect  # a picture is enough
            edit = lambda folder, rng, make=make: make(folder / "theirs.mp4")
            found.append(Case(f"films/{verb}/{name}", words, edit, expect, ("depth_run",), VIDEO_WRITES))
    return found


DEPTH = np.linspace(1, 50, 32 * 64, dtype=np.float32).reshape(32, 64)
ARRAYS: dict[str, tuple[Callable[[], bytes], str]] = {
    "sound": (lambda: saved(DEPTH), ACCEPTED),
    "by_columns": (lambda: saved(np.asfortranarray(DEPTH)), ACCEPTED),
    "big_endian": (lambda: saved(DEPTH.astype(">f4")), ACCEPTED),
    "doubles": (lambda: saved(DEPTH.astype(np.float64)), ACCEPTED),
    "halves": (lambda: saved(DEPTH.astype(np.float16)), ACCEPTED),
    "bytes": (lambda: saved(DEPTH.astype(np.uint8)), ACCEPTED),
    "truths": (lambda: saved(DEPTH > 5), REFUSED),
    "nan": (lambda: saved(np.full_like(DEPTH, np.nan)), REFUSED),
    "inf": (lambda: saved(np.full_like(DEPTH, np.inf)), REFUSED),
    "less": (lambda: saved(-DEPTH), REFUSED),
    "zeros": (lambda: saved(np.zeros_like(DEPTH)), REFUSED),
    "huge": (lambda: saved(np.full_like(DEPTH, 3e38)), REFUSED),
    "some_nan": (lambda: saved(np.where(DEPTH > 9, DEPTH, np.nan)), ACCEPTED),
    "fields": (lambda: saved(np.zeros((32, 64), dtype=[("a", "f4"), ("b", "O")])), REFUSED),
    "plain_fields": (lambda: saved(np.zeros((32, 64), dtype=[("a", "f4"), ("b", "i4")])), REFUSED),
    "four_axes": (lambda: saved(DEPTH[None, None]), REFUSED),
    "turned": (lambda: saved(DEPTH.T.copy()), REFUSED),
    "one_value": (lambda: saved(DEPTH[:1, :1]), REFUSED),
    "dates": (lambda: saved(np.zeros((32, 64), "M8[D]")), REFUSED),
    "version_9": (lambda: b"\x93NUMPY\x09\x00" + saved(DEPTH)[8:], REFUSED),
    "head_of_4_gb": (lambda: b"\x93NUMPY\x02\x00" + b"\xff\xff\xff\x7f" + saved(DEPTH)[10:], REFUSED),
    "one_byte_more": (lambda: saved(DEPTH) + b"x", REFUSED),
    "shape_of_truths": (lambda: npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True, 16)}\n"), REFUSED),
    "shape_wraps": (lambda: npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}\n"), REFUSED),
    "key_twice": (lambda: npy("{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (4, 4)}\n"), REFUSED),
}  # fmt: skip


def sparse(**changes: Any) -> bytes:
    held = {"index": np.arange(2048), "depth": DEPTH.ravel(), "shape": np.array([32, 64]), **changes}
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in held.items() if value is not None})
    return file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


SPARSE: dict[str, tuple[Callable[[], bytes], str]] = {
    "sound": (sparse, ACCEPTED),
    "no_shape": (lambda: sparse(shape=None), REFUSED),
    "no_index": (lambda: sparse(index=None), REFUSED),
    "shape_3": (lambda: sparse(shape=np.array([32, 64, 1])), REFUSED),
    "shape_less": (lambda: sparse(shape=np.array([-32, -64])), REFUSED),
    "shape_huge": (lambda: sparse(shape=np.array([10**6, 10**6])), REFUSED),
    "shape_wraps": (lambda: sparse(shape=np.array([2**40, 2**40])), REFUSED),
    "shape_float": (lambda: sparse(shape=np.array([32.5, 64])), REFUSED),
    "shape_nan": (lambda: sparse(shape=np.array([np.nan, 64])), REFUSED),
    "shape_text": (lambda: sparse(shape=np.array(["a", "b"])), REFUSED),
    "shape_0": (lambda: sparse(shape=np.array([0, 0])), REFUSED),
    "index_less": (lambda: sparse(index=np.arange(2048) - 2048), REFUSED),
    "index_outside": (lambda: sparse(index=np.arange(2048) + 1), REFUSED),
    "index_float": (lambda: sparse(index=np.arange(2048) + 0.5), REFUSED),
    "index_twice": (lambda: sparse(index=np.zeros(2048, int)), REFUSED),
    "index_short": (lambda: sparse(index=np.arange(7)), REFUSED),
    "index_flags": (lambda: sparse(index=np.ones(2048, bool)), REFUSED),
    "depth_text": (lambda: sparse(depth=np.array(["a"] * 2048)), REFUSED),
    "depth_one": (lambda: sparse(depth=np.float32(5)), REFUSED),
    "depth_complex": (lambda: sparse(depth=DEPTH.ravel().astype(np.complex64)), REFUSED),
    "depth_nan": (lambda: sparse(depth=np.full(2048, np.nan)), REFUSED),
    "objects": (lambda: sparse(depth=np.array([{"a": 1}] * 2048, dtype=object)), REFUSED),
    "nothing": (lambda: packed({}), REFUSED),
    "outside": (lambda: packed({"../../evil.npy": saved(DEPTH), "index.npy": saved(np.arange(3))}), REFUSED),
    "text_member": (lambda: packed({"index": b"text", "depth.npy": saved(DEPTH), "shape.npy": b"\x93NUMPY"}), REFUSED),
}  # fmt: skip


def arrays() -> list[Case]:
    found = []
    argv = ("evaluate", "depth_run", "--data", "manifest.csv", "--split", "train")
    needs = ("frames", "labels", "depth", "manifest.csv", "depth_run")
    for suffix, contents in (("npy", ARRAYS), ("npz", SPARSE)):
        for name, (make, expect) in contents.items():

            def edit(folder: Path, rng: Rng, make: Callable[[], bytes] = make, suffix: str = suffix) -> None:
                """The only depth that is judged is this one."""
                for number in range(4):
                    (folder / f"depth/{number:03d}.npy").unlink()
                write(folder / f"depth/001.{suffix}", make())
                text = (folder / "manifest.csv").read_text().replace("depth/001.npy", f"depth/001.{suffix}")
                for number in (0, 2, 3):
                    text = text.replace(f"depth/{number:03d}.npy", "")
                write(folder / "manifest.csv", text)

            found.append(
                Case(
                    f"arrays/{suffix}/{name}",
                    argv,
                    edit,
                    expect,
                    needs,
                    ("depth_run/evaluation*",),
                    name == "index_less",
                )
            )
    return found


def cases() -> list[Case]:
    return [*films(), *arrays()]
