"""An output is refused where it is one of the inputs, by whatever name."""

import os
from pathlib import Path

import pytest

from vergence.data.layouts import resolve_input
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.outputs import keep_inputs
from vergence.errors import InputError


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "masks").mkdir()
    for name in ("a.png", "b.png", "masks/a.png"):
        (tmp_path / name).write_bytes(b"")
    rows = [FrameRow("a.png", "s", 0, label="masks/a.png"), FrameRow("b.png", "s", 1, split="val")]
    return Manifest.read(Manifest(rows, tmp_path).write(tmp_path / "m.csv"))


@pytest.mark.parametrize("name", ["m.csv", "a.png", "b.png", "masks/a.png", "masks/../m.csv", "l.csv", "there/m.csv"])
def test_files_of_a_manifest_are_kept(manifest: Manifest, tmp_path: Path, name: str) -> None:
    (tmp_path / "l.csv").symlink_to("m.csv")
    (tmp_path / "there").symlink_to(tmp_path)
    chosen = manifest.select(predicate=lambda row: row.position == 0).changed(lambda row: row)
    with pytest.raises(InputError, match=r"is read .*would be overwritten"):
        keep_inputs([tmp_path / "new.csv", tmp_path / name], chosen)
    keep_inputs([tmp_path / "new.csv", None], chosen)


def test_a_link_to_the_input_and_its_target_are_one(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("m.csv")
    os.link(tmp_path / "m.csv", tmp_path / "second.csv")
    for name in ("m.csv", "second.csv"):
        with pytest.raises(InputError, match=rf"{name} is read \(it is the same file as .*link.csv\)"):
            keep_inputs([tmp_path / name], Manifest.read(tmp_path / "link.csv"))


def test_files_and_folders(manifest: Manifest, tmp_path: Path) -> None:
    for given in (tmp_path / "masks", tmp_path / "masks" / "a.png"):
        with pytest.raises(InputError, match="would be overwritten"):
            keep_inputs([tmp_path / "masks/a.png"], given)
        keep_inputs([tmp_path / "a.png", tmp_path / "none.png"], given)


def test_manifests_of_several_inputs_are_kept(manifest: Manifest, tmp_path: Path) -> None:
    for name in ("one", "two"):
        manifest.write(tmp_path / "both" / name / "manifest.parquet")
    both = resolve_input(tmp_path / "both")
    with pytest.raises(InputError, match="would be overwritten"):
        keep_inputs([tmp_path / "both/two/manifest.parquet"], both)
