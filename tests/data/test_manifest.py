import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vergence.data import table
from vergence.data.manifest import COLUMNS, FrameRow, Manifest, format_pose
from vergence.errors import InputError

FULL = FrameRow(
    image="left/0.png",
    sequence="0001",
    position=7,
    split="train",
    camera="2",
    fx=0.58,
    fy=1.92,
    cx=0.49,
    cy=0.51,
    width=1242,
    height=375,
    stereo="right/0.png",
    baseline=0.54,
    stereo_cx=0.5,
    label="label/0.png",
    label_space="cityscapes19",
    depth="depth/0.png",
    disparity="disparity/0.png",
    pose=format_pose(np.eye(4) + 0.1),
    fps=10.0,
    depth_scale=5000.0,
)


def rows(count=4, **columns):
    return [FrameRow(f"{i}.png", "a", i, **columns) for i in range(count)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_written_and_read_again_every_value_is_the_same(tmp_path, suffix):
    manifest = Manifest([FULL, FrameRow("1.png", "0001", 8)], tmp_path)
    read = Manifest.read(manifest.write(tmp_path / f"m{suffix}"))
    assert read[0] == FULL
    assert [str(value) for value in dataclasses.astuple(read[1])] == [
        str(value) for value in dataclasses.astuple(FrameRow("1.png", "0001", 8))
    ]
    assert [path.name for path in tmp_path.iterdir()] == [f"m{suffix}"]


def test_paths_follow_a_manifest_that_lies_elsewhere(tmp_path):
    manifest = Manifest([FULL], tmp_path / "data")
    read = Manifest.read(manifest.write(tmp_path / "lists" / "deep" / "m.parquet"))
    for column in ("image", "stereo", "label", "depth", "disparity"):
        assert read.path(0, column).resolve() == (tmp_path / "data" / getattr(FULL, column)).resolve()
    assert read[0].image == "../../data/left/0.png"
    assert read.digest() == manifest.digest()


def test_absolute_paths_stay_where_they_point(tmp_path):
    manifest = Manifest([FrameRow(str(tmp_path / "x" / "0.png"), "a", 0)], tmp_path / "elsewhere")
    assert manifest.path(0) == tmp_path / "x" / "0.png"
    read = Manifest.read(manifest.write(tmp_path / "m.csv"))
    assert read[0].image == "x/0.png"


def test_path_of_a_file_the_row_lacks_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no label"):
        Manifest(rows(), tmp_path).path(0, "label")


def test_neighbours_are_of_the_same_sequence_and_camera(tmp_path):
    table = [FrameRow(f"{s}{c}{p}.png", s, p, camera=c) for s in "ab" for c in "01" for p in (0, 1, 3)]
    manifest = Manifest(table, tmp_path)
    found = manifest.neighbour(0, 1)
    assert found is not None
    assert manifest[found].image == "a01.png"
    assert manifest.neighbour(1, 1) is None  # position 2 does not exist
    assert manifest[manifest.neighbour(1, 2)].position == 3
    assert manifest.neighbour(0, -1) is None
    assert len(manifest.with_neighbours((1,))) == 4
    assert manifest.with_neighbours((-1, 1)) == []
    assert manifest.with_neighbours(("s",)) == []


def test_a_selection_keeps_the_others_as_neighbours_only(tmp_path):
    table = [dataclasses.replace(row, split="val" if row.position == 2 else "train") for row in rows(5)]
    manifest = Manifest(table, tmp_path)
    chosen = manifest.select("val")
    assert (len(chosen), [row.position for row in chosen]) == (1, [2])
    before, after = chosen.neighbour(0, -1), chosen.neighbour(0, 1)
    assert (chosen[before].position, chosen[after].position) == (1, 3)
    assert chosen.with_neighbours((-1, 1)) == [0]
    assert chosen.path(before) == tmp_path / "1.png"
    assert manifest.splits() == {"train": 4, "val": 1}
    assert chosen.splits() == {"val": 1}
    assert len(Manifest.read(chosen.write(tmp_path / "m.csv"))) == 1
    odd = manifest.select("train", lambda row: row.position % 2 == 1)
    assert [row.position for row in odd] == [1, 3]
    nothing = manifest.select("test")
    assert len(nothing) == 0
    assert "'train', 'val'" in nothing.name


def test_digest_knows_the_values_and_the_order(tmp_path):
    first = Manifest(rows(), tmp_path)
    assert first.digest() == Manifest(rows(), tmp_path / "other").digest()
    assert first.digest() != Manifest(rows(split="train"), tmp_path).digest()
    assert first.digest() != Manifest(rows()[::-1], tmp_path).digest()
    assert len(first.digest()) == 12


def test_pose_column_is_the_matrix():
    pose = np.arange(16, dtype=np.float64).reshape(4, 4) / 3
    pose[3] = [0, 0, 0, 1]
    row = FrameRow("0.png", "a", 0, pose=format_pose(pose))
    np.testing.assert_array_equal(row.pose_matrix(), pose)
    assert FrameRow("0.png", "a", 0).pose_matrix() is None


def test_summary_counts(tmp_path):
    text = Manifest([FULL, *rows(3)], tmp_path).summary()
    assert "4" in text.splitlines()[0]
    assert "1242x375 (1)" in text
    assert "train 1" in text


def test_two_frames_at_one_place(tmp_path):
    with pytest.raises(InputError, match=r"two frames at sequence 'a', position 1.*1\.png and other\.png"):
        Manifest([*rows(), FrameRow("other.png", "a", 1)], tmp_path)
    Manifest([*rows(), FrameRow("other.png", "a", 1, camera="right")], tmp_path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fx": 0.6}, "fx, fy, cx, cy must all"),
        ({"fx": math.inf, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 721.5, "fy": 721.5, "cx": 609.5, "cy": 172.8}, "divided by the image's width"),
        ({"fx": -0.6, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 0.0, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 0.6, "fy": 1, "cx": 0.5, "cy": 0.5, "stereo_cx": 300.0}, "impossible"),
        ({"baseline": 0.0}, "baseline"),
        ({"baseline": 540.0}, "baseline"),
        ({"baseline": math.inf}, "baseline"),
        ({"pose": "1 2 3"}, "12 finite numbers"),
        ({"pose": " ".join(["nan"] * 12)}, "12 finite numbers"),
        ({"pose": "one two"}, "12 finite numbers"),
        ({"width": 640}, "640x0"),
        ({"width": -1, "height": -1}, "makes no sense"),
    ],
)
def test_impossible_values_name_the_frame(tmp_path, columns, words):
    with pytest.raises(InputError, match=words) as caught:
        Manifest([FrameRow("ok.png", "a", 0), FrameRow("bad.png", "a", 1, **columns)], tmp_path)
    assert "bad.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_without_image(tmp_path):
    with pytest.raises(InputError, match=r"label/3\.png has no image"):
        Manifest([FrameRow("", "a", 0, label="label/3.png")], tmp_path)


def write(tmp_path, text, name="m.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,sequence,position,baselin\n", r"unknown column 'baselin' \(did you mean 'baseline'\?\)"),
        ("image,sequence\na.png,a\n", "lacks the column 'position'"),
        ("image,sequence,position,image\na.png,a,0,b.png\n", "column 'image' twice"),
        ("image,sequence,position\na.png,a,first\n", "line 2: position is 'first', expected a whole number"),
        ("image,sequence,position\na.png,a,\n", "line 2: position is ''"),
        ("image,sequence,position,fx\na.png,a,0,wide\n", "line 2: fx is 'wide', expected a number"),
        ("image,sequence,position\na.png,a,0\nb.png,a\n", "line 3 has 2 values for 3 columns"),
        ("image,sequence,position,label\n,a,0,l.png\n", "line 2: image is '', expected a path"),
        ("", "is empty"),
    ],
)
def test_bad_csv_names_file_and_line(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        Manifest.read(path)
    assert str(path) in str(caught.value)


def test_csv_needs_only_three_columns(tmp_path):
    read = Manifest.read(write(tmp_path, "\ufeffimage,sequence,position,fps,width,height\nb.png,007,4,,,\n"))
    assert read[0].sequence == "007"
    assert (read[0].position, read[0].width) == (4, 0)
    assert math.isnan(read[0].fps)
    assert not read[0].intrinsics_known


def test_parquet_types_and_empty_cells(tmp_path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"image": ["a.png"], "sequence": [None], "position": pa.array([3], pa.int32())}), path)
    row = Manifest.read(path)[0]
    assert (row.image, row.sequence, row.position) == ("a.png", "", 3)
    pq.write_table(pa.table({"image": ["a.png"], "sequence": ["s"], "position": ["first"]}), path)
    with pytest.raises(InputError, match="'position' must hold whole numbers, not string"):
        Manifest.read(path)
    pq.write_table(pa.table({"image": [None], "sequence": ["s"], "position": [1]}, schema=None), path)
    with pytest.raises(InputError, match="'image' has empty cells"):
        Manifest.read(path)


def test_files_that_are_no_manifest(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Manifest.read(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        Manifest.read(write(tmp_path, "not parquet", "m.parquet"))
    with pytest.raises(InputError, match="parquet or"):
        Manifest.read(write(tmp_path, "", "m.txt"))
    (tmp_path / "b.csv").write_bytes(b"\xff\x00image")
    with pytest.raises(InputError, match="is no text in UTF-8"):
        Manifest.read(tmp_path / "b.csv")
    with pytest.raises(InputError, match="must end in"):
        Manifest(rows(), tmp_path).write(tmp_path / "m.json")


def test_an_empty_manifest_is_a_manifest(tmp_path):
    path = Manifest([], tmp_path).write(tmp_path / "m.parquet")
    assert len(Manifest.read(path)) == 0
    assert pq.read_table(path).column_names == list(COLUMNS)


def test_a_write_that_fails_leaves_the_old_manifest(tmp_path, monkeypatch):
    path = Manifest(rows(2), tmp_path).write(tmp_path / "m.csv")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="No space left"):
        Manifest(rows(3), tmp_path).write(path)
    assert len(Manifest.read(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_an_index_below_zero_is_no_row(tmp_path):
    with pytest.raises(IndexError):
        Manifest(rows(), tmp_path)[-1]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("position", pa.array([1, 2], pa.timestamp("us")), "must hold whole numbers, not timestamp"),
        ("position", pa.array([True, False]), "must hold whole numbers, not bool"),
        ("image", pa.array([1, 2]), "must hold text, not int64"),
        ("image", pa.array(["a", "x" * 70_000]), "a cell of more than 65536 letters"),
        ("image", pa.array(["a", "b\0"]), "a path has a zero byte"),
        ("image", pa.array(["a", "b/.."]), "its image is no file"),
    ],
)
def test_parquet_of_other_types_than_ours(tmp_path, column, values, said):
    columns = {"image": pa.array(["a", "b"]), "sequence": pa.array(["s", "s"]), "position": pa.array([0, 1])}
    pq.write_table(pa.table({**columns, column: values}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=said):
        Manifest.read(tmp_path / "m.parquet")


def test_parquet_of_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ROWS", 2)
    columns = {"image": ["a", "b", "c"], "sequence": ["s"] * 3, "position": [0, 1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(InputError, match="has 3 rows, more than 2; split it"):
        Manifest.read(tmp_path / "m.parquet")


@pytest.mark.parametrize("word", ["٣", "1_0"])
def test_numbers_of_csv_are_plain(tmp_path, word):
    (tmp_path / "m.csv").write_text(f"image,sequence,position\na,s,{word}\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected a whole number"):
        Manifest.read(tmp_path / "m.csv")
