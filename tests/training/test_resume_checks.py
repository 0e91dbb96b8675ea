"""Resuming where something is torn, missing or changed, or where another process is at work."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.children import LISTED, children
from tests.training.test_resume import ROOT, command, numbers
from tests.training.tiny_method import RECIPE, without_checksums, write_frames, write_recipe
from vergence import api, cli
from vergence.data import file_contents
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run, read_tensors
from vergence.runs.folder import RunFolder, find_weights
from vergence.runs.run_lock import clean_leftovers, locked


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    return api.train(write_recipe(folder), folder / "run", write_frames(folder), {"train.keep_states": 2})


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def spoil(path: Path) -> None:
    path.write_bytes(b"\xff" * 64)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


NAMES = ("model.safetensors", "state.safetensors", "state.json", "config.json")


@pytest.mark.parametrize(
    ("name", "damage"), [*itertools.product(NAMES, [Path.unlink, cut, spoil]), *((name, flip) for name in NAMES[:2])]
)
def test_a_torn_newest_checkpoint(
    run: Path, trained: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(run / "checkpoints/step-00000012" / name)
    api.resume(run)
    assert f"step-00000012 is damaged ({name}" in caplog.text
    assert "going on from step-00000008" in caplog.text
    assert numbers(run) == numbers(trained)
    assert load_run(run).step == 12


@pytest.mark.parametrize(
    ("name", "damage"),
    [*itertools.product(["model.safetensors", "config.json"], [Path.unlink, cut, spoil]), ("model.safetensors", flip)],
)
def test_what_reads_a_run_passes_a_torn_checkpoint(
    run: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(run / "checkpoints/step-00000012" / name)
    assert load_run(run).step == 8
    assert f"step-00000012 is damaged ({name}" in caplog.text
    assert "using step-00000008" in caplog.text
    assert find_weights(run).parent.name == "step-00000008"
    cut(run / "checkpoints/step-00000008/model.safetensors")
    with pytest.raises(InputError, match=r"step-00000012|step-00000008"):
        load_run(run)


def test_a_flipped_bit_in_weights_that_are_named(run: Path) -> None:
    checkpoint = run / "checkpoints/step-00000012"
    flip(checkpoint / "model.safetensors")
    said = r"step-00000012 is damaged \(model.safetensors is not what was written, by its checksum\)"
    for path in (checkpoint, checkpoint / "model.safetensors"):
        with pytest.raises(InputError, match=said):
            find_weights(path)
    for use in (load_run, api.resume):
        with pytest.raises(InputError, match=said):
            use(checkpoint)
    without_checksums(checkpoint)
    assert load_run(checkpoint).step == 12
    assert find_weights(checkpoint) == checkpoint / "model.safetensors"


def test_state_that_only_resuming_needs_may_be_torn_in_use(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil(run / "checkpoints/step-00000012/state.safetensors")
    assert load_run(run).step == 12
    assert not caplog.text


def test_no_checkpoint_is_whole(run: Path) -> None:
    before = (run / "metrics.jsonl").read_text()
    for checkpoint in RunFolder(run).checkpoints():
        cut(checkpoint.weights)
    with pytest.raises(InputError, match=r"step-00000012 is damaged .* no other checkpoint is whole"):
        api.resume(run)
    assert (run / "metrics.jsonl").read_text() == before
    assert not (run / ".lock").exists()


@pytest.mark.parametrize("name", ["step-00000008", "step-8"])
def test_from_a_named_checkpoint(run: Path, trained: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert api.resume(run / "checkpoints" / name, {"train.steps": 10}) == run
    assert "step-00000012 are dropped" in caplog.text
    assert load_run(run).step == 10
    assert [checkpoint.name for checkpoint in RunFolder(run).checkpoints()] == ["step-00000008", "step-00000010"]
    api.resume(run / "checkpoints" / name, {"train.steps": 12})
    assert numbers(run) == numbers(trained)
    with pytest.raises(InputError, match="step-00000008, step-00000012"):
        api.resume(run / "checkpoints" / "step-4")


def test_a_named_checkpoint_that_is_torn(run: Path) -> None:
    cut(run / "checkpoints/step-00000008/state.safetensors")
    with pytest.raises(InputError, match=r"step-00000008 is damaged"):
        api.resume(run / "checkpoints" / "step-8")
    assert load_run(run).step == 12


def test_older_checkpoints_keep_their_weights_alone(trained: Path, tmp_path: Path) -> None:
    run = api.train(trained.parent / "tiny.yaml", tmp_path / "run", trained.parent / "manifest.csv")
    older, newest = RunFolder(run).checkpoints()
    assert (older.has_state, newest.has_state) == (False, True)
    assert sorted(path.name for path in older.path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert load_run(older.path).step == 8
    before = (run / "metrics.jsonl").read_text()
    said = rf"its optimiser state is gone.*go on from .*--resume {run}, add --train.fresh_optimizer true.*, or start"
    with pytest.raises(InputError, match=said):
        api.resume(run / "checkpoints/step-8", {"train.steps": 14})
    assert (run / "metrics.jsonl").read_text() == before
    api.resume(run, {"train.steps": 14})
    assert load_run(run).step == 14


@pytest.mark.parametrize(("torn", "whole", "after"), [("state.safetensors", 12, 2), ("model.safetensors", 8, 6)])
def test_on_from_weights_alone(
    trained: Path, tmp_path: Path, torn: str, whole: int, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    begun = (trained.parent / "tiny.yaml", tmp_path / "run", trained.parent / "manifest.csv")
    run = api.train(*begun, {"train.ema": 0.9} if whole == 8 else {})
    weights = read_tensors(run / f"checkpoints/step-{whole:08d}/model.safetensors")
    cut(run / "checkpoints/step-00000012" / torn)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = rf"step-00000012 is damaged \({torn}.*, and of step-{whole:08d} the weights alone are whole; restore it, "
    said += (
        rf"or go on from these, with the optimiser's state begun anew: .*--resume {run} --train.fresh_optimizer true"
    )
    with pytest.raises(InputError, match=said):
        api.resume(run, {"train.steps": 14})
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert cli.main(["train", "--resume", str(run), "--train.fresh_optimizer", "true", "--train.steps", "14"]) == 0
    assert f"going on from the weights of step-{whole:08d}: the optimiser's moments" in caplog.text
    assert ("the weights beside their running mean" in caplog.text) == (whole == 8)
    assert [checkpoint.name for checkpoint in RunFolder(run).checkpoints()][-1] == "step-00000014"
    state = read_tensors(run / "checkpoints/step-00000014/state.safetensors")
    counts = {float(value) for name, value in state.items() if name.endswith("/step")}
    assert counts == {float(after)}  # moments are of these steps alone
    steps = [row["step"] for row in RunFolder(run).rows() if row["kind"] == "train"]
    assert steps == sorted(set(steps))
    assert "fresh_optimizer: false" in (run / "recipe.yaml").read_text()
    assert any((weights[name] != value).any() for name, value in load_run(run).method.state_dict().items())
    api.resume(run, {"train.steps": 15})


def test_weights_alone_are_where_it_goes_on(trained: Path, tmp_path: Path) -> None:
    given = {"train.steps": 9, "optim.lr": 1e-12, "train.fresh_optimizer": True}
    run = api.train(trained.parent / "tiny.yaml", tmp_path / "run", trained.parent / "manifest.csv")
    weights = read_tensors(run / "checkpoints/step-00000008/model.safetensors")
    api.resume(run / "checkpoints/step-8", given)
    after = read_tensors(run / "checkpoints/step-00000009/model.safetensors")
    assert weights.keys() == after.keys()
    assert (weights.pop("steps_seen"), after.pop("steps_seen")) == (8, 9)
    assert all(torch.allclose(value, after[name], rtol=0, atol=1e-7) for name, value in weights.items())


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("lost", "said"),
    [("optimizer/", "no optimiser state"), ("optimizer/head.bias/exp_avg_sq", "'head.bias'.*lacks 'exp_avg_sq'")],
)
def test_optimiser_state_that_is_missing(run: Path, lost: str, said: str, listed: bool) -> None:
    folder = run / "checkpoints/step-00000012"
    without_checksums(folder)
    tensors = read_tensors(folder / "state.safetensors")
    save_file({k: v for k, v in tensors.items() if not k.startswith(lost)}, folder / "state.safetensors")
    if not listed:  # as stored by earlier versions
        values = json.loads((folder / "state.json").read_text())
        del values["tensors"]
        (folder / "state.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=f"lacks [0-9]+ tensors, first '{lost}" if listed else said):
        api.resume(run, {"train.steps": 14})
    assert load_run(run).step == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train.seed": 7}, "train.seed 0, now 7"),
        ({"frames.batch_size": 2}, "frames.batch_size 4, now 2"),
        ({}, "data"),
    ],
)
def test_other_input_needs_a_switch(run: Path, tmp_path: Path, change: dict[str, int], said: str) -> None:
    given = {**change, "train.steps": 14}
    if not change:
        given["frames.source"] = str(write_frames(tmp_path, count=8))
    with pytest.raises(InputError, match=said):
        api.resume(run, given)
    assert load_run(run).step == 12
    api.resume(run, {**given, "train.allow_changes": True})
    assert load_run(run).step == 14
    assert "allow_changes: false" in (run / "recipe.yaml").read_text()
    api.resume(run, {"train.steps": 15})


def test_checkpoints_of_before_resume_on_any_data(run: Path, tmp_path: Path) -> None:
    path = run / "checkpoints/step-00000012/config.json"
    stored = json.loads(path.read_text())
    assert len(stored.pop("data")) == 12
    assert stored.pop("pools").keys() == {"unlabelled", "unlabelled neighbour", "unlabelled files"}
    path.write_text(json.dumps(stored))
    api.resume(run, {"train.steps": 13, "frames.source": str(write_frames(tmp_path, count=8))})
    assert load_run(run).step == 13


def test_other_frames_to_evaluate_on_need_the_switch(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "data", depth=True)
    recipe = write_recipe(tmp_path)
    run = api.train(recipe, tmp_path / "run", data, {"train.steps": 2, "train.evaluate_every": 2})
    config = run / "checkpoints/step-00000002/config.json"
    frames = {"evaluated", "unlabelled", "unlabelled neighbour", "evaluated files", "unlabelled files"}
    assert json.loads(config.read_text())["pools"].keys() == frames
    lines = data.read_text().splitlines()
    data.write_text("\n".join(lines[:-1]) + "\n")  # the last frame is of the split val
    with pytest.raises(InputError, match="digest of the evaluated frames"):
        api.resume(run, {"train.steps": 3})
    api.resume(run, {"train.steps": 3, "train.evaluate_every": 0})  # nothing of it is read


def test_another_frame_beside_the_split_needs_the_switch(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "data")  # 7.png, the first of the split val, is the neighbour of 6.png
    run = api.train(write_recipe(tmp_path), tmp_path / "run", data, {"train.steps": 2, "frames.options.offsets": [1]})
    shutil.copy(data.parent / "image/9.png", data.parent / "image/new.png")
    given = data.read_text()
    data.write_text(given.replace("image/8.png", "image/new.png"))  # read by nobody
    api.resume(run, {"train.steps": 3})
    data.write_text(given.replace("image/7.png", "image/new.png"))
    with pytest.raises(InputError, match="digest of the unlabelled neighbour frames"):
        api.resume(run, {"train.steps": 4})
    config = run / "checkpoints/step-00000003/config.json"
    stored = json.loads(config.read_text())
    for name in ("unlabelled neighbour", "unlabelled files"):  # as those of before
        del stored["pools"][name]
    config.write_text(json.dumps(stored))
    api.resume(run, {"train.steps": 4})


@pytest.mark.parametrize(("name", "pool"), [("2", "unlabelled"), ("9", "evaluated")])
def test_a_picture_replaced_under_its_name_needs_the_switch(
    tmp_path: Path, name: str, pool: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_frames(tmp_path / "data", depth=True)
    run = api.train(write_recipe(tmp_path), tmp_path / "run", data, {"train.steps": 2, "train.evaluate_every": 2})
    shutil.copytree(data.parent, tmp_path / "copy", copy_function=shutil.copyfile)  # of another time
    api.resume(run, {"train.steps": 3, "frames.source": str(tmp_path / "copy/manifest.csv")})
    picture = data.parent / f"image/{name}.png"
    shutil.copyfile(data.parent / "image/5.png", picture)
    said = rf"files of the {pool} frames, of which some were replaced under their names\) \w{{12}}, now \w{{12}}; give"
    with pytest.raises(InputError, match=said):
        api.resume(run, {"train.steps": 4, "frames.source": str(data)})
    assert load_run(run).step == 3
    api.resume(run, {"train.steps": 4, "frames.source": str(data), "train.allow_changes": True})
    assert "goes on with a change: data (files of the" in caplog.text
    api.resume(run, {"train.steps": 5})


def test_files_told_in_another_form_are_taken_at_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier versions asked all files for their size, also where there are very many."""
    data = write_frames(tmp_path / "data", depth=True)
    run = api.train(write_recipe(tmp_path), tmp_path / "run", data, {"train.steps": 1})
    monkeypatch.setattr(file_contents, "_SIZED", 3)
    api.resume(run, {"train.steps": 2})
    shutil.copyfile(data.parent / "image/5.png", data.parent / "image/0.png")
    with pytest.raises(InputError, match=r"replaced under their names\) 3:\w{12}, now 3:\w{12}; give"):
        api.resume(run, {"train.steps": 3})


def test_a_second_process_is_refused(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with locked(run):
        done = subprocess.run(
            command("train", "--resume", run, "--train.steps", 14),
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert f"{run} is being trained by another process ({os.getpid()})" in done.stderr
        assert "Traceback" not in done.stderr
        assert (run / ".lock").exists()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    api.resume(run, {"train.steps": 13})


def test_forked_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from vergence.runs.run_lock import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if child == 0: time.sleep(30); os._exit(0)\n"
        "    print(child, flush=True); os.kill(os.getpid(), 9)\n"
    )
    started = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    child = int(started.stdout.readline())
    started.wait()
    started.stdout.close()
    try:
        time.sleep(0.2)
        with locked(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path, trained: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    alive, run = os.getppid(), tmp_path / "run"
    (run / "checkpoints" / ".partial-step-00000004").mkdir(parents=True)
    for name in (".lock", f".recipe.{dead.pid}.tmp.yaml", f"checkpoints/.LATEST.{dead.pid}.tmp"):
        (run / name).touch()
    (run / f".note.{alive}.tmp.txt").touch()
    clean_leftovers(run, run / "checkpoints")
    assert sorted(path.name for path in run.rglob("*")) == [".lock", f".note.{alive}.tmp.txt", "checkpoints"]
    (run / f".note.{alive}.tmp.txt").unlink()
    (run / "checkpoints").rmdir()
    (run / f".recipe.{dead.pid}.tmp.yaml").touch()  # killed before its recipe was written: still a new run
    api.train(trained.parent / "tiny.yaml", run, trained.parent / "manifest.csv", {"train.steps": 2})
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "metrics.jsonl", "recipe.yaml"]


def test_a_frame_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.training.tiny_method import TinyMethod

    data, aside = write_frames(tmp_path), tmp_path / "aside"
    whole = api.train(write_recipe(tmp_path), tmp_path / "whole", data)
    before = TinyMethod.after_step

    def vanish(method: TinyMethod, step: int) -> None:
        before(method, step)
        if step == 5:
            (tmp_path / "image").rename(aside)

    monkeypatch.setattr(TinyMethod, "after_step", vanish)
    with pytest.raises(InputError, match=r"does not exist.*the last checkpoint is step-00000006") as error:
        api.train(tmp_path / "tiny.yaml", tmp_path / "run", data)
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    aside.rename(tmp_path / "image")
    api.resume(tmp_path / "run")
    assert numbers(tmp_path / "run") == numbers(whole)


@pytest.mark.skipif(not LISTED, reason="children are found in /proc")
def test_a_loading_process_that_dies(tmp_path: Path) -> None:
    data, run = write_frames(tmp_path), tmp_path / "run"
    text = RECIPE.replace("workers: 0", "workers: 1").replace("steps: 12", "steps: 1000000")
    recipe = write_recipe(tmp_path, text.replace("checkpoint_every: 4", "checkpoint_every: 1000000"))
    process = subprocess.Popen(
        command("train", recipe, "--out", run, "--data", data), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (
        (run / "metrics.jsonl").exists() and "colour" in (run / "metrics.jsonl").read_text()
    ):
        time.sleep(0.01)
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "Traceback" not in errors
    assert "a process that loads frames was killed" in errors.splitlines()[-1]
    step = load_run(run).step
    assert step > 0
    api.resume(run, {"frames.workers": 0, "train.steps": step + 2})
    assert load_run(run).step == step + 2


@pytest.mark.parametrize("tensors", [[[1]], 5, {"a": 1}])
def test_names_of_tensors_that_are_none(run: Path, tensors: object) -> None:
    path = run / "checkpoints/step-00000012/state.json"
    without_checksums(path.parent)
    path.write_text(json.dumps({**json.loads(path.read_text()), "tensors": tensors}))
    with pytest.raises(InputError):
        api.resume(run, {"train.steps": 14})
    assert load_run(run).step == 12
