"""A town on disk: files, manifest, resuming, refusing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.layouts.intrinsics import read_intrinsics
from vergence.data.manifest import Manifest
from vergence.data.toytown import TownOptions, camera, render_street, write, write_toytown
from vergence.errors import InputError

SMALL = TownOptions(width=48, height=24, seed=5)
STREETS = {"train": 2, "val": 1}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toytown(tmp_path_factory.mktemp("town") / "new", SMALL, STREETS, frames=3, workers=1)


def test_files_hold_what_was_rendered(town: Path) -> None:
    manifest = Manifest.read(town)
    assert len(manifest) == 9
    assert [row.split for row in manifest].count("val") == 3
    row = manifest[4]
    frame = list(render_street(SMALL, 1, 2))[1]
    assert (row.sequence, row.position, row.split, row.fps) == ("street001", 1, "train", 10.0)
    assert (row.fx, row.fy, row.cx, row.cy) == pytest.approx(camera(SMALL))
    assert row.baseline == 0.5
    assert row.label_space == "cityscapes19"
    np.testing.assert_allclose(row.pose_matrix(), frame.pose)
    depth = np.asarray(Image.open(manifest.path(4, "depth"))) / 256
    np.testing.assert_allclose(depth, frame.depth, atol=1 / 256)
    np.testing.assert_array_equal(np.asarray(Image.open(manifest.path(4, "label"))), frame.label)
    moving = np.asarray(Image.open(town.parent / "moving" / "street001_00001.png"))
    np.testing.assert_array_equal(moving > 0, frame.moving)
    for column, image in (("image", frame.image), ("stereo", frame.right)):
        stored = np.asarray(Image.open(manifest.path(4, column))).astype(int)
        assert np.abs(stored - image).mean() < 4
    assert json.loads((town.parent / "intrinsics.json").read_text())["fx"] == pytest.approx(row.fx * SMALL.width)


def test_nothing_is_left_beside_it(town: Path) -> None:
    assert [entry.name for entry in town.parent.parent.iterdir()] == ["clear"]


def test_same_town_again_is_not_rendered(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "render_street", None)
    assert write_toytown(town.parent.parent, SMALL, STREETS, frames=3) == town


def test_another_town_in_its_place_is_refused(town: Path) -> None:
    with pytest.raises(InputError, match="other options"):
        write_toytown(town.parent.parent, SMALL, STREETS, frames=4)


def test_a_second_style_moves_in(tmp_path: Path) -> None:
    for style in ("clear", "dusk"):
        options = TownOptions(width=48, height=24, style=style, stereo=False)
        path = write_toytown(tmp_path, options, {"train": 1}, frames=1, workers=1)
        assert path == tmp_path / style / "manifest.parquet"
    row = Manifest.read(path)[0]
    assert row.stereo == ""
    assert np.isnan(row.baseline)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("not ours")
    with pytest.raises(InputError, match="holiday"):
        write_toytown(tmp_path, SMALL, STREETS, frames=1)
    with pytest.raises(InputError, match="file"):
        write_toytown(tmp_path / "holiday.jpg", SMALL, STREETS, frames=1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["holiday.jpg"]


def test_interrupted_writing_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_toytown(tmp_path, SMALL, STREETS, frames=3, workers=1, progress=stop)
    assert not (tmp_path / "clear").exists()
    rendered: list[int] = []

    def counting(options: TownOptions, street: int, frames: int):
        rendered.append(street)
        return render_street(options, street, frames)

    monkeypatch.setattr(write, "render_street", counting)
    steps: list[tuple[int, int]] = []
    path = write_toytown(tmp_path, SMALL, STREETS, frames=3, workers=1, progress=lambda *step: steps.append(step))
    assert rendered == [1, 2]
    assert steps == [(n, 9) for n in range(4, 10)]
    assert len(Manifest.read(path)) == 9


def test_several_processes_write_the_same_bytes(town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "FEW", 0)
    other = write_toytown(tmp_path, SMALL, STREETS, frames=3, workers=2)
    for path in sorted(town.parent.rglob("*.*")):
        if path.suffix in (".jpg", ".png", ".txt"):
            assert path.read_bytes() == (other.parent / path.relative_to(town.parent)).read_bytes()


@pytest.mark.parametrize(("streets", "frames"), [({"train": 1}, 0), ({"train": 1}, 500), ({"train": 0}, 2)])
def test_impossible_amounts_are_refused(tmp_path: Path, streets: dict[str, int], frames: int) -> None:
    with pytest.raises(InputError, match="at least one street"):
        write_toytown(tmp_path / "town", SMALL, streets, frames)
    assert not (tmp_path / "town").exists()


def test_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_toytown(tmp_path / "file" / "below", SMALL, {"train": 1}, frames=1, workers=1)


def test_its_intrinsics_are_those_that_layouts_read(tmp_path: Path) -> None:
    manifest = Manifest.read(write_toytown(tmp_path, TownOptions(width=32, height=16), {"train": 1}, frames=2))
    camera = read_intrinsics(tmp_path / "clear" / "intrinsics.json")
    row = manifest[0]
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((row.fx, row.fy, row.cx, row.cy))
    assert camera.baseline == pytest.approx(row.baseline)
    (tmp_path / "manifest.parquet").write_bytes(b"a manifest beside the styles does not make the town a stranger's")
    assert write_toytown(tmp_path, TownOptions(width=32, height=16), {"train": 1}, frames=2).is_file()
