"""Selection from a run to its files: criteria, nesting, resuming, shards, what is left out, and bad input."""

import json
import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.small_runs import HEIGHT, NETWORK, WIDTH, write_run
from vergence import api, cli
from vergence.data.annotation import export_labels
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.subsets import labelled_subset, read_list
from vergence.errors import InputError, Interrupted
from vergence.labelling import select
from vergence.runs.config import load_config
from vergence.selection import frame_features as select_features
from vergence.selection import student as select_student
from vergence.selection.orders import random_order, uniform_order

COUNT = 14
STUDENT = {
    **{f"network.{key}": value for key, value in NETWORK.items()},
    "train.steps": 2,
    "frames.workers": 0,
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def rows(count: int = COUNT) -> list[FrameRow]:
    """Two sequences, one of them of two cameras."""
    sequences = ["a"] * (count // 2) + ["b"] * (count - count // 2)
    cameras = ["left" if number % 2 else "right" for number in range(count // 2)] + [""] * (count - count // 2)
    return [
        FrameRow(f"image/{number:02d}.png", sequence, number, "train", camera=camera)
        for number, (sequence, camera) in enumerate(zip(sequences, cameras, strict=True))
    ]


def write_world(folder: Path, frames: list[FrameRow] | None = None) -> Path:
    """Smooth noise, each frame of its own brightness and size."""
    rng = np.random.default_rng(0)
    (folder / "image").mkdir(parents=True)
    frames = rows() if frames is None else frames
    for number, frame in enumerate(frames):
        coarse = rng.integers(0, 100 + 10 * number, (4, 8, 3), dtype=np.uint8)
        size = (WIDTH, HEIGHT) if number % 3 else (2 * WIDTH, HEIGHT + 16)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / frame.image)
    return Manifest(frames, folder).write(folder / "manifest.parquet")


@pytest.fixture(scope="session")
def depth_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "depth", "depth-toytown-tiny", **{"pose.encoder": "posecnn"})


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_world(tmp_path / "world")


def names(selection: dict[str, Any]) -> list[str]:
    return [frame["image"] for frame in selection["frames"]]


def stems(selection: dict[str, Any]) -> list[int]:
    return [int(Path(name).stem) for name in names(selection)]


def test_diversity_and_its_files(depth_run: Path, world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = select(depth_run, world, 6, out, "ds", seed=1)
    chosen = stems(found)
    assert chosen[0] == random_order(COUNT, 1)[0]
    assert len(set(chosen)) == 6
    distances = [frame["distance"] for frame in found["frames"][1:]]
    assert distances == sorted(distances, reverse=True)
    assert json.loads((out / "selection.json").read_text()) == found
    assert read_list(out / "selection.json") == names(found)
    assert read_list(out / "nlabels_3.txt") == names(found)[:3]
    assert [row.image for row in Manifest.read(out / "selection.parquet")] == [
        f"../world/{name}" for name in names(found)
    ]
    features = np.load(out / "features.npy")
    assert features.shape == (COUNT, 8 * 32)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    shorter = select(depth_run, world, 2, tmp_path / "out", "ds", seed=1)
    assert stems(shorter) == chosen[:2]
    assert not (out / "nlabels_3.txt").exists()


def test_a_list_trains_what_was_chosen(depth_run: Path, world: Path, tmp_path: Path) -> None:
    found = select(depth_run, world, 4, tmp_path / "out", "ds")
    manifest = Manifest.read(world).changed(lambda row: FrameRow(**{**_values(row), "label": row.image}))
    subset = labelled_subset(manifest, 3, None, str(tmp_path / "out" / "selection.json"))
    assert subset.rows == sorted(stems(found)[:3])


def _values(row: FrameRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FrameRow.__slots__}


def test_labels_are_not_read(depth_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Label files are garbage or absent, and whoever reads one fails."""
    frames = [FrameRow(**{**_values(row), "label": f"label/{place}.png", "label_space": "camvid11"})
              for place, row in enumerate(rows())]  # fmt: skip
    world = write_world(tmp_path / "world", frames)
    (tmp_path / "world" / "label").mkdir()
    for place in range(0, COUNT, 2):
        (tmp_path / "world" / "label" / f"{place}.png").write_bytes(b"no image")

    def fail(*args: object) -> None:
        raise AssertionError("a label was read")

    monkeypatch.setattr("vergence.data.frame_reader.read_label", fail)
    monkeypatch.setattr("vergence.data.masks.label_pictures.read_label", fail)
    for criterion in ("ds", "random", "uniform", "ds_us"):
        found = api.select(depth_run, world, 4, tmp_path / "out", criterion, student="select-student-tiny",
                           overrides=STUDENT if criterion == "ds_us" else (), device="cpu")  # fmt: skip
        assert len(found["frames"]) == 4


def test_random_and_uniform(depth_run: Path, world: Path, tmp_path: Path) -> None:
    assert stems(select(depth_run, world, 5, tmp_path / "out", "random", seed=42)) == random_order(COUNT, 42)[:5]
    frames = rows()
    order = uniform_order([(row.sequence, row.camera) for row in frames], [row.position for row in frames])
    assert stems(select(depth_run, world, 5, tmp_path / "out", "uniform")) == order[:5]
    assert {row.sequence + row.camera for row in (frames[place] for place in order[:5])} == {"aleft", "aright", "b"}


@pytest.mark.parametrize("criterion", ["us", "ds_us"])
def test_students_decide(criterion: str, depth_run: Path, world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = select(depth_run, world, 6, out, criterion, steps="2,4", student="select-student-tiny", overrides=STUDENT)
    frames = found["frames"]
    assert [frame["step"] for frame in frames] == [2, 2, 4, 4, 6, 6]
    assert ["difficulty" in frame for frame in frames] == [False, False, True, True, True, True]
    first = select(depth_run, world, 2, tmp_path / "first", "random" if criterion == "us" else "ds")
    assert names(first) == names(found)[:2]
    scores = np.load(out / "steps" / "step-2" / "difficulty.npy")
    assert np.isnan(scores[stems(found)[:2]]).all()
    if criterion == "us":
        left = np.nan_to_num(scores, nan=-1)
        assert stems(found)[2:4] == np.argsort(-left, kind="stable")[:2].tolist()
    assert not (out / "steps" / "step-2" / "student" / "checkpoints").exists()
    steps = [yaml.safe_load((out / "steps" / f"step-{k}" / "student" / "recipe.yaml").read_text()) for k in (2, 4)]
    assert [one["train"]["steps"] for one in steps] == [2, 4]
    assert [one["frames"]["options"]["height"] for one in steps] == [HEIGHT, HEIGHT]


def test_goes_on_where_it_was_killed(
    depth_run: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"steps": "2,4", "student": "select-student-tiny", "overrides": STUDENT}
    whole = select(depth_run, world, 6, tmp_path / "whole", "ds_us", **settings)
    out = tmp_path / "out"
    load, seen = select_features._load, []

    def killed(run: Any, manifest: Manifest, row: int) -> Any:
        if row == 9:
            raise KeyboardInterrupt
        return load(run, manifest, row)

    monkeypatch.setattr(select_features, "_load", killed)
    with pytest.raises(KeyboardInterrupt):
        select(depth_run, world, 6, out, "ds_us", **settings)
    done = np.load(out / "digests.npy") > 0
    assert 0 < done.sum() < COUNT
    monkeypatch.setattr(
        select_features, "_load", lambda run, manifest, row: seen.append(row) or load(run, manifest, row)
    )
    train = select_student.train

    def stopped(config: Any, run: Path, resume: bool) -> Path:
        if config.train.steps == 4:
            raise Interrupted("stopped", 128 + signal.SIGINT)
        return train(config, run, resume)

    monkeypatch.setattr(select_student, "train", stopped)
    with pytest.raises(Interrupted, match="step-4; the same call goes on"):
        select(depth_run, world, 6, out, "ds_us", **settings)
    assert set(seen) - {0} == set(np.flatnonzero(~done)) - {0}  # the first says how wide features are
    trained = []
    monkeypatch.setattr(
        select_student, "train", lambda config, run, resume: trained.append(run) or train(config, run, resume)
    )
    assert names(select(depth_run, world, 6, out, "ds_us", **settings)) == names(whole)
    assert [run.parent.name for run in trained] == ["step-4"]
    longer = select(depth_run, world, 8, out, "ds_us", **{**settings, "steps": "2,4,6"})
    assert names(longer)[:6] == names(whole)
    assert [run.parent.name for run in trained] == ["step-4", "step-6"]


def test_shards_make_the_same_features(
    depth_run: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = select(depth_run, world, 5, tmp_path / "whole", "ds")
    out = tmp_path / "out"
    expected = {"shard": "2/3", "features": [9, 14], "of": COUNT}
    assert select(depth_run, world, 5, out, "ds", shard="2/3") == expected
    with pytest.raises(InputError, match="0/3, 1/3 are missing or not done; run the same command with --shard 0/3"):
        select(depth_run, world, 5, out, "ds")
    with pytest.raises(InputError, match="has shard 2/3, which overlaps 0/4"):
        select(depth_run, world, 5, out, "ds", shard="0/4")
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        assert "frames" not in api.select(depth_run, world, 5, out, "ds", device="cpu")
    monkeypatch.setattr(select_features, "_computed", lambda run, manifest, rows: iter(assert_none(list(rows))))
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name)
    assert names(select(depth_run, world, 5, out, "ds")) == names(whole)
    assert not (out / "shards").exists()
    assert select(depth_run, world, 5, out, "ds", shard="2/3") == expected  # it comes late
    assert not (out / "shards").exists()
    np.testing.assert_allclose(
        np.load(out / "features.npy"), np.load(tmp_path / "whole" / "features.npy"), rtol=1e-4, atol=1e-4
    )


def assert_none(rows: list[int]) -> list[Any]:
    assert rows == []
    return rows


def test_half_precision_chooses_nearly_the_same(depth_run: Path, world: Path, tmp_path: Path) -> None:
    whole = select(depth_run, world, 5, tmp_path / "whole", "ds")
    half = select(depth_run, world, 5, tmp_path / "half", "ds", half=True)
    assert np.load(tmp_path / "half" / "features.npy").dtype == np.float16
    assert names(half)[:3] == names(whole)[:3]


def test_duplicates_are_told_and_chosen_once(
    depth_run: Path, world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = tmp_path / "world" / "image"
    for twin, of in ((3, 1), (8, 1), (12, 10)):
        (image / f"{twin:02d}.png").write_bytes((image / f"{of:02d}.png").read_bytes())
    with caplog.at_level(logging.INFO, "vergence"):
        found = select(depth_run, world, COUNT - 3, tmp_path / "out", "random")
    assert "3 frames are identical to others and are left out" in caplog.text
    assert set(stems(found)) == set(range(COUNT)) - {3, 8, 12}
    assert found["left_out"] == 3
    with pytest.raises(InputError, match=r"12 frames are asked for and .* has 11 without 3 excluded, labelled, ident"):
        select(depth_run, world, COUNT - 2, tmp_path / "out", "ds")


def test_excluded_and_labelled_frames(depth_run: Path, world: Path, tmp_path: Path) -> None:
    plain = select(depth_run, world, 4, tmp_path / "out", "ds")
    (tmp_path / "no.txt").write_text(f"{names(plain)[1]}\n# dark\n{names(plain)[2]}\n")
    found = select(depth_run, world, 10, tmp_path / "out", "ds", exclude=tmp_path / "no.txt")
    assert not set(names(plain)[1:3]) & set(names(found))
    (tmp_path / "have.json").write_text(json.dumps(names(plain)[:2]))
    more = select(depth_run, world, 2, tmp_path / "out", "ds", labelled=tmp_path / "have.json")
    assert names(more) == names(plain)[2:]  # as if the choice had gone on
    assert more["labelled"] == sorted(stems(plain)[:2])
    frames = [FrameRow(**{**_values(row), "label": "x.png" if place < 10 else ""}) for place, row in enumerate(rows())]
    Manifest(frames, tmp_path / "world").write(world)
    rest = select(depth_run, world, 4, tmp_path / "out", "ds", exclude="labelled")
    assert set(stems(rest)) == {10, 11, 12, 13}


def test_entropy_of_a_segmentation_run(depth_run: Path, world: Path, tmp_path: Path) -> None:
    space = "toy:a#000000,b#ffffff"
    run = write_run(tmp_path / "run", "supervised-toytown-tiny", **{"frames.options.label_space": space})
    found = select(run, world, 4, tmp_path / "out", "entropy")
    entropies = [frame["entropy"] for frame in found["frames"]]
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[-1] >= np.nanmax(np.delete(np.load(tmp_path / "out/steps/entropy/entropy.npy"), stems(found)))
    with pytest.raises(InputError, match="predicts no classes, whose entropy is asked for; name a segmentation run"):
        select(depth_run, world, 4, tmp_path / "out", "entropy")
    with pytest.raises(InputError, match="predicts no depth for a student to learn; name a depth run with --depth"):
        select(run, world, 4, tmp_path / "out", "us")


def test_a_picture_in_two_rows_is_chosen_in_its_own(depth_run: Path, tmp_path: Path) -> None:
    frames = [FrameRow(**{**_values(row), "split": "train"}) for row in rows()]
    once = Manifest.read(write_world(tmp_path / "world", frames))
    again = [FrameRow(**{**_values(row), "split": "val", "sequence": "again"}) for row in once]
    world = Manifest([*once, *again], once.root).write(once.root / "twice.parquet")
    select(depth_run, world, 4, tmp_path / "out", "ds", split="train")
    asked = Manifest.read(tmp_path / "out" / "selection.parquet")
    assert {(row.split, row.sequence == "again") for row in asked} == {("train", False)}
    whole = Manifest.read(tmp_path / "out" / "frames.parquet")
    assert all(row.split == ("val" if row.sequence == "again" else "train") for row in whole)


def test_splits(depth_run: Path, tmp_path: Path) -> None:
    frames = [
        FrameRow(**{**_values(row), "split": "val" if place < 6 else "train"}) for place, row in enumerate(rows())
    ]
    world = write_world(tmp_path / "world", frames)
    assert min(stems(select(depth_run, world, 8, tmp_path / "train", "ds"))) == 6
    assert len(select(depth_run, world, 14, tmp_path / "all", "ds", split="all")["frames"]) == 14
    with pytest.raises(InputError, match="has no split 'test' but 'val', 'train'; name one of these, or all"):
        select(depth_run, world, 2, tmp_path / "out", "ds", split="test")


def test_bad_calls(depth_run: Path, world: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=f"20 frames are asked for and .* has {COUNT}; ask for fewer"):
        select(depth_run, world, 20, out, "ds")
    with pytest.raises(InputError, match="count is 0; give 1 or more"):
        select(depth_run, world, 0, out, "ds")
    with pytest.raises(InputError, match=r"'dsus' is unknown \(did you mean .ds_us.\?\); use one of auto, reach, ds"):
        select(depth_run, world, 2, out, "dsus")
    with pytest.raises(InputError, match=r"weight is -1; give 0 or more"):
        select(depth_run, world, 2, out, "ds_us", weight=-1)
    with pytest.raises(InputError, match=r"steps are '4,2'; give rising numbers"):
        select(depth_run, world, 6, out, "us", steps="4,2")
    with pytest.raises(InputError, match="shard 3/2 is impossible; number shards from 0/2 to 1/2"):
        select(depth_run, world, 2, out, "ds", shard="3/2")
    with pytest.raises(InputError, match="is of method depth; a student's recipe learns from estimated depth alone"):
        select(depth_run, world, 2, out, "us", student="depth-video")
    with pytest.raises(InputError, match=r"criterion ds trains no students; leave out --train\.steps"):
        select(depth_run, world, 2, out, "ds", overrides=["--train.steps", "3"])
    (tmp_path / "no.txt").write_text("nowhere.png\n")
    with pytest.raises(InputError, match=r"lists nowhere\.png, which is no frame of"):
        select(depth_run, world, 2, out, "ds", exclude=tmp_path / "no.txt")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="is there and holds no selection; give a new folder"):
        select(depth_run, world, 2, tmp_path / "full", "ds")


def test_no_frames(depth_run: Path, tmp_path: Path) -> None:
    empty = Manifest([], tmp_path).write(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="has no frames; there is nothing to choose from"):
        select(depth_run, empty, 2, tmp_path / "out", "ds")


def test_other_frames_or_runs_need_another_folder(depth_run: Path, world: Path, tmp_path: Path) -> None:
    select(depth_run, world, 2, tmp_path / "out", "ds")
    Manifest(rows()[:-1], tmp_path / "world").write(world)
    with pytest.raises(InputError, match="holds features of other frames; give another --out"):
        select(depth_run, world, 2, tmp_path / "out", "ds")
    Manifest(rows(), tmp_path / "world").write(world)
    torch.manual_seed(5)
    wider = {"pose.encoder": "posecnn", "network.decoder_widths": [4, 4, 8, 12, 8]}
    other = write_run(tmp_path / "run", "depth-toytown-tiny", **wider)
    with pytest.raises(InputError, match="holds features of another run; give another --out"):
        select(other, world, 2, tmp_path / "out", "ds")
    (tmp_path / "out" / "features.npy").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"features.npy cannot be read as NumPy arrays .*; remove that folder"):
        select(depth_run, world, 2, tmp_path / "out", "ds")


def test_changed_pictures_and_damaged_features_are_noticed(
    depth_run: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    out, image = tmp_path / "out", tmp_path / "world" / "image"
    select(depth_run, world, 2, out, "ds")
    features = np.load(out / "features.npy", mmap_mode="r+")
    good = features[7].copy()
    features[7, :3] += 1
    features.flush()
    times = (image / "04.png").stat()
    (image / "04.png").write_bytes((image / "11.png").read_bytes())
    os.utime(image / "04.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as copying tools do
    load, seen = select_features._load, []
    monkeypatch.setattr(
        select_features, "_load", lambda run, manifest, row: seen.append(row) or load(run, manifest, row)
    )
    select(depth_run, world, 2, out, "ds")
    assert set(seen) - {0} == {4, 7}  # the first says how wide features are
    assert "features of 2 frames are made again" in caplog.text
    found = np.load(out / "features.npy")
    np.testing.assert_allclose(found[7], good, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[4], found[11], rtol=1e-4, atol=1e-4)
    seen.clear()
    select(depth_run, world, 2, out, "ds")
    assert set(seen) <= {0}


def test_broken_files(depth_run: Path, world: Path, tmp_path: Path) -> None:
    image = tmp_path / "world" / "image"
    good = (image / "05.png").read_bytes()
    (image / "05.png").write_bytes(good[:60])
    with pytest.raises(InputError, match=r"05.png is .*damaged or truncated"):
        select(depth_run, world, 2, tmp_path / "out", "ds")
    (image / "05.png").unlink()
    with pytest.raises(InputError, match=r"05.png does not exist; correct the manifest"):
        select(depth_run, world, 2, tmp_path / "out", "ds")
    (image / "05.png").write_bytes(good)
    assert len(select(depth_run, world, 2, tmp_path / "out", "ds")["frames"]) == 2
    frames = [FrameRow(**{**_values(row), "width": 640, "height": 480}) for row in rows()]
    Manifest(frames, tmp_path / "world").write(world)
    with pytest.raises(InputError, match=r"00.png is 256x80, but the manifest says 640x480; make the manifest again"):
        select(depth_run, world, 2, tmp_path / "other", "ds")


def test_features_that_are_not_finite(
    depth_run: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pooled = select_features._pooled

    def broken(network: Any, images: list[torch.Tensor], value: float = float("nan")) -> dict[str, torch.Tensor]:
        found = pooled(network, images)
        found["features"][-1, 3] = value
        return found

    monkeypatch.setattr(select_features, "_pooled", broken)
    with pytest.raises(InputError, match=r"features of .*png are not finite: the network of .* has diverged"):
        select(depth_run, world, 2, tmp_path / "out", "ds")
    monkeypatch.setattr(select_features, "_pooled", lambda run, images: broken(run, images, 1e6))
    with pytest.raises(InputError, match=r"too large for 16 bits; give another --out and --half false"):
        select(depth_run, world, 2, tmp_path / "half", "ds", half=True)


def test_a_network_that_sees_no_difference(
    depth_run: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select_features, "_pooled", lambda network, images: {"features": torch.ones(len(images), 64)})
    with pytest.raises(InputError, match=r"3 frames are asked for and only 1 of .* look different to the network"):
        select(depth_run, world, 3, tmp_path / "out", "ds")


def test_command(depth_run: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["select", str(depth_run), "--data", str(world), "--count", "4", "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--criterion", "ds_us", "--steps", "2", "--student", "select-student-tiny",
                     *(f"--{key}={value}" for key, value in STUDENT.items())]) == 0  # fmt: skip
    told = capsys.readouterr().out
    assert told == f"{tmp_path / 'out'}: 4 of {COUNT} frames chosen by ds_us; see {tmp_path / 'out/selection.html'}\n"
    assert (tmp_path / "out" / "selection.html").is_file()
    assert cli.main([*words, "--shard", "0/2"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: shard 0/2, features of frames 0 to 7 of {COUNT}\n"
    assert cli.main([*words, "--criterio", "ds"]) == 2
    assert "criterio" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["selection", "frames"])
def test_frames_set_aside_judge_and_the_rest_trains(name: str, depth_run: Path, world: Path, tmp_path: Path) -> None:
    """Of a video without splits: chosen frames and val frames come back labelled, all others are there unlabelled."""
    bare = Manifest.read(world).changed(lambda row: FrameRow(**{**_values(row), "split": ""}))
    bare.write(world)
    out = tmp_path / "out"
    found = select(depth_run, world, 4, out, "uniform", val=3)
    order = uniform_order([(row.sequence, row.camera) for row in rows()], [row.position for row in rows()])
    assert [int(Path(image).stem) for image in found["val"]] == order[:3]
    assert stems(found) == order[3:7]
    asked = Manifest.read(out / "selection.parquet")
    assert [row.split for row in asked] == ["train"] * 4 + ["val"] * 3
    export_labels(asked, "cvat", tmp_path / "asked.zip", "sim:road#804080,sky#4682b4")
    answer = tmp_path / "answer"
    shutil.unpack_archive(tmp_path / "asked.zip", answer)
    for image in (answer / "JPEGImages").iterdir():
        with Image.open(image) as picture:
            painted = Image.new("RGB", picture.size, (128, 64, 128))
        (answer / "SegmentationClass").mkdir(exist_ok=True)
        painted.save(answer / "SegmentationClass" / f"{image.stem}.png")
    made = api.labels_import(answer, out / f"{name}.parquet", tmp_path / "labelled.parquet", complete=name != "frames")
    assert made.imported == 7
    back = Manifest.read(tmp_path / "labelled.parquet")
    assert len(back) == COUNT
    assert {int(Path(row.image).stem) for row in back if row.label} == set(order[:7])
    assert {int(Path(row.image).stem) for row in back if row.split == "val"} == set(order[:3])
    assert all(row.split == "train" for row in back if int(Path(row.image).stem) not in order[:3])
    with pytest.raises(InputError, match=r"15 frames are to be set aside and .* has 14; ask for fewer"):
        select(depth_run, world, 1, out, "uniform", val=15)


def test_splits_that_are_there_stay(depth_run: Path, world: Path, tmp_path: Path) -> None:
    splits = {0: "test", 1: ""}
    Manifest.read(world).changed(
        lambda row: FrameRow(**{**_values(row), "split": splits.get(row.position, "train")})
    ).write(world)
    found = select(depth_run, world, 2, tmp_path / "out", "uniform", val=1)
    whole = Manifest.read(tmp_path / "out" / "frames.parquet")
    for row in whole:
        aside = Path(row.image).name == Path(found["val"][0]).name
        assert row.split == ("val" if aside else splits.get(row.position, "train"))


def test_entropy_trains_anew_where_frames_have_labels(depth_run: Path, world: Path, tmp_path: Path) -> None:
    """three_ways 5.4: the first step is random, each later one asks a segmentation trained on what is chosen."""
    space = "toy:a#000000,b#ffffff"
    settings = {"frames.options.label_space": space, "train.steps": 6}
    run = write_run(tmp_path / "run", "supervised-toytown-tiny", **settings)
    frames, root = [], Manifest.read(world).root
    for place, row in enumerate(rows()):
        with Image.open(root / row.image) as picture:
            ids = np.indices((picture.height, picture.width)).sum(0) // 8 % 2
        Image.fromarray(ids.astype(np.uint8)).save(tmp_path / f"label{place}.png")
        label = {"label": str(tmp_path / f"label{place}.png"), "label_space": space}
        frames.append(FrameRow(**{**_values(row), **label}))
    Manifest(frames, root).write(world)
    found = select(run, world, 6, tmp_path / "out", "entropy", steps="2,4")
    steps = [frame["step"] for frame in found["frames"]]
    assert steps == [2, 2, 4, 4, 6, 6]
    assert ["entropy" in frame for frame in found["frames"]] == [False, False, True, True, True, True]
    for chosen, trained in ((2, 2), (4, 4)):  # a third and two thirds of the run's 6 steps
        folder = tmp_path / f"out/steps/step-{chosen}"
        taught = Manifest.read(folder / "frames.parquet")
        assert sorted(Path(row.image).stem for row in taught) == sorted(
            Path(name).stem for name in names(found)[:chosen]
        )
        assert load_config(folder / "student/recipe.yaml").train.steps == trained
        scores = np.load(folder / "entropy.npy")
        best = np.argsort(-np.nan_to_num(scores, nan=-1))[:2].tolist()
        assert sorted(best) == sorted(stems(found)[chosen : chosen + 2])
    with pytest.raises(InputError, match="of method distill; a student's recipe learns from labelled frames alone"):
        select(run, world, 4, tmp_path / "other", "entropy", student="select-student-tiny")
