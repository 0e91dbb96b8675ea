"""Files that end before their own structure says so."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from vergence.data.videos.video import VideoOptions, read_video
from vergence.data.videos.video_ends import ends_early, stated_seconds
from vergence.errors import InputError

MP4, FRAMES = "mov,mp4,m4a,3gp,3g2,mj2", 40


def film(path: Path, **options: str) -> bytes:
    """A noisy film of four seconds, of a key frame each second."""
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.options = (
            64,
            32,
            "yuv420p",
            {"g": "10", "sc_threshold": "0"},
        )
        for _ in range(FRAMES):
            picture = noise.integers(0, 255, (32, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def count(path: Path, **options: bool) -> int:
    return len(list(read_video(path, VideoOptions(**options))))


def fragments(content: bytes) -> list[int]:
    """Where each moof begins."""
    starts, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        starts += [at] if content[at + 4 : at + 8] == b"moof" else []
        at += size
    return starts


def with_mehd(content: bytes, units: int) -> bytes:
    """The file whose header states the length of all fragments, in thousandths of a second."""
    for box, more in ((b"moov", 16), (b"mvex", 16)):
        at = content.index(box) - 4
        content = (
            content[:at] + struct.pack(">I", int.from_bytes(content[at : at + 4], "big") + more) + content[at + 4 :]
        )
    at = content.index(b"mvex") + 4
    return content[:at] + struct.pack(">I4sII", 16, b"mehd", 0, units) + content[at:]


FLAGS = "frag_keyframe+empty_moov+default_base_moof"


@pytest.mark.parametrize("cut", ["part", "head"])
def test_a_fragmented_film_that_ends_within_a_part(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.mp4"
    content = film(path, movflags=FLAGS)
    assert count(path) == FRAMES
    assert (ends_early(path, MP4), stated_seconds(path, MP4)) == ("", 0.0)
    begin = fragments(content)[2]
    path.write_bytes(content[: begin + (4 if cut == "head" else -300)])
    assert "beyond the end" in ends_early(path, MP4) if cut == "part" else "within the head" in ends_early(path, MP4)
    with pytest.raises(InputError, match=r"a\.mp4 is damaged or cut off: .*copy it again, or say allow_truncated"):
        count(path)
    assert 10 <= count(path, allow_truncated=True) <= 20


def test_an_index_tells_of_fragments_that_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    content = film(path, movflags=f"{FLAGS}+dash+global_sidx")
    assert b"sidx" in content
    assert count(path) == FRAMES
    path.write_bytes(content[: fragments(content)[2]])
    with pytest.raises(InputError, match=r"a\.mp4 is damaged or cut off"):
        count(path)
    assert "its index goes" in ends_early(path, MP4)
    assert count(path, allow_truncated=True) == 20


def test_a_header_tells_the_length_of_all_fragments(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    content = film(path, movflags=FLAGS)
    path.write_bytes(content[: fragments(content)[2]])
    assert count(path) == 20  # nothing says that there were more
    path.write_bytes(with_mehd(content, 4000))
    assert stated_seconds(path, MP4) == 4
    assert count(path) == FRAMES
    path.write_bytes(with_mehd(content[: fragments(content)[2]], 4000))
    with pytest.raises(InputError, match=r"cut off: only 20 of about 40 frames can be read"):
        count(path)


@pytest.mark.parametrize("whole_packets", [False, True])
def test_half_a_transport_stream(tmp_path: Path, whole_packets: bool) -> None:
    path = tmp_path / "a.ts"
    content = film(path)
    assert count(path) == FRAMES
    cut = len(content) // 2 // 188 * 188
    path.write_bytes(content[: cut if whole_packets else cut + 70])
    said = "its last frame is not whole" if whole_packets else "it ends within a packet"
    with pytest.raises(InputError, match=rf"cut off: {said}, \d+ frames can be read; copy it again, or say allow_tr"):
        count(path)
    assert 15 < count(path, allow_truncated=True) < 25


@pytest.mark.parametrize(("step", "before"), [(188, 0), (192, 4), (204, 0)])
@pytest.mark.parametrize("skipped", [0, 50])
def test_packets_of_any_form(tmp_path: Path, step: int, before: int, skipped: int) -> None:
    packet = bytes(before) + b"\x47" + bytes(step - before - 1)
    path = tmp_path / "a"
    path.write_bytes((packet * 20)[skipped:])
    assert ends_early(path, "mpegts") == ""
    path.write_bytes((packet * 20)[skipped:-3])
    assert ends_early(path, "mpegts") == "it ends within a packet"


@pytest.mark.parametrize("content", [b"", b"1234567", b"no video" * 9, struct.pack(">I4s", 9, b"odd!") + bytes(3)])
def test_what_is_of_no_known_form_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert [ends_early(path, name) for name in (MP4, "mpegts", "avi")] == ["", "", ""]
    assert stated_seconds(path, MP4) == 0
