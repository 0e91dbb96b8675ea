import logging
import random

import pytest

from tests.data.layouts.trees import placed
from vergence.data.layouts.clips import folder


@pytest.mark.parametrize("pattern", ["{k:06d}_cam{c}.png", "cam{c}_{k}.png", "{k:04d}-{c}.jpg"])
def test_two_cameras_told_by_a_number(pattern):
    found = placed(pattern.format(k=k, c=c) for c in range(2) for k in range(12))
    assert len(found) == 2
    for c, members in enumerate(found.values()):
        assert members == [(pattern.format(k=k, c=c), k) for k in range(12)]


def test_two_cameras_told_by_a_word_are_two_sequences(tmp_path, put):
    put(tmp_path, [f"{side}_{k:04d}.png" for side in ("left", "right") for k in range(5)])
    manifest = folder(tmp_path)
    assert len({row.sequence for row in manifest}) == len({row.camera for row in manifest}) == 2
    assert [manifest.neighbour(k, 1) for k in (3, 4)] == [4, None]


def test_number_that_varies_counts_the_frames():
    numbers = [*range(10), *range(20, 30)]
    assert placed(f"drive_{k:05d}_1080.jpg" for k in numbers)[""] == [(f"drive_{k:05d}_1080.jpg", k) for k in numbers]


def test_random_subset_of_a_video_has_no_neighbours(caplog):
    numbers = sorted(random.Random(1).sample(range(3000), 40))
    with caplog.at_level(logging.WARNING, "vergence"):
        found = [position for _, position in placed(f"frame_{k:06d}.png" for k in numbers)[""]]
    assert found == [k - numbers[0] for k in numbers]
    assert "no even steps" in caplog.text


def test_uneven_time_stamps_stay_neighbours_and_gaps_stay_gaps():
    stamps, now = [], 1341846313553
    for k in range(30):
        stamps.append(now)
        now += 33 + random.Random(k).randint(-5, 6) + (66 if k == 9 else 0)
    found = [position for _, position in placed(f"{stamp}.png" for stamp in stamps)[""]]
    assert found == [*range(10), *range(12, 32)]


def test_dates_are_one_number():
    names = [f"2024-02-29_23-{m:02d}-{s:02d}.jpg" for m in (58, 59) for s in range(0, 60, 5)] + [
        "2024-03-01_00-00-00.jpg"
    ]
    assert placed(names) == {"": [(name, k) for k, name in enumerate(names)]}


def test_counting_is_logged(caplog):
    with caplog.at_level(logging.WARNING, "vergence"):
        assert [position for _, position in placed(["a.jpg", "b.jpg", "c.jpg"])[""]] == [0, 1, 2]
    assert "do not number the frames" in caplog.text


def test_what_tools_add_to_names_is_no_number():
    names = [f"frame_{k:06d}_jpg.rf.{random.Random(k).getrandbits(128):032x}.jpg" for k in range(0, 60, 3)]
    assert [position for _, position in placed(names)[""]] == list(range(20))


def test_seconds_and_nanoseconds_of_ros_are_one_time():
    ticks = [*range(12), *range(30, 42)]  # tenths of a second, with a gap
    filled = [f"{1600000000 + k // 10}_{k % 10 * 100000000:09d}.png" for k in ticks]
    bare = [f"left-{1600000000 + k // 10}-{k % 10 * 100000000}.png" for k in ticks]
    for names in (filled, bare):
        assert placed(names) == {"": list(zip(names, ticks, strict=True))}


def test_clocks_with_thousandths_are_one_time():
    names = [f"clip_00_{k // 120:02d}_{k // 2 % 60:02d}_{k % 2 * 500:03d}.jpg" for k in range(110, 130)]
    assert placed(names) == {"": [(name, k) for k, name in enumerate(names)]}
    pixel = [f"PXL_20260101_1159{k:02d}123.jpg" for k in range(50, 60)]
    pixel += [f"PXL_20260101_1200{k:02d}123.jpg" for k in range(10)]
    assert placed(pixel) == {"": [(name, k) for k, name in enumerate(pixel)]}


def test_a_few_names_of_another_form_do_not_spoil_the_order(caplog):
    names = [f"{k:04d}.jpg" for k in (*range(10), *range(20, 30))]
    found = placed([*names, "contact_sheet.jpg", "0003 (1).jpg"])
    assert [k for _, k in found.pop("numbers")] == [*range(10), *range(20, 30)]
    assert sorted(map(len, found.values())) == [1, 1]
    assert "do not number the frames" not in caplog.text


def test_a_number_that_comes_in_even_steps_counts_the_frames_not_a_checksum():
    sums = [83821, 12, 44211, 99, 3, 77123, 50, 61]
    names = [f"{k:04d}_{number}.jpg" for k, number in enumerate(sums)]
    assert placed(names) == {"": [(name, k) for k, name in enumerate(names)]}


def test_two_cameras_that_take_turns_are_two_sequences():
    """Their times are never the same, so the numbers alone would be one row of frames."""
    for pattern in ("{:.2f}_cam{}.png", "{1}_{0:.2f}.png"):
        names = [[pattern.format(1.6e9 + k / 10 + c / 20, c) for k in range(8)] for c in range(2)]
        found = placed(names[0] + names[1])
        assert list(found.values()) == [[(n, k) for k, n in enumerate(one)] for one in names]


def test_a_number_of_parts_of_a_clip_is_no_camera():
    names = [f"{k:03d}_{640 + k // 4}x480.png" for k in range(8)]  # one after the other
    assert placed(names) == {"": [(name, k) for k, name in enumerate(names)]}
    names = [f"{k:03d}_{c}.png" for k, c in enumerate([0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1])]  # a class of each frame
    assert placed(names) == {"": [(name, k) for k, name in enumerate(names)]}


def test_bursts_of_one_minute_are_clips_of_their_own():
    names = [[f"IMG_20230501_1200{s:02d}_BURST{k:03d}.jpg" for k in range(5)] for s in (1, 2)]
    assert list(placed(names[0] + names[1]).values()) == [[(n, k) for k, n in enumerate(one)] for one in names]


def test_a_few_frames_far_apart_are_no_neighbours():
    numbers = [164, 712, 1057, 1173, 3553, 3853]
    assert [position for _, position in placed(f"{k:06d}.png" for k in numbers)[""]] == [k - 164 for k in numbers]
