import math
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.video_files import write_video
from vergence.data.layouts import resolve_input
from vergence.data.videos.video import VideoOptions, decode_video, read_video
from vergence.errors import InputError


def turn(path, matrix):
    """Overwrite the display matrix in the track header of an MP4 file."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0 box: flags, times, track, duration, reserved, layer ... matrix
    data[start : start + 36] = b"".join(int(value).to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(bytes(data))


def test_frames_in_order_at_working_width(tmp_path):
    decoded = decode_video(
        write_video(tmp_path / "a.mp4"), tmp_path / "out", VideoOptions(width=32, image_format="png")
    )
    assert (decoded.frames, decoded.width, decoded.height, decoded.fps) == (12, 32, 16, 10)
    levels = [np.asarray(Image.open(decoded.folder / f"{k:06d}.png"))[1].mean() for k in range(12)]
    np.testing.assert_allclose(levels, 20.0 * np.arange(12), atol=4)


def test_never_enlarged(tmp_path):
    assert decode_video(write_video(tmp_path / "a.mp4"), options=VideoOptions(width=640)).width == 64
    assert decode_video(tmp_path / "a.mp4", tmp_path / "b", VideoOptions(width=0)).width == 64


@pytest.mark.parametrize(
    ("options", "frames", "fps"), [({"stride": 3}, 4, 10 / 3), ({"fps": 5}, 6, 5), ({"fps": 100.0}, 12, 10)]
)
def test_stride_and_rate(tmp_path, options, frames, fps):
    decoded = decode_video(write_video(tmp_path / "a.mp4"), options=VideoOptions(**options))
    assert decoded.frames == frames
    assert decoded.fps == pytest.approx(fps)


@pytest.mark.parametrize(
    ("matrix", "size", "red_at"),
    [
        ((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), (32, 64), "top"),  # shown 90 degrees clockwise
        ((0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30), (32, 64), "bottom"),
        ((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), (64, 32), "right"),
        ((-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), (64, 32), "right"),  # mirrored, as front cameras do
        ((65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), (64, 32), "left"),  # upside down, not turned
        ((0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30), (32, 64), "top"),  # mirrored along the diagonal
    ],
)
def test_rotation_metadata_is_applied(tmp_path, matrix, size, red_at):
    path = write_video(tmp_path / "phone.mp4")
    turn(path, matrix)
    image, _ = next(read_video(path))
    assert image.size == size
    pixels = np.asarray(image).astype(int)
    redness = pixels[..., 0] - pixels[..., 2]
    half = {
        "top": redness[: size[1] // 2],
        "bottom": redness[size[1] // 2 :],
        "right": redness[:, size[0] // 2 :],
        "left": redness[:, : size[0] // 2],
    }[red_at]
    assert half.mean() > 40


def test_pixels_are_made_square(tmp_path):
    image, _ = next(read_video(write_video(tmp_path / "a.mp4", aspect=Fraction(4, 3)), VideoOptions(width=0)))
    assert image.size == (85, 32)


def test_second_call_reuses_the_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    first = decode_video(path)
    stamp = (first.folder / "000003.jpg").stat().st_mtime_ns
    assert decode_video(path) == first
    assert (first.folder / "000003.jpg").stat().st_mtime_ns == stamp


def test_another_file_or_other_options_do_not_reuse(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    first = decode_video(path)
    other = decode_video(path, options=VideoOptions(stride=2))
    assert other.folder != first.folder
    write_video(path, frames=7)
    assert decode_video(path).frames == 7


def test_folder_that_lost_frames_is_not_reused(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    first = decode_video(path)
    (first.folder / "000011.jpg").unlink()
    assert decode_video(path).folder != first.folder


def test_nothing_is_left_after_a_failure(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=40, faststart=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cut off"):
        decode_video(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_truncated_file_can_be_used_when_asked(tmp_path):
    path = write_video(tmp_path / "a.mp4", frames=40, faststart=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    decoded = decode_video(path, options=VideoOptions(allow_truncated=True))
    assert 2 <= decoded.frames < 40


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_unreadable_files(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4 (is empty|cannot be read as a video)"):
        resolve_input(tmp_path / "a.mp4")
    assert len(list(tmp_path.iterdir())) == 1


def test_header_cut_off(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be read as a video"):
        decode_video(path)


def test_one_frame_video(tmp_path):
    with pytest.raises(InputError, match="1 frame"):
        decode_video(write_video(tmp_path / "a.mp4", frames=1))


def test_missing_video_and_bad_options(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        decode_video(tmp_path / "a.mp4")
    for options in ({"stride": 0}, {"width": -1}, {"fps": math.nan}, {"fps": 0}, {"image_format": "gif"}):
        with pytest.raises(InputError, match="video"):
            VideoOptions(**options)


def test_frame_size_that_changes_is_refused(tmp_path, monkeypatch):
    frames = [(Image.new("RGB", size), k) for k, size in enumerate(((64, 32), (64, 32), (32, 64)))]
    monkeypatch.setattr("vergence.data.videos.video.read_video", lambda path, options: iter(frames))
    with pytest.raises(InputError, match="from 64x32 to 32x64 at frame 2"):
        decode_video(write_video(tmp_path / "a.mp4"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    path = write_video(tmp_path / "a.mp4")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(InputError, match="No space left on device"):
        decode_video(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_folder_in_use_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="already holds something else"):
        decode_video(path, tmp_path / "out")


def test_read_only_folder_falls_back_to_the_cache(tmp_path, monkeypatch):
    (tmp_path / "films").mkdir()
    path = write_video(tmp_path / "films" / "a.mp4")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path / "films" and allowed(place, mode))
    assert decode_video(path).folder.is_relative_to(tmp_path / "cache")


def write_timed(path, milliseconds, codec="libx264"):
    """A film whose frames are shown at these times; the grey level of each is 4 times its number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(milliseconds):
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 4 * number % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def first_levels(decoded):
    paths = [decoded.folder / f"{k:06d}.jpg" for k in decoded.positions]
    return [round(float(np.asarray(Image.open(path)).mean()) / 4) for path in paths]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_time_decides_which_frames_are_neighbours(tmp_path, suffix):
    """40 ms apart, with a pause of 2 s, a jitter of a few ms and one frame right after another."""
    times = [0, 40, 82, 118, 160, 2160, 2200, 2205, 2240, 2280]
    decoded = decode_video(write_timed(tmp_path / f"phone.{suffix}", times))
    assert decoded.positions == (0, 1, 2, 3, 4, 54, 55, 56, 57)
    assert decoded.fps == pytest.approx(25)
    assert first_levels(decoded) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert decode_video(tmp_path / f"phone.{suffix}") == decoded  # as read from the record
    manifest = resolve_input(tmp_path / f"phone.{suffix}")
    assert [manifest.neighbour(k, 1) for k in (3, 4, 5)] == [4, None, 6]


def test_thirds_of_milliseconds_do_not_drift(tmp_path):
    times = [round(k * 1000 / 30) for k in range(120)]
    decoded = decode_video(write_timed(tmp_path / "a.mkv", times))
    assert decoded.positions == tuple(range(120))
    assert decoded.fps == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("cadence", [(33, 50), (50, 33), (24, 56), (56, 24)])
def test_long_and_short_steps_that_take_turns_are_one_rate(tmp_path, cadence):
    """Film shown at 60 Hz, and telephones: no frame is left out, and all are neighbours."""
    times = np.cumsum([0, *(cadence * 10)][:20]).tolist()
    decoded = decode_video(write_timed(tmp_path / "a.mkv", times))
    assert decoded.positions == tuple(range(20))
    assert decoded.fps == pytest.approx(2000 / sum(cadence), rel=0.02)


def test_bursts_are_counted_at_the_rate_within_them(tmp_path):
    times = [1000 * k + 40 * j for k in range(4) for j in range(3)]
    decoded = decode_video(write_timed(tmp_path / "a.mkv", times))
    assert decoded.positions == tuple(25 * k + j for k in range(4) for j in range(3))


def test_stride_is_a_step_in_time(tmp_path):
    times = [0, 40, 80, 120, 160, 200, 320, 360, 400, 440]  # frames 6 and 7 were not recorded
    decoded = decode_video(write_timed(tmp_path / "a.mkv", times), options=VideoOptions(stride=3))
    assert decoded.positions == (0, 1, 3)  # at 0, 120, (240) and 360 ms
    assert first_levels(decoded) == [0, 3, 7]


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4"])
def test_half_a_file_is_noticed(tmp_path, suffix):
    path = write_timed(tmp_path / f"a.{suffix}", range(0, 4000, 40), "libvpx-vp9" if suffix == "webm" else "libx264")
    if suffix == "mp4":
        write_video(path, frames=100, faststart=True)
    assert decode_video(path, tmp_path / "whole").frames == 100
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(
        InputError, match=rf"a\.{suffix} is damaged or cut off: only \d+ of about \d+ .*--allow_truncated true"
    ):
        decode_video(path, tmp_path / "half")
    with pytest.raises(InputError, match="cut off"):
        resolve_input(path)
    assert 40 < len(resolve_input(path, allow_truncated=True)) < 80


@pytest.mark.parametrize(("codec", "suffix"), [("libx265", "hevc"), ("libx265", "h265"), ("libx264", "264")])
def test_raw_streams_of_a_codec(tmp_path, codec, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w", format="hevc" if codec == "libx265" else "h264") as container:
        stream = container.add_stream(codec, rate=20, options={"x265-params": "log-level=none"} if "5" in codec else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            picture = np.full((48, 64, 3), 4 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    manifest = resolve_input(path)
    assert [row.position for row in manifest] == list(range(8))
    assert manifest[0].fps == pytest.approx(20)
    assert first_levels(decode_video(path)) == list(range(8))


def test_a_video_without_a_frame_is_refused_whatever_is_allowed(tmp_path):
    path = write_timed(tmp_path / "a.mkv", range(0, 120, 40), "libx264")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])  # behind the header, in front of the end of the first frame
    with pytest.raises(InputError, match="has no frame that can be read"):
        list(read_video(path, VideoOptions(allow_truncated=True)))


def test_a_video_that_begins_late_is_whole_and_half_of_it_is_not(tmp_path):
    """Recordings of a stream keep its time: Matroska then states when the last frame is, not how long it takes."""
    path = write_timed(tmp_path / "late.mkv", range(60_000, 64_000, 40))
    decoded = decode_video(path, tmp_path / "whole")
    assert decoded.positions == tuple(range(100))
    assert decoded.fps == pytest.approx(25)
    early = write_timed(tmp_path / "early.mkv", range(1000, 5000, 40))
    for cut in (path, early):
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(InputError, match="is damaged or cut off"):
        decode_video(early, tmp_path / "half")


@pytest.mark.parametrize(
    ("options", "colours", "said"),
    [
        ({"flags": "+ilme+ildct"}, 1, "a.mkv is interlaced: each frame has lines of two moments"),
        ({}, 18, "a.mkv is of high dynamic range (HLG)"),
        ({}, 16, "a.mkv is of high dynamic range (PQ)"),
        ({}, 1, ""),
    ],
)
def test_what_players_undo_is_told_once(tmp_path, caplog, options, colours, said):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video" if options else "libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.color_trc = colours
        for number in range(6):
            picture = np.full((32, 64, 3), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.color_trc = colours
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for _ in range(2):
        assert len(list(read_video(path))) == 6
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == bool(said)
    assert all(message.startswith(said) for message in messages)
