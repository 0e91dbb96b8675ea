"""Labels carried through toy town, where every label is known."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from tests.propagation.moving import video
from vergence import api
from vergence.data.layouts.toytown import toytown
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.subsets import labelled_subset
from vergence.data.shards import Shard
from vergence.errors import InputError
from vergence.inference.inputs import has_label
from vergence.propagation.propagate import Propagation, propagate

pytest.importorskip("cv2", reason="OpenCV (extra flow) is not installed")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return toytown(tmp_path_factory.mktemp("town"), frames=12, train=1, val=0, stereo=False)


def with_labels_at(town: Manifest, *positions: int) -> Manifest:
    rows = [row if row.position in positions else replace(row, label="", label_space="") for row in town]
    return Manifest(rows, town.root)


@pytest.fixture(scope="module")
def carried(town: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, dict]:
    folder = tmp_path_factory.mktemp("carried")
    given = with_labels_at(town, 3, 8).write(folder / "given.parquet")
    record = api.labels_propagate(given, folder / "out.parquet", seconds=1.0)
    return Manifest.read(folder / "out.parquet"), record


def right(town: Manifest, carried: Manifest) -> tuple[float, float]:
    """Share of the pixels of carried frames that have a label, and share of these that are right."""
    truth = {row.position: town.path(index, "label") for index, row in enumerate(town)}
    rows = [index for index, row in enumerate(carried) if row.label_origin]
    pairs = [(read_label(carried.path(row, "label")), read_label(truth[carried[row].position])) for row in rows]
    found, known = (np.stack(labels) for labels in zip(*pairs, strict=True))
    kept = found != 255
    return float(kept.mean()), float((found == known)[kept & (known != 255)].mean())


def test_most_of_two_labels_is_right_on_ten_frames(town: Manifest, carried: tuple[Manifest, dict]) -> None:
    manifest, record = carried
    coverage, correct = right(town, manifest)
    assert record["carried"] == 10
    assert coverage == pytest.approx(0.9, abs=0.02)
    assert coverage == pytest.approx(record["coverage"], abs=1e-3)
    assert correct > 0.95
    assert record["check"]["meetings"] == 2
    assert 0.8 < record["check"]["right"] < record["check"]["right_kept"] <= 1


def test_confidence_orders_right_and_wrong(town: Manifest, carried: tuple[Manifest, dict]) -> None:
    manifest, _ = carried
    truth = {row.position: town.path(index, "label") for index, row in enumerate(town)}
    sure: dict[bool, list[float]] = {True: [], False: []}
    for index, row in enumerate(manifest):
        if row.label_origin:
            found, known = read_label(manifest.path(index, "label")), read_label(truth[row.position])
            confidence = np.asarray(Image.open(manifest.path(index, "label_confidence"))) / 255
            assert (confidence[found == 255] == 0).all()
            for same in (True, False):
                sure[same] += list(confidence[(found != 255) & (known != 255) & ((found == known) == same)])
    assert np.mean(sure[True]) > np.mean(sure[False]) + 0.05
    everything = sure[True] + sure[False]
    assert np.mean(everything) == pytest.approx(len(sure[True]) / len(everything), abs=0.03)  # it is a probability


def test_labels_by_hand_stay_and_carried_ones_never_judge(carried: tuple[Manifest, dict]) -> None:
    manifest, _ = carried
    judges = [row.position for index, row in enumerate(manifest) if has_label(manifest, index)]
    assert judges == [3, 8]
    assert len(labelled_subset(manifest).rows) == 12
    with pytest.raises(InputError, match="carried from 2 labelled frames, of which 1"):
        labelled_subset(manifest, count=1)


def test_a_call_that_is_repeated_replaces_what_it_carried(
    town: Manifest, carried: tuple[Manifest, dict], tmp_path: Path
) -> None:
    again = carried[0].write(tmp_path / "again.parquet")
    record = api.labels_propagate(again, tmp_path / "short.parquet", seconds=0.1)
    assert record["carried"] == 4
    assert [row.position for row in Manifest.read(tmp_path / "short.parquet") if row.label] == [2, 3, 4, 7, 8, 9]


def test_the_new_manifest_may_lie_in_another_folder(town: Manifest, tmp_path: Path) -> None:
    given = with_labels_at(town, 3, 8).write(tmp_path / "given.parquet")
    out = tmp_path / "some" / "where" / "out.parquet"
    record = api.labels_propagate(given, out, seconds=0.1)
    told = {frame["image"] for segment in record["segments"] for frame in segment["frames"]}
    assert told == {row.image for row in Manifest.read(out) if row.label_origin}
    assert "4 frames" in (out.with_suffix("") / "propagation.html").read_text(encoding="utf-8")


def test_joined_shards_are_what_one_process_carries(town: Manifest, tmp_path: Path) -> None:
    given = with_labels_at(town, 3, 8).write(tmp_path / "given.parquet")
    whole = api.labels_propagate(given, tmp_path / "whole.parquet", seconds=0.2)
    out, total = tmp_path / "out.parquet", len(whole["segments"])
    assert total > 1
    records = [api.labels_propagate(given, out, seconds=0.2, shard=f"{number}/{total}") for number in range(1, total)]
    assert records[0] == {"shard": f"1/{total}", "segments": 1, "of": total}
    with pytest.raises(InputError, match=f"0/{total} is missing or not done; run the same command with --shard 0/"):
        api.labels_propagate(given, out, seconds=0.2)
    with pytest.raises(InputError, match=r"is of other settings \(seconds 0.2, here 0.3\)"):
        api.labels_propagate(given, out, seconds=0.3, shard=f"0/{total}")
    with pytest.raises(InputError, match=f"has shard 1/{total}, which overlaps 0/9"):
        api.labels_propagate(given, out, seconds=0.2, shard="0/9")
    assert not out.exists()
    api.labels_propagate(given, out, seconds=0.2, shard=f"0/{total}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vergence.propagation.propagate._carry", lambda *_: pytest.fail("carried again"))
        assert api.labels_propagate(given, out, seconds=0.2) == whole
    for path in (tmp_path / "whole").rglob("*.png"):
        assert (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
    assert not (tmp_path / "out" / ".work").exists()
    late = api.labels_propagate(given, out, seconds=0.2, shard=f"0/{total}")
    assert late == {"shard": f"0/{total}", "segments": 0, "of": total}
    assert not (tmp_path / "out" / ".work").exists()


def test_frames_that_changed_after_their_shard_are_looked_at_again(tmp_path: Path) -> None:
    manifest = video(tmp_path, frames=8)
    propagate(manifest, tmp_path / "out.csv", Propagation(), shard=Shard(0, 1))
    Image.new("RGB", (48, 24)).save(tmp_path / "5.png")
    with pytest.raises(InputError, match=r"5\.png is 48x24, but .* of the same sequence is 96x48"):
        propagate(manifest, tmp_path / "out.csv", Propagation())


@pytest.mark.parametrize(
    ("where", "change"),
    [([2], {"label_space": "cityscapes19"}), (range(6), {"fps": 5.0}), ([5], {"position": 40})],
    ids=["space", "rate", "position"],
)
def test_a_call_goes_on_only_with_what_was_carried_of_the_same_rows(
    tmp_path: Path, where: Sequence[int], change: dict[str, Any]
) -> None:
    first = video(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vergence.propagation.propagate._threshold", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            propagate(first, tmp_path / "out.csv", Propagation(seconds=9))
    assert list((tmp_path / "out" / ".work").glob("*/carried.json"))
    changed = Manifest([replace(row, **change) if row.position in where else row for row in first], tmp_path)
    again, anew = (propagate(changed, tmp_path / name, Propagation(seconds=9)) for name in ("out.csv", "new.csv"))
    assert {**again, "segments": 0} == {**anew, "segments": 0}
    for path in (tmp_path / "new").rglob("*.png"):
        assert (tmp_path / "out" / path.relative_to(tmp_path / "new")).read_bytes() == path.read_bytes()


def test_pictures_of_an_earlier_call_that_went_farther_go(town: Manifest, tmp_path: Path) -> None:
    given = with_labels_at(town, 3, 8)
    for seconds, count in ((1.0, 10), (0.1, 4)):
        propagate(given, tmp_path / "out.csv", Propagation(seconds=seconds))
        for kind in ("labels", "confidence"):
            assert len(list((tmp_path / "out" / kind).rglob("*.png"))) == count


def test_labels_are_counted_that_were_carried(tmp_path: Path) -> None:
    manifest = video(tmp_path)
    alone = replace(manifest[2], sequence="alone")
    record = propagate(Manifest([*manifest, alone], tmp_path), tmp_path / "out.csv", Propagation())
    assert record["labelled"] == 1


def test_training_weighs_by_confidence(carried: tuple[Manifest, dict], tmp_path: Path) -> None:
    data = carried[0].write(tmp_path / "data.parquet")
    words = {"train.steps": 1, "frames.batch_size": 2, "frames.workers": 0, "frames.labelled.count": None}
    words |= {"train.evaluate_every": 0, "train.log_every": 1}
    run = api.train("supervised-toytown-tiny", tmp_path / "run", data, words)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any(row.get("segmentation", 0) > 0 for row in rows)


class TestBadInput:
    def test_no_label(self, town: Manifest, tmp_path: Path) -> None:
        given = with_labels_at(town).write(tmp_path / "given.parquet")
        with pytest.raises(InputError, match="no labelled frame"):
            api.labels_propagate(given, tmp_path / "out.parquet")
        assert not (tmp_path / "out.parquet").exists()

    def test_a_label_without_neighbours(self, town: Manifest, tmp_path: Path) -> None:
        rows = [replace(row, sequence=str(row.position)) for row in with_labels_at(town, 4)]
        given = Manifest(rows, town.root).write(tmp_path / "given.parquet")
        with pytest.raises(InputError, match="within 2 seconds"):
            api.labels_propagate(given, tmp_path / "out.parquet")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"motion": "geometry"}, "needs a depth run"),
            ({"keep": 0.0}, "--keep"),
            ({"seconds": -1.0}, "--seconds"),
            ({"width": 8}, "--width"),
        ],
    )
    def test_options_that_make_no_sense(self, town: Manifest, tmp_path: Path, options: dict, message: str) -> None:
        given = with_labels_at(town, 4).write(tmp_path / "given.parquet")
        with pytest.raises(InputError, match=message):
            api.labels_propagate(given, tmp_path / "out.parquet", **options)

    def test_a_cut_stops_them(self, town: Manifest, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (96, 192, 3), dtype=np.uint8)
        rows = []
        for row in with_labels_at(town, 4):
            picture = tmp_path / f"{row.position}.png"
            Image.fromarray(np.roll(noise, 37 * row.position, 1)).save(picture)
            image = str(picture) if row.position > 6 else str(town.root / row.image)
            rows.append(replace(row, image=image, label=str(town.root / row.label) if row.label else ""))
        given = Manifest(rows, tmp_path).write(tmp_path / "given.parquet")
        record = api.labels_propagate(given, tmp_path / "out.parquet")
        out = Manifest.read(tmp_path / "out.parquet")
        assert max(row.position for row in out if row.label) == 6
        assert any(Path(cut).name == "7.png" for segment in record["segments"] for cut in segment["cuts"])


def test_results_never_go_into_a_folder_of_something_else(town: Manifest, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"")
    labelled = with_labels_at(town, 0)
    (tmp_path / "its.csv").mkdir()
    for out, said in (
        ("mine.csv", "holds something else"), ("mine", "must end in .parquet or .csv"), ("its.csv", "is a folder"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            propagate(labelled, tmp_path / out, Propagation())
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["its.csv", "mine", "photo.png"]
    with pytest.raises(InputError, match="field_of_view"):
        Propagation(field_of_view=float("nan"))


def test_the_manifest_that_is_read_is_not_replaced(town: Manifest, tmp_path: Path) -> None:
    path = with_labels_at(town, 0).write(tmp_path / "m.csv")
    with pytest.raises(InputError, match="is read and would be overwritten"):
        api.labels_propagate(path, path)
    with pytest.raises(InputError, match="device 'tpu' is unknown"):
        api.labels_propagate(path, tmp_path / "o.csv", device="tpu")
