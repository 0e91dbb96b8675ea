import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.data.made_rows import rows, with_neighbours
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


@pytest.mark.parametrize("deep", [False, True])
def test_paths_lead_there_out_of_a_folder_that_is_a_link(tmp_path, deep):
    real = tmp_path / "disk" / "a" / "b" if deep else tmp_path / "b"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    for folder in (tmp_path / "images", real / "images"):
        folder.mkdir()
        (folder / "0.png").touch()
    rows = [FrameRow("images/0.png", "a", 0), FrameRow("link/images/0.png", "a", 1)]
    written = Manifest.read(Manifest(rows, tmp_path).write(tmp_path / "link" / "m.csv"))
    for index, path in enumerate((tmp_path / "images" / "0.png", real / "images" / "0.png")):
        assert written.path(index).samefile(path)
    assert written[1].image == "images/0.png"
    assert written[0].image == (str(tmp_path / "images" / "0.png") if deep else "../images/0.png")


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
    assert len(with_neighbours(manifest, (1,))) == 4
    assert with_neighbours(manifest, (-1, 1)) == []
    assert with_neighbours(manifest, ("s",)) == []


def test_a_selection_keeps_the_others_as_neighbours_only(tmp_path):
    table = [dataclasses.replace(row, split="val" if row.position == 2 else "train") for row in rows(5)]
    manifest = Manifest(table, tmp_path)
    chosen = manifest.select("val")
    assert (len(chosen), [row.position for row in chosen]) == (1, [2])
    before, after = chosen.neighbour(0, -1), chosen.neighbour(0, 1)
    assert (chosen[before].position, chosen[after].position) == (1, 3)
    assert with_neighbours(chosen, (-1, 1)) == [0]
    assert chosen.path(before) == tmp_path / "1.png"
    assert manifest.splits() == {"train": 4, "val": 1}
    assert chosen.splits() == {"val": 1}
    assert len(Manifest.read(chosen.write(tmp_path / "m.csv"))) == 1
    odd = manifest.select("train", lambda row: row.position % 2 == 1)
    assert [row.position for row in odd] == [1, 3]
    nothing = manifest.select("test")
    assert len(nothing) == 0
    assert "'train', 'val'" in nothing.name


def test_some_samples_alone_in_an_order(tmp_path):
    every = [dataclasses.replace(FULL, image=f"{k}.png", position=k, split="ab"[k % 2]) for k in range(6)]
    chosen = Manifest(every, tmp_path).select("b").only(np.array([2, 0]), "two")
    assert list(chosen) == [every[5], every[1]]
    assert (len(chosen.rows), chosen.name, chosen.root) == (2, "two", tmp_path)
    assert chosen.digest() == Manifest([every[5], every[1]], tmp_path).digest()
    assert chosen.neighbour(0, -4) == 1
    assert len(chosen.only(np.empty(0, np.int64), "none")) == 0


def test_digest_knows_the_values_and_the_order(tmp_path):
    first = Manifest(rows(), tmp_path)
    assert first.digest() == Manifest(rows(), tmp_path / "other").digest()
    assert first.digest() != Manifest(rows(split="train"), tmp_path).digest()
    assert first.digest() != Manifest(rows()[::-1], tmp_path).digest()
    assert len(first.digest()) == 12


def test_neighbour_digest_knows_what_is_read_of_frames_that_are_no_samples(tmp_path):
    def digest(frame=0, offsets=(-1, 1), **change):
        """Frames 2 and 3 are samples, 1 and 4 lie beside them; ``change`` is of ``frame``."""
        frames = rows(7)
        frames[frame] = dataclasses.replace(frames[frame], **change)
        return Manifest(frames, tmp_path).select(predicate=lambda row: row.position in (2, 3)).neighbour_digest(offsets)

    assert digest() == digest(0, image="other.png") == digest(2, image="other.png")  # not read; or a sample
    assert digest(1, image="other.png") != digest() != digest(4, image="other.png")
    assert digest() == digest(1, image="elsewhere/1.png", label="1.png", split="val", depth="1.npy")  # none is read
    assert digest() != digest(1, fx=0.5, fy=0.5, cx=0.5, cy=0.5)
    assert digest() != digest(1, position=99)
    assert digest(0, image="other.png", offsets=(-2, "s")) != digest(offsets=(-2, "s"))


def test_summary_counts(tmp_path):
    text = Manifest([FULL, *rows(3)], tmp_path).summary()
    assert "4" in text.splitlines()[0]
    assert "1242x375 (1)" in text
    assert "train 1" in text


def test_two_frames_at_one_place(tmp_path):
    with pytest.raises(InputError, match=r"two frames at sequence 'a', position 1.*1\.png and other\.png"):
        Manifest([*rows(), FrameRow("other.png", "a", 1)], tmp_path)
    Manifest([*rows(), FrameRow("other.png", "a", 1, camera="right")], tmp_path)


def test_an_empty_manifest_is_a_manifest(tmp_path):
    path = Manifest([], tmp_path).write(tmp_path / "m.parquet")
    assert len(Manifest.read(path)) == 0
    assert pq.read_table(path).column_names == list(COLUMNS)


def test_an_index_below_zero_is_no_row(tmp_path):
    with pytest.raises(IndexError):
        Manifest(rows(), tmp_path)[-1]
