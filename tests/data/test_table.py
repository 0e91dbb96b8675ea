"""Manifests on disk: CSV and Parquet, right and wrong."""

import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.made_rows import rows
from vergence.data import table
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError


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
        ("image,sequence,position\na.png,a,0\ns3:///x.png,a,1\n", "line 3: s3:///x.png names no bucket or server"),
        ("image,sequence,position,label\na.png,a,0,file:///l.png\n", "line 2: file:///l.png is an address of this"),
        ("image;sequence;position\na.png;a;0\n", "has semicolons between its columns; write it as CSV with commas"),
        ("image\tsequence\tposition\na.png\ta\t0\n", "has tabs between its columns; write it as CSV with commas"),
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
    pq.write_table(pa.table({"image": ["s3:///x.png"], "sequence": ["s"], "position": [1]}), path)
    with pytest.raises(InputError, match=r"m\.parquet: column 'image': s3:///x.png names no bucket"):
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


@pytest.mark.parametrize("name", ["M.CSV", "M.PARQUET", "m.Parquet"])
def test_suffixes_in_capitals_are_the_same_files(tmp_path, name):
    path = Manifest(rows(2), tmp_path).write(tmp_path / name)
    assert (path.read_bytes()[:4] == b"PAR1") == (name != "M.CSV")
    assert [row.image for row in resolve_input(path, split=False)] == [row.image for row in rows(2)]


def test_a_write_that_fails_leaves_the_old_manifest(tmp_path, monkeypatch):
    path = Manifest(rows(2), tmp_path).write(tmp_path / "m.csv")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="No space left"):
        Manifest(rows(3), tmp_path).write(path)
    assert len(Manifest.read(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


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


def test_dictionaries_that_grow_from_piece_to_piece(tmp_path):
    """A row group is read in pieces, whose dictionaries have all words before; words, gaps and addresses stay."""
    count = 60_000
    images = [f"a{k % 50_000}/{k}.png" for k in range(count - 1)] + ["s3://bucket/last.png"]
    labels = [None if k % 3 or k < 20_000 else f"l{k}.png" for k in range(count)]
    columns = {"image": images, "sequence": ["s"] * count, "position": list(range(count)), "label": labels}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet", row_group_size=count)
    manifest = Manifest.read(tmp_path / "m.parquet")
    *read, last = manifest.values("image")
    assert read == images[:-1]
    assert last.endswith("/s3/bucket/last.png")
    assert manifest.values("label") == [label or "" for label in labels]
