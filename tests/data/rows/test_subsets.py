import dataclasses
import json

import numpy as np
import pytest

from vergence.data.manifest import FrameRow, Manifest
from vergence.data.rows.subsets import labelled_subset, random_subset, read_list
from vergence.errors import InputError


def frames(count: int, root=".", labelled=lambda i: True, folder="images") -> Manifest:
    rows = [
        FrameRow(f"{folder}/{i:05d}.png", "a", i, label=f"labels/{i:05d}.png" if labelled(i) else "")
        for i in range(count)
    ]
    return Manifest(rows, root, "farm")


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        (42, [2403, 2865, 2159, 507, 2462, 1235]),
        (43, [938, 884, 2730, 1559, 1385, 1704]),
        (44, [1436, 922, 1710, 223, 1058, 558]),
        (7, [664, 2130, 1766]),
        (25, [1844, 1794, 2625]),
    ],
)
def test_draws_of_the_paper(seed, first):
    """three_ways.md section 10, fact 20."""
    assert random_subset(2975, len(first), seed) == sorted(first)


def test_first_frames_of_the_published_camvid_lists():
    """three_ways.md section 10, fact 21."""
    assert [random_subset(367, 1, seed)[0] for seed in (42, 43, 44)] == [193, 59, 230]


def test_random_subsets_are_nested_and_sorted():
    manifest = frames(100)
    rows = [labelled_subset(manifest, count, 3).rows for count in (5, 20, 100)]
    assert set(rows[0]) < set(rows[1]) < set(rows[2])
    assert all(sorted(one) == one for one in rows)
    assert rows[0] != labelled_subset(manifest, 5, 4).rows


def test_draw_is_over_labelled_frames_in_the_order_of_their_paths():
    manifest = frames(30, labelled=lambda i: i % 3 == 0)
    mixed = Manifest([manifest[i] for i in np.random.default_rng(0).permutation(30)], ".")
    chosen = {manifest[i].image for i in labelled_subset(manifest, 4, 1).rows}
    assert chosen == {mixed[i].image for i in labelled_subset(mixed, 4, 1).rows}
    assert chosen == {manifest[3 * i].image for i in random_subset(10, 4, 1)}


def test_all_labelled_frames_without_a_count():
    subset = labelled_subset(frames(6, labelled=lambda i: i > 3))
    assert subset.rows == [4, 5]
    assert subset.describe == f"2 of 6 frames, all that have a label ({subset.digest})"


def test_digest_says_which_frames_not_where_or_how():
    one = labelled_subset(frames(40, "/here"), 5, 42)
    rows = [dataclasses.replace(row, image=f"/there/{row.image}") for row in frames(40)]
    assert labelled_subset(Manifest(rows, "/there"), 5, 42).digest == one.digest
    assert labelled_subset(frames(40), 5, 43).digest != one.digest
    assert labelled_subset(frames(40), 6, 42).digest != one.digest
    assert len(one.digest) == 12


@pytest.mark.parametrize("form", ["names", "paths", "absolute", "objects", "text", "csv", "JSON", "CSV"])
def test_lists_of_every_form(tmp_path, form):
    manifest = frames(10, tmp_path)
    numbers = [7, 2, 5]
    file = tmp_path / "lists" / "picked.json"
    file.parent.mkdir()
    if form == "JSON":
        file = file.with_suffix(".JSON")
    if form in ("names", "JSON"):
        file.write_text(json.dumps([f"{i:05d}.png" for i in numbers]))
    elif form == "paths":
        file.write_text(json.dumps({"images": [f"images/{i:05d}.png" for i in numbers]}))
    elif form == "absolute":
        file.write_text(json.dumps([str(manifest.path(i)) for i in numbers]))
    elif form == "objects":
        file.write_text(json.dumps({"frames": [{"image": f"../images/{i:05d}.png", "why": "far"} for i in numbers]}))
    elif form == "text":
        file = file.with_suffix(".txt")
        file.write_text("# picked\n" + "\n".join(f"images/{i:05d}.png" for i in numbers) + "\n\n")
    else:
        file = Manifest([manifest[i] for i in numbers], tmp_path).write(file.with_suffix(f".{form}"))
    assert labelled_subset(manifest, file=str(file)).rows == [2, 5, 7]
    assert labelled_subset(manifest, 2, file=str(file)).rows == [2, 7], "the first two of the list"
    assert len(read_list(file)) == 3


def test_names_that_several_frames_share(tmp_path):
    rows = [FrameRow(f"{town}/0.png", town, 0, label="l.png") for town in ("ulm", "bonn")]
    manifest = Manifest(rows, tmp_path / "data")
    file = tmp_path / "list.txt"
    file.write_text("bonn/0.png")
    assert labelled_subset(manifest, file=str(file)).rows == [1]
    file.write_text("0.png")
    with pytest.raises(InputError, match=r"0\.png, but 2 frames .* are called so; give its path"):
        labelled_subset(manifest, file=str(file))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('["00001.png", "00001.png"]', r"lists 00001\.png twice"),
        ('["00001.png", "images/00001.png"]', "twice"),
        ('["s3:///cow.png"]', r"list\.json: s3:///cow\.png names no bucket"),
        ('["cow.png"]', r"lists cow\.png, which is no frame of farm"),
        ('["00009.png"]', r"00009\.png, which has no label in farm"),
        ("[]", "lists no frames"),
        ("[1]", "is no list of frames"),
        ("{}", "is no list of frames"),
        ('"00001.png"', "is no list of frames"),
        ("[", r"is no JSON \(line 1"),
        (None, "does not exist"),
    ],
)
def test_bad_lists(tmp_path, content, words):
    file = tmp_path / "list.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        labelled_subset(frames(10, labelled=lambda i: i < 9), file=str(file))
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_impossible_counts(tmp_path):
    with pytest.raises(InputError, match="no labelled frame among its 3"):
        labelled_subset(frames(3, labelled=lambda i: False))
    with pytest.raises(InputError, match="count is 4, but farm has 3 labelled frames"):
        labelled_subset(frames(5, labelled=lambda i: i < 3), 4, 0)
    with pytest.raises(InputError, match="count is 0; give at least 1"):
        labelled_subset(frames(3), 0)
    (tmp_path / "list.txt").write_text("00001.png")
    with pytest.raises(InputError, match=r"count is 2, but .*list\.txt lists 1 frames"):
        labelled_subset(frames(3), 2, file=str(tmp_path / "list.txt"))


def test_a_list_names_what_was_labelled_by_hand(tmp_path):
    rows = [
        dataclasses.replace(row, label_origin="" if row.position in (0, 8) else "carried")
        for row in frames(10, labelled=lambda i: i < 9)
    ]
    manifest, file = Manifest(rows, ".", "farm"), tmp_path / "list.txt"
    file.write_text("00000.png\n00008.png\n")
    assert labelled_subset(manifest, file=str(file)).rows == list(range(9)), "carried labels come along"
    for names, words in (
        ("00000.png\n00001.png", "lists 00001.png, whose label was carried"),
        ("00000.png", "of which 1"),
    ):
        file.write_text(names)
        with pytest.raises(InputError, match=words):
            labelled_subset(manifest, file=str(file))
