"""Predictions that several processes make into one folder: the files of one process, and plain words for misfits."""

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.inference.predicted import HEIGHT, WIDTH, RedMethod, folder, made_run, picture
from tests.inference.stored import stored_run
from vergence import cli
from vergence.api import predict
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError

REDS = (50, 80, 100, 130, 160, 200, 220)


def contents(out: Path) -> dict[str, bytes]:
    """All files but the journal, whose lines are in the order of work."""
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    files["results.jsonl"] = b"".join(sorted(files["results.jsonl"].splitlines()))
    return files


def shards(run: Any, data: Any, out: Path, total: int, **settings: Any) -> list[dict[str, Any]]:
    return [predict(run, data, out, shard=f"{number}/{total}", **settings) for number in reversed(range(total))]


@pytest.mark.parametrize("total", [1, 3, 9])
def test_joined_shards_are_the_files_of_one_process(total: int, tmp_path: Path) -> None:
    """Also of more shards than frames."""
    frames, settings = folder(tmp_path, REDS), {"array": True, "tracker": True, "video": True, "cloud": True}
    settings["pictures"] = "png"  # a joined video is made of the files, which JPEG has changed
    whole = predict(made_run(tmp_path), frames, tmp_path / "whole", **settings)
    out = tmp_path / "out"
    records = shards(made_run(tmp_path), frames, out, total, **settings)
    assert sum(record["frames"] for record in records) == len(REDS)
    assert not (out / "predictions.json").exists()
    join = RedMethod()
    assert predict(made_run(tmp_path, join), frames, out, **settings) == whole
    assert join.shown == 0
    assert contents(out) == contents(tmp_path / "whole")
    later = RedMethod()
    assert predict(made_run(tmp_path, later), frames, out, **settings) == whole  # an ordinary folder now
    assert later.shown == 0


def test_depth_and_classes_of_a_manifest(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run")
    (tmp_path / "frames").mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 255, (60, 100, 3), np.uint8)).save(tmp_path / f"frames/{number}.png")
    rows = [FrameRow(f"frames/{number}.png", "s", number) for number in range(5)]
    data = Manifest(rows, tmp_path).write(tmp_path / "m.parquet")
    predict(run, data, tmp_path / "whole", confidence=True)
    shards(run, data, tmp_path / "out", 2, confidence=True)
    predict(run, data, tmp_path / "out", confidence=True)
    whole, joined = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert joined.keys() == whole.keys()
    for name in whole:
        if name.endswith(".png"):  # networks see other batches, so the last bit may differ
            one, other = (np.asarray(Image.open(tmp_path / place / name)).astype(int) for place in ("whole", "out"))
            assert np.abs(one - other).max() <= (0 if name.startswith("labels") else 1), name
    labels = [row.pseudo_label for row in Manifest.read(tmp_path / "out" / "manifest.parquet")]
    assert [Path(label).name for label in labels] == [f"{number}.png" for number in range(5)]


def test_a_shard_goes_on_where_it_was_killed_and_repeats_nothing(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"

    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        predict(made_run(tmp_path), frames, out, shard="0/2", batch_size=1, progress=kill)
    (out / "depth" / "002.png").write_bytes(b"half")  # of a frame that was being written
    again = RedMethod()
    assert predict(made_run(tmp_path, again), frames, out, shard="0/2")["frames"] == 3
    assert again.shown <= 1
    once_more = RedMethod()
    predict(made_run(tmp_path, once_more), frames, out, shard="0/2")
    assert once_more.shown == 0
    predict(made_run(tmp_path), frames, out, shard="1/2")
    assert predict(made_run(tmp_path), frames, out) == predict(made_run(tmp_path), frames, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_a_shard_reads_its_own_pictures_and_those_that_fix_the_scale(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, tuple(range(20, 120))), tmp_path / "out"
    looked = RedMethod()
    predict(made_run(tmp_path, looked), frames, out, shard="0/10")
    assert looked.shown <= 48 + 10
    looked = RedMethod()
    predict(made_run(tmp_path, looked), frames, out, shard="1/10")
    assert looked.shown <= 10  # the scale is there
    journal = (out / "shards" / "1-of-10.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in journal] == [f"{number:03d}" for number in range(10, 20)]


def test_torchrun_shares_out_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, expected in (("0", 3), ("1", 4)):
        monkeypatch.setenv("RANK", rank)
        record = predict(made_run(tmp_path), frames, out)
        assert (record["shard"], record["frames"]) == (f"{rank}/2", expected)
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name)
    assert predict(made_run(tmp_path), frames, out)["frames"] == len(REDS)


def test_processes_at_the_same_time(tmp_path: Path) -> None:
    run, frames = stored_run(tmp_path / "run"), folder(tmp_path, REDS, (60, 100))
    words = [sys.executable, "-m", "vergence", "predict", run, frames, "--out", tmp_path / "out", "--device", "cpu"]
    both = [
        subprocess.Popen([str(word) for word in [*words, "--shard", f"{number}/2"]], stdout=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert f"{tmp_path / 'out'}: shard 1/2, 4 frames" in said[1]
    assert cli.main([str(word) for word in words[3:]]) == 0
    predict(run, frames, tmp_path / "whole", device="cpu")
    assert contents(tmp_path / "out").keys() == contents(tmp_path / "whole").keys()


def test_the_log_says_what_to_do_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vergence"):
        predict(made_run(tmp_path), folder(tmp_path), tmp_path / "out", shard="0/2")
    assert "shard 0/2 is done; when all are, the same command without --shard joins them" in caplog.text


def test_shards_that_do_not_belong_together(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    predict(made_run(tmp_path), frames, out, shard="0/2")
    before = contents_of_any(out)
    with pytest.raises(InputError, match="has shard 0/2, which overlaps 1/3"):
        predict(made_run(tmp_path), frames, out, shard="1/3")
    with pytest.raises(InputError, match=r"is of other settings \(flip false, here true\)"):
        predict(made_run(tmp_path), frames, out, shard="1/2", flip=True)
    with pytest.raises(InputError, match=r"is of other settings \(step 7, here 8\)"):
        predict(made_run(tmp_path, step=8), frames, out, shard="1/2")
    with pytest.raises(InputError, match=r"is of other settings \(files "):
        predict(made_run(tmp_path), frames, out, shard="1/2", array=True)
    Image.fromarray(picture(9)).save(frames / "007.png")
    with pytest.raises(InputError, match=r"is of other settings \(frames 7, here 8\)"):
        predict(made_run(tmp_path), frames, out, shard="1/2")
    (frames / "007.png").unlink()
    with pytest.raises(InputError, match="1/2 is missing or not done; run the same command with --shard 1/2"):
        predict(made_run(tmp_path), frames, out)
    assert contents_of_any(out) == before


@pytest.mark.parametrize("change", [{"fx": 1.2}, {"lens": "opencv 0.9 0.9 0.5 0.5 -0.2"}])
def test_shards_and_their_join_have_one_camera(change: dict[str, Any], tmp_path: Path) -> None:
    """Clouds of two cameras would lie beside each other."""
    folder(tmp_path, REDS)
    camera = {"fx": 0.9, "fy": 0.9, "cx": 0.5, "cy": 0.5, "width": WIDTH, "height": HEIGHT}
    rows = [FrameRow(f"frames/{number:03d}.png", "s", number, **camera) for number in range(len(REDS))]
    data, other = (
        Manifest([replace(row, **more) for row in rows], tmp_path).write(tmp_path / f"{name}.csv")
        for name, more in (("data", {}), ("other", change))
    )
    out = tmp_path / "out"
    predict(made_run(tmp_path), data, out, shard="0/2", cloud=True)
    before = contents_of_any(out)
    with pytest.raises(InputError, match=r"shard 0/2 .* is of other settings \(cameras "):
        predict(made_run(tmp_path), other, out, shard="1/2", cloud=True)
    assert contents_of_any(out) == before
    predict(made_run(tmp_path), data, out, shard="1/2", cloud=True)
    with pytest.raises(InputError, match=r"is of other settings \(cameras "):
        predict(made_run(tmp_path), other, out, cloud=True)
    predict(made_run(tmp_path), data, out, cloud=True)
    predict(made_run(tmp_path), data, tmp_path / "whole", cloud=True)
    assert contents(out) == contents(tmp_path / "whole")


def contents_of_any(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_files_that_are_gone_or_damaged_are_told_and_made_again(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    shards(made_run(tmp_path), frames, out, 2)
    (out / "shards" / "0-of-2.jsonl").rename(tmp_path / "lost")
    with pytest.raises(InputError, match=r"files of 3 frames are not in .*\(first 000\); run .* --shard 0/2 again"):
        predict(made_run(tmp_path), frames, out)
    (tmp_path / "lost").rename(out / "shards" / "0-of-2.jsonl")
    (out / "depth" / "004.png").unlink()
    with pytest.raises(InputError, match=r"files of 1 frames are not in .*\(first 004\); run .* --shard 1/2 again"):
        predict(made_run(tmp_path), frames, out)
    predict(made_run(tmp_path), frames, out, shard="1/2")
    predict(made_run(tmp_path), frames, out)
    predict(made_run(tmp_path), frames, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_folders_of_machines_without_a_common_disk_are_put_together(tmp_path: Path) -> None:
    frames = folder(tmp_path, REDS)
    for number in range(2):
        predict(made_run(tmp_path), frames, tmp_path / f"node{number}", shard=f"{number}/2")
        shutil.copytree(tmp_path / f"node{number}", tmp_path / "out", dirs_exist_ok=True)
    predict(made_run(tmp_path), frames, tmp_path / "out")
    predict(made_run(tmp_path), frames, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_was_there_before(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    predict(made_run(tmp_path), frames, out)
    with pytest.raises(InputError, match="holds results of other weights or settings, which shards cannot replace"):
        predict(made_run(tmp_path, step=8), frames, out, shard="0/2")
    (tmp_path / "mine" / "depth").mkdir(parents=True)
    (tmp_path / "mine" / "depth" / "001.png").write_bytes(b"mine")
    for _ in range(2):  # asking twice makes it no prediction
        with pytest.raises(InputError, match=r"001\.png is there and no earlier prediction says that it made it"):
            predict(made_run(tmp_path), frames, tmp_path / "mine", shard="0/2")
    assert os.listdir(tmp_path / "mine") == ["depth"]


@pytest.mark.parametrize("total", [None, 2])
def test_a_shard_that_comes_late_leaves_a_finished_folder_alone(
    total: int | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    if total is not None:
        shards(made_run(tmp_path), frames, out, total)
    whole = predict(made_run(tmp_path), frames, out)
    before, late = contents_of_any(out), RedMethod()
    with caplog.at_level(logging.INFO, "vergence"):
        record = predict(made_run(tmp_path, late), frames, out, shard="0/2")
    assert (record["shard"], record["frames"], record["unit"]) == ("0/2", 3, whole["unit"])
    assert late.shown == 0
    assert f"shard 0/2: {out}/predictions.json has all of it already; remove that file to do it again" in caplog.text
    assert contents_of_any(out) == before
    Image.fromarray(picture(9)).save(frames / "007.png")  # of more frames there is something to do
    shards(made_run(tmp_path), frames, out, 2)
    assert predict(made_run(tmp_path), frames, out)["frames"] == len(REDS) + 1
    predict(made_run(tmp_path), frames, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
    (out / "depth" / "001.png").unlink()
    late = RedMethod()
    predict(made_run(tmp_path, late), frames, out, shard="0/2")
    assert (out / "depth" / "001.png").is_file()
    assert (out / "shards").is_dir()


def test_what_cannot_be_shared_out(tmp_path: Path) -> None:
    video = write_video(tmp_path / "drive.mp4", (picture(40 + 20 * k) for k in range(3)), 10.0)
    with pytest.raises(InputError, match="is a video, which is decoded in order and cannot be shared out"):
        predict(made_run(tmp_path), video, tmp_path / "out", shard="0/2")
    with pytest.raises(InputError, match="steady joins each frame to the one before it, across shards"):
        predict(made_run(tmp_path), folder(tmp_path), tmp_path / "out", shard="0/2", steady="scale")
    with pytest.raises(InputError, match="shard 2/2 is impossible"):
        predict(made_run(tmp_path), tmp_path / "frames", tmp_path / "out", shard="2/2")
    empty = Manifest([], tmp_path).write(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="has no frames to predict"):
        predict(made_run(tmp_path), empty, tmp_path / "out", shard="0/2")
    assert not (tmp_path / "out").exists()


def test_pictures_that_change_between_shards(tmp_path: Path) -> None:
    frames, out = folder(tmp_path, REDS), tmp_path / "out"
    predict(made_run(tmp_path), frames, out, shard="0/2")
    Image.fromarray(picture(90)).save(frames / "001.png")
    with pytest.raises(InputError, match="pictures have changed since the scale of all shards was found"):
        predict(made_run(tmp_path), frames, out, shard="1/2")
