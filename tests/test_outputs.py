"""No verb writes over what it reads: one sentence, exit code 2, and nothing has changed."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.small_runs import HEIGHT, WIDTH, write_run
from vergence.cli import main
from vergence.data.labels import CAMVID_11
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.videos.video_writer import write_video

CASES = {
    "scan, the manifest": "scan m.csv --out m.csv",
    "scan, a picture": "scan m.csv --json frames/0.png",
    "scan, the video": "scan v.mp4 --json v.mp4",
    "index, the video": "index video v.mp4 --out v.csv",
    "import, the manifest": "labels import masks --data m.csv --out m.csv",
    "import, by a link": "labels import masks --data m.csv --out link.csv",
    "import, a folder's manifest": "labels import masks --data set --out set/manifest.csv",
    "import, the whole": "labels import masks --data chosen/selection.parquet --out chosen/frames.parquet",
    "import, the masks": "labels import x_labels --data frames.csv --out x.csv",
    "import, earlier labels": "labels import masks --data y.parquet --out y.csv",
    "propagate, the manifest": "labels propagate m.csv --out there/m.csv",
    "propagate, carried labels": "labels propagate c.csv --out c.parquet",
    "select, the frames": "select run --data chosen/frames.parquet --count 2 --out chosen",
    "select, a list": "select run --data m.csv --count 2 --out chosen --exclude chosen/nlabels_25.txt",
    "evaluate, the manifest": "evaluate run --data m.csv --json m.csv",
    "evaluate, the truth": "evaluate run --data m.csv --json masks/0.png",
    "evaluate, the table beside": "evaluate run --data m.csv --json m.json --per_image",
    "evaluate, the run": "evaluate run --data m.csv --json run/recipe.yaml",
    "report, the run": "report run --out run/checkpoints/step-00000003/config.json",
    "report, the manifest": "report run --data m.csv --out m.csv",
    "predict, the manifest": "predict run p --out p",
    "predict, the pictures": "predict run q/overlay --out q",
    "predict, the video": "predict run q/overlay.mp4 --out q",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_run(folder / "run", "supervised-toytown-tiny", **{"frames.options.label_space": "camvid11"})
    pictures = [np.full((HEIGHT, WIDTH, 3), 20 * k, dtype=np.uint8) for k in range(4)]
    for name in ("frames", "masks", "x_labels", "y_labels", "q/overlay", "c/labels"):
        (folder / name).mkdir(parents=True)
        for k, picture in enumerate(pictures):
            is_picture = name in ("frames", "q/overlay")
            stem = f"s__{k}" if name.endswith("_labels") else k
            file = f"{stem}.jpg" if name == "q/overlay" else f"{stem}.png"  # as predict calls overlays
            Image.fromarray(picture if is_picture else picture[..., 0] * 0).save(folder / name / file)
        if "c/" not in name:
            colours = zip(CAMVID_11.classes, CAMVID_11.colours, strict=True)
            listed = [{"name": word, "color": list(colour)} for word, colour in colours]
            (folder / name / "classes.json").write_text(json.dumps({"classes": listed}))
    for name in ("v.mp4", "q/overlay.mp4"):
        write_video(folder / name, iter(pictures), 10)

    def rows(labels: str = "", **more: str) -> list[FrameRow]:
        label = {"label_space": "camvid11", **more} if labels else {}
        return [
            FrameRow(f"frames/{k}.png", "s", k, fps=10, **({"label": f"{labels}{k}.png", **label} if labels else {}))
            for k in range(4)
        ]

    Manifest(rows(), folder).write(folder / "frames.csv")
    labelled = Manifest(rows("masks/"), folder)
    for name in ("m.csv", "set/manifest.csv", "p/manifest.parquet", "chosen/frames.parquet"):
        labelled.write(folder / name)
    Manifest(rows("y_labels/s__"), folder).write(folder / "y.parquet")
    labelled.write(folder / "chosen/selection.parquet")
    carried = rows("c/labels/", label_origin="carried")
    Manifest([*rows("masks/")[:1], *carried[1:]], folder).write(folder / "c.csv")
    (folder / "c/propagation.json").write_text("{}")
    (folder / "chosen/nlabels_25.txt").write_text("frames/0.png\n")
    (folder / "link.csv").symlink_to("m.csv")
    (folder / "v.csv").symlink_to("v.mp4")
    (folder / "there").symlink_to(folder)
    return folder


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", CASES)
def test_inputs_stay(name: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(world)
    before = state(world)
    words = CASES[name].split()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "would be overwritten; give another place for it" in said
    assert "Traceback" not in said
    assert state(world) == before
    assert os.path.islink("link.csv")


PLACES = {
    "evaluate, another suffix": (
        "evaluate run --data m.csv --json set/x.csv",
        "must end in .json; give --json such a file",
    ),
    "evaluate, no suffix": ("evaluate run --data m.csv --json x", "must end in .json; give --json such a file"),
    "evaluate, a folder": ("evaluate run --data m.csv --json folder.json", "is a folder; give --json a file"),
    "evaluate, the table": ("evaluate run --data m.csv --json table.json --per_image", "table.csv is a folder"),
    "evaluate, no folder": ("evaluate run --data m.csv --json masks/0.png/x.json", "x.json cannot be written"),
    "evaluate, a shard": ("evaluate run --data m.csv --json busy.json --shard 0/2", "0-of-2.json cannot be written"),
    "scan, numbers": ("scan m.csv --json other.csv", "must end in .json; give --json such a file"),
    "scan, numbers into a folder": ("scan m.csv --json folder.json", "is a folder; give --json a file"),
    "scan, a manifest": ("scan m.csv --out x.txt", "must end in .parquet or .csv; give --out such a file"),
    "scan, a manifest into a file": ("scan m.csv --out masks/0.png/x.csv", "x.csv cannot be written"),
    "scan, a shard": ("scan m.csv --json busy.json --shard 0/2", "0-of-2.json cannot be written"),
    "index": ("index folder frames --out x.txt", "must end in .parquet or .csv; give --out such a file"),
    "index, no folder": ("index folder frames --out masks/0.png/x.csv", "x.csv cannot be written"),
    "propagate": ("labels propagate m.csv --out masks/0.png/x.csv", "x.csv cannot be written"),
    "select, no folder": ("select run --data m.csv --count 2 --out masks/0.png/x", "masks/0.png/x cannot be written"),
    "report": ("report run --out other.csv", "must end in .html or .htm; give --out such a file"),
    "report, a folder": ("report run --out folder.html", "is a folder; give --out a file that ends in .html"),
    "report, several": ("report run run2 --out other.csv", "must end in .html or .htm; give --out such a file"),
}
"""Commands, and what is said of the place that they would write to."""


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_will_not_do_is_told_before_the_work(
    name: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(world, tmp_path / "world", symlinks=True))
    shutil.copytree(folder / "run", folder / "run2")
    monkeypatch.chdir(folder)
    for made in ("folder.json", "folder.html", "table.csv"):
        Path(made).mkdir()
    Path("busy.shards").touch()
    Path("other.csv").write_bytes(b"precious")
    for work in ("evaluation.evaluate.evaluate_parts", "data.scan.measure_sequence", "report.page.collect_samples"):
        monkeypatch.setattr(f"vergence.{work}", _no_work)
    before = state(folder)
    words, said = PLACES[name]
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err
    assert state(folder) == before


def _no_work(*_: object, **__: object) -> None:
    raise AssertionError("the work began")


def test_the_same_call_twice_may_replace_its_own_results(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(world, tmp_path / "world", symlinks=True))
    monkeypatch.chdir(folder)
    shutil.copytree("masks", "given/labels")
    shutil.move("given/labels/classes.json", "given")
    for _ in range(2):
        for call in (
            "labels import given --data frames.csv --out new.csv --label_space camvid11",
            "index folder frames --out frames/manifest.csv",
            "evaluate run --data m.csv --json result.json --per_image --baselines false",
            "predict run frames.csv --out p2",
        ):
            assert main(call.split()) == 0
