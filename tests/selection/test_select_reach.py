"""Selection by reach from a video to its page, and labels that are carried from what it chose."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.small_runs import write_run
from vergence import api, cli
from vergence.data.layouts.toytown import toytown
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.labelling import select
from vergence.selection.select import _criterion

pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "depth"
    return write_run(folder, "depth-toytown-tiny", **{"pose.encoder": "posecnn"})


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two streets; the second begins with a halt of eleven frames."""
    folder = tmp_path_factory.mktemp("town")
    drive = toytown(folder / "drive", frames=14, train=2, val=0, stereo=False)
    slow = toytown(folder / "slow", frames=11, train=2, val=0, stereo=False, fps=100.0)
    streets = list(dict.fromkeys(row.sequence for row in drive))
    rows = []
    for source, street, begins, at in ((drive, streets[0], 0, 0), (slow, streets[1], 0, 0), (drive, streets[1], 2, 11)):
        for index, row in enumerate(source):
            if row.sequence == street and row.position >= begins:
                files = {"image": str(source.path(index)), "label": str(source.path(index, "label"))}
                rows.append(replace(row, **files, depth="", stereo="", pose="", split="", fps=10.0,
                                    position=row.position - begins + at))  # fmt: skip
    return Manifest(rows, folder)


def unlabelled(town: Manifest, folder: Path) -> Path:
    return Manifest([replace(row, label="", label_space="") for row in town], town.root).write(folder / "video.parquet")


def test_from_video_to_carried_labels(run: Path, town: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data, out = unlabelled(town, tmp_path), tmp_path / "out"
    words = [
        "select",
        str(run),
        "--data",
        str(data),
        "--count",
        "4",
        "--criterion",
        "reach",
        "--val",
        "2",
        "--out",
        str(out),
    ]
    assert cli.main([*words, "--seconds", "1", "--device", "cpu"]) == 0
    assert f"4 of {len(town)} frames chosen by reach and 2 set aside as split val" in capsys.readouterr().out
    found = json.loads((out / "selection.json").read_text())
    assert found["seconds"] == 1
    assert 0.5 < found["reached"] < 1
    adds = [frame["adds"] for frame in found["frames"]]
    assert adds[0] > 4
    streets = [(frame["sequence"], frame["position"]) for frame in found["frames"]]
    assert len({street for street, _ in streets[:2]}) == 2
    assert (
        sum(position < 11 and street == streets_of(town)[1] for street, position in streets) <= 1
    )  # one halt, one label
    assert not {frame["image"] for frame in found["frames"]} & set(found["val"])
    text = (out / "selection.html").read_text(encoding="utf-8")
    assert "How far their labels reach" in text
    assert text.count("s back and") == 4
    assert "from random ones and" in text

    frames = Manifest.read(out / "frames.parquet")
    by_name = {Path(town.path(index)).resolve(): index for index in range(len(town))}
    asked = {Path(frames.root / row.image).resolve() for row in Manifest.read(out / "selection.parquet")}
    rows = []
    for index, row in enumerate(frames):
        truth = by_name[frames.path(index).resolve()]
        label = {"label": str(town.path(truth, "label")), "label_space": town[truth].label_space}
        rows.append(replace(row, **label) if frames.path(index).resolve() in asked else row)
    labelled = Manifest(rows, frames.root).write(tmp_path / "labelled.parquet")
    record = api.labels_propagate(labelled, tmp_path / "carried.parquet", seconds=1.0, device="cpu")
    assert record["labelled"] == 4
    assert record["check"]["meetings"] >= 2  # what arrives at frames to judge by is compared with their labels
    carried = Manifest.read(tmp_path / "carried.parquet")
    assert not any(row.label_origin for row in carried if row.split == "val")
    assert record["carried"] + 6 == pytest.approx(len(town), abs=3)
    far = {Path(segment[end]).name for segment in record["segments"] for end in ("from", "to") if segment[end]}
    assert not far & {Path(name).name for name in found["val"]}


def streets_of(town: Manifest) -> list[str]:
    return list(dict.fromkeys(row.sequence for row in town))


def _page(folder: Path) -> str:
    page = folder / "selection.html"
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def test_labelled_frames_reach_already_and_beginnings_are_nested(run: Path, town: Manifest, tmp_path: Path) -> None:
    data = unlabelled(town, tmp_path)
    two = select(run, data, 2, tmp_path / "out", "reach", seconds=1.0)
    four = select(run, data, 4, tmp_path / "out", "reach", seconds=1.0)
    names = [[frame["image"] for frame in found["frames"]] for found in (two, four)]
    assert names[1][:2] == names[0]
    (tmp_path / "labelled.txt").write_text("\n".join(names[0]))
    more = select(run, data, 2, tmp_path / "out", "reach", seconds=1.0, labelled=tmp_path / "labelled.txt")
    assert [frame["image"] for frame in more["frames"]] == names[1][2:]
    assert more["reached"] == pytest.approx(four["reached"])
    assert all(frame["rarity"] == pytest.approx(1) for frame in four["frames"])
    assert "rare content first" not in _page(tmp_path / "out")
    rare = select(run, data, 4, tmp_path / "out", "reach", seconds=1.0, rarity=2.0)
    assert max(abs(frame["rarity"] - 1) for frame in rare["frames"]) > 0.01
    assert "rare content first" in _page(tmp_path / "out")
    reached = np.load(tmp_path / "out" / "reach.npy")
    pieces = tmp_path / "pieces"
    for shard in (1, 0):
        select(run, data, 4, pieces, "reach", seconds=1.0, shard=f"{shard}/2")
    assert (np.load(pieces / "reach.npy") == reached).all()


def test_video_is_chosen_by_reach_and_stills_are_not(run: Path, town: Manifest, tmp_path: Path) -> None:
    assert select(run, unlabelled(town, tmp_path), 2, tmp_path / "out", seconds=1.0)["criterion"] == "reach"
    stills = [replace(row, sequence=str(place), label="", label_space="") for place, row in enumerate(town)]
    pile = Manifest(stills, town.root)
    assert _criterion(pile, 2.0, False) == "ds_us"
    assert _criterion(town, 2.0, True) == "ds_us"


def test_bad_input(run: Path, town: Manifest, tmp_path: Path) -> None:
    data = unlabelled(town, tmp_path)
    with pytest.raises(InputError, match="seconds is 0; give how far"):
        select(run, data, 2, tmp_path / "out", "reach", seconds=0)
    with pytest.raises(InputError, match="rarity is -1; give a power from 0"):
        select(run, data, 2, tmp_path / "out", "reach", rarity=-1)
    stills = Manifest([replace(row, sequence=str(place)) for place, row in enumerate(town)], town.root)
    with pytest.raises(InputError, match=r"no frame of .*stills\.parquet has a neighbour within 2 seconds"):
        select(run, stills.write(tmp_path / "stills.parquet"), 2, tmp_path / "stills", "reach")
