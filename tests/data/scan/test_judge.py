"""What is said of films whose camera travels, stands, turns, or that are spoiled."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.data.scan.films import HEIGHT, WIDTH, film, only, texture, travelling, view
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.scan import adapted, scan
from vergence.data.scan.judge import suitable_step
from vergence.errors import InputError

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_travelling_camera_is_good(tmp_path):
    report = scan(film(tmp_path / "drive", travelling()))
    found = only(report)
    assert (found.verdict, found.step, found.frames, found.pairs) == ("good", 1, 40, 39)
    assert found.motion == pytest.approx(2 / WIDTH, rel=0.6)
    assert found.colour
    assert report.usable


def test_static_camera_is_poor(tmp_path):
    picture, generator = texture(), np.random.default_rng(0)

    def noisy():
        pixels = np.asarray(view(picture, 20), float)
        return Image.fromarray(np.clip(pixels + generator.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8))

    report = scan(film(tmp_path / "stand", [noisy() for _ in range(30)]))
    found = only(report)
    assert found.verdict == "poor"
    assert found.has("static")
    assert found.static_share == 1
    assert not found.has("duplicates")
    assert not report.usable
    assert "None of the 1 sequence" in report.summary()
    with pytest.raises(InputError, match="None of the 1"):
        adapted(resolve_input(tmp_path / "stand"), report)


def test_stop_in_the_middle_is_located(tmp_path):
    frames = list(travelling(30))
    frames = frames[:15] + [frames[15]] * 12 + frames[16:]
    found = only(scan(film(tmp_path / "stop", frames)))
    assert found.verdict == "usable"
    assert found.standing == ((15, 26),)
    static = next(finding for finding in found.findings if finding.kind == "static")
    assert "from 000015 to 000026" in static.text


def test_slow_camera_wants_a_larger_step(tmp_path):
    found = only(scan(film(tmp_path / "slow", travelling(30, speed=0.5))))
    assert found.has("slow")
    assert 2 <= found.step <= 5
    assert f"[-{found.step}, {found.step}]" in found.findings[0].text + found.findings[-1].text


def test_turning_camera_shows_no_depth(tmp_path):
    found = only(scan(film(tmp_path / "turn", [view(texture(), 4.0 * k, 10) for k in range(35)])))
    assert found.has("rotation")
    assert found.verdict == "poor"


def test_a_sequence_that_cannot_be_read_is_not_grey(tmp_path):
    """It counts neither as grey nor as in colour, and its colour is unknown."""

    for last, colours, said in (
        ("RGB", [True, None, True], []),
        ("L", [True, None, False], ["1 of 2 sequences are grey"]),
    ):
        for name, mode in (("a", "RGB"), ("b", "RGB"), ("c", last)):
            film(tmp_path / last / name, [frame.convert(mode) for frame in travelling(12)])
        manifest = resolve_input(tmp_path / last, split=False)
        for path in (tmp_path / last / "b").iterdir():
            path.write_bytes(b"no picture")
        report = scan(manifest)
        assert [one.colour for one in report.sequences] == colours
        assert [one.text.partition(" and")[0] for one in report.findings if one.level == "note"] == said


def test_too_fast_and_cuts(tmp_path):
    fast = only(scan(film(tmp_path / "fast", [view(texture(seed=k), 0) for k in range(12)])))
    assert fast.has("fast")
    assert fast.verdict == "poor"
    frames = list(travelling(15)) + [frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for frame in travelling(15)]
    cut = only(scan(film(tmp_path / "cut", frames)))
    assert cut.has("cuts")
    assert not cut.has("fast")
    assert "before 000015.jpg" in next(finding.text for finding in cut.findings if finding.kind == "cuts")


def test_exposure_jump_is_found_and_scenery_is_not(tmp_path):
    frames = list(travelling(30))
    assert not only(scan(film(tmp_path / "steady", frames))).has("exposure")
    frames = [frame if k < 20 else frame.point(lambda value: value * 0.7) for k, frame in enumerate(frames)]
    jump = next(f for f in only(scan(film(tmp_path / "jump", frames))).findings if f.kind == "exposure")
    assert "1 pair(s)" in jump.text
    assert "before 000020.jpg" in jump.text
    assert "-3" in jump.text or "-2" in jump.text


def test_duplicates_and_the_real_rate(tmp_path):
    frames = [frame for k, frame in enumerate(travelling(30)) for _ in range(2 if k % 3 == 2 else 1)]
    folder = film(tmp_path / "repeats" / "images", frames).parent
    camera = {"width": WIDTH, "height": HEIGHT, "fx": 150, "fy": 150, "cx": 96, "cy": 48, "fps": 40}
    (folder / "intrinsics.json").write_text(json.dumps(camera))
    found = next(f for f in only(scan(folder)).findings if f.kind == "duplicates")
    assert "26% of the frames repeat" in found.text
    assert "29.7 frames/s" in found.text


def test_blurred_frames_and_blurred_film(tmp_path):
    frames = list(travelling(20))
    frames[7] = frames[7].filter(ImageFilter.GaussianBlur(3))
    found = next(f for f in only(scan(film(tmp_path / "one", frames))).findings if f.kind == "blur")
    assert "1 frame(s) are far more blurred" in found.text
    assert "000007.jpg" in found.text
    soft = [frame.resize((48, 24)).resize((640, 320), Image.Resampling.BICUBIC) for frame in travelling(12)]
    assert "blurred or enlarged" in next(
        f.text for f in only(scan(film(tmp_path / "all", soft))).findings if f.kind == "blur"
    )


def test_letterbox_is_measured(tmp_path):
    def boxed(frame):
        canvas = Image.new("RGB", (WIDTH, HEIGHT + 32), (3, 3, 3))
        canvas.paste(frame, (0, 16))
        return canvas

    found = only(scan(film(tmp_path / "box", map(boxed, travelling(12)))))
    text = next(finding.text for finding in found.findings if finding.kind == "borders")
    assert "16 px top, 16 px bottom" in text
    assert found.verdict == "poor"


def test_grey_film_and_mixed_collection(tmp_path):
    film(tmp_path / "grey", (frame.convert("L") for frame in travelling(35)))
    film(tmp_path / "colour", travelling(35))
    report = scan(tmp_path)
    assert [(one.name, one.colour) for one in report.sequences] == [("colour", True), ("grey", False)]
    assert report.sequences[1].has("grey")
    assert any(finding.kind == "mixed" for finding in report.findings)


def test_sizes_gaps_and_unreadable_frames(tmp_path):
    frames = list(travelling(20))
    film(tmp_path / "sizes", [frame.resize((96, 64)) if k > 15 else frame for k, frame in enumerate(frames)])
    assert only(scan(tmp_path / "sizes")).has("sizes")
    folder = film(tmp_path / "broken", frames)
    data = (folder / "000004.jpg").read_bytes()
    (folder / "000004.jpg").write_bytes(data[: len(data) // 3])
    found = next(f for f in only(scan(folder)).findings if f.kind == "unreadable")
    assert "000004.jpg" in found.text
    (folder / "000004.jpg").unlink()
    assert "1 place(s)" in next(f.text for f in only(scan(folder)).findings if f.kind == "gaps")


def test_frames_far_apart_are_not_a_video(tmp_path):
    folder = film(tmp_path / "stills", travelling(12))
    manifest = resolve_input(folder, split=False)
    rows = [type(row)(row.image, row.sequence, row.position * 30) for row in manifest]
    found = only(scan(type(manifest)(rows, manifest.root)))
    assert "30 apart" in next(f.text for f in found.findings if f.kind == "gaps")


def test_random_subset_of_a_video_is_no_video(tmp_path):
    folder = film(tmp_path / "subset", travelling(14))
    numbers = [82, 103, 256, 429, 743, 768, 816, 930, 1223, 1264, 1408, 1523, 1524, 1613]
    for k, number in reversed(list(enumerate(numbers))):
        (folder / f"{k:06d}.jpg").rename(folder / f"{number:06d}.jpg")
    found = only(scan(folder))
    assert found.verdict == "poor"
    assert "only 1 of 13 frames" in next(f.text for f in found.findings if f.kind == "gaps")


def test_positions_that_the_names_contradict_are_seen(tmp_path):
    folder = film(tmp_path / "counted", travelling(20))
    manifest = resolve_input(folder, split=False)
    kept = [manifest[k] for k in (0, 2, 3, 7, 11, 12, 15, 19)]
    rows = [type(row)(row.image, row.sequence, k) for k, row in enumerate(kept)]
    found = only(scan(type(manifest)(rows, manifest.root)))
    assert found.verdict == "poor"
    assert "are none by their names (the first are 000000.jpg and 000002.jpg)" in next(
        f.text for f in found.findings if f.kind == "gaps"
    )
    assert not only(scan(folder)).has("gaps")


def test_few_frames(tmp_path):
    assert only(scan(film(tmp_path / "two", travelling(2)))).has("short")
    with pytest.raises(InputError, match="max_pairs"):
        scan(tmp_path / "two", max_pairs=1)


def test_tiny_frames_are_reported_without_motion(tmp_path):
    found = only(scan(film(tmp_path / "tiny", (frame.resize((1, 1)) for frame in travelling(5)))))
    assert (found.motion, found.static_share, found.pairs, found.step) == (None, None, 4, 1)
    assert found.verdict == "poor", "of frames without motion nothing is known"


def test_step_follows_the_motion():
    assert suitable_step(np.full(50, 0.01), 100) == 1
    assert suitable_step(np.full(50, 0.0026), 100) == 3
    assert suitable_step(np.full(50, 0.0009), 100) == 9
    assert suitable_step(np.full(50, 0.0009), 9) == 4
    assert suitable_step(np.full(50, 0.0001), 100) == 1, "a standing camera has no suitable step"


@pytest.fixture(scope="module")
def driving():
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not at {SHARED}")
    report = scan(SHARED / "driving_video", max_pairs=40)
    return {one.name: one for one in report.sequences}


def test_real_clips_agree_with_what_is_known_of_them(driving):
    expected = {"karlsruhe_0019": 7, "kitti_avenue": 6, "kitti_boulevard": 4, "kitti_queue": 1, "kitti_odo_straight": 9}
    for name, pixels in expected.items():
        assert driving[name].motion * 640 == pytest.approx(pixels, rel=0.6, abs=0.8), name
    assert driving["kitti_queue"].has("slow")
    assert driving["kitti_stereo_043"].static_share == 1, "it waits at a red light"
    assert {name for name, one in driving.items() if not one.colour} == {
        "karlsruhe_0019",
        "kitti_avenue",
        "kitti_odo_straight",
        "kitti_odo00",
        "kitti_odo09",
    }
    assert [name for name, one in driving.items() if one.verdict == "poor"] == ["kitti_stereo_043"]


def test_real_stop_in_camvid():
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not at {SHARED}")
    manifest = resolve_input(SHARED / "camvid")
    part = manifest.select(predicate=lambda row: row.sequence == "Seq05VD" and 1740 <= row.position <= 3030)
    found = only(scan(part))
    assert found.standing == ((1920, 2850),)
    assert found.has("gaps")


@pytest.mark.parametrize("fps", [0.0, float("nan")])
def test_a_rate_that_is_not_known_is_not_said(tmp_path, fps):
    frames = list(travelling(30, speed=0.5))
    manifest = resolve_input(film(tmp_path / "slow", [*frames[:10], *frames[9:]]), split=False)
    found = only(scan(Manifest([dataclasses.replace(row, fps=fps) for row in manifest], manifest.root)))
    assert found.fps is None
    assert found.step > 1
    assert not any("frames/s" in finding.text for finding in found.findings)
