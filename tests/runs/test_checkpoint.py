"""Checkpoints: whole or absent, strict, never unpickled."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.tiny_method import TinyMethod, without_checksums, write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.runs import checkpoint as module
from vergence.runs.checkpoint import load_run, write_checkpoint
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder, find_checkpoint
from vergence.runs.run_lock import clean_leftovers


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    return api.train(write_recipe(folder), folder / "run", write_frames(folder), {"train.steps": 8})


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def names(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").iterdir()}


def test_a_run_is_loaded_ready_for_use(run: Path) -> None:
    loaded = load_run(run)
    assert (loaded.step, loaded.path, loaded.config.method) == (8, run, "tiny")
    assert isinstance(loaded.method, TinyMethod)
    assert not loaded.method.training
    assert int(loaded.method.get_buffer("steps_seen")) == 8
    older = load_run(run / "checkpoints" / "step-00000004")
    assert (older.step, older.path) == (4, run)


def test_contents(run: Path) -> None:
    folder = find_checkpoint(run).path
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "config.json", "README.md", "state.safetensors", "state.json",
    }  # fmt: skip
    assert (run / "checkpoints" / "LATEST").read_text() == "step-00000008\n"
    card = (folder / "README.md").read_text()
    assert "step 8" in card
    assert "unscaled" in card
    assert names(run) == {"LATEST", "step-00000004", "step-00000008"}


@pytest.mark.parametrize("content", ["", "step-00000099\n", "../../etc\n", "step-0000000"])
def test_without_a_usable_latest_the_newest_whole_checkpoint_counts(run: Path, content: str) -> None:
    (run / "checkpoints" / "LATEST").write_text(content)
    (run / "checkpoints" / ".partial-step-00000012").mkdir()
    found = RunFolder(run).latest()
    assert found is not None
    assert found.name == "step-00000008"
    (run / "checkpoints" / "LATEST").unlink()
    assert load_run(run).step == 8


def test_leftovers_are_cleaned(run: Path) -> None:
    (run / "checkpoints" / ".partial-step-00000012").mkdir()
    clean_leftovers(run, run / "checkpoints")
    assert names(run) == {"LATEST", "step-00000004", "step-00000008"}


@pytest.mark.parametrize("keep", [1, 3])
def test_old_checkpoints_go(tmp_path: Path, keep: int) -> None:
    config = load_config(write_recipe(tmp_path), {"train.keep": keep})
    for step in (5, 10, 15, 20):
        write_checkpoint(RunFolder(tmp_path), step, config, {"a": torch.ones(1)}, {}, {})
    assert len(names(tmp_path)) == keep + 1
    assert "step-00000020" in names(tmp_path)


def test_a_checkpoint_that_was_written_before_is_replaced(tmp_path: Path) -> None:
    config = load_config(write_recipe(tmp_path))
    for value in (1.0, 2.0):
        written = write_checkpoint(RunFolder(tmp_path), 5, config, {"a": torch.tensor([value])}, {}, {})
    assert float(module.read_tensors(written.weights)["a"]) == 2
    assert names(tmp_path) == {"LATEST", "step-00000005"}


@pytest.mark.parametrize("failing", ["save_file", "_flush"])
def test_a_full_disk_leaves_the_old_checkpoint(run: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, failing, full)
    before = names(run)
    with pytest.raises(InputError, match="No space left"):
        write_checkpoint(RunFolder(run), 12, load_config(run / "recipe.yaml"), {"a": torch.ones(1)}, {}, {})
    assert names(run) == before
    assert load_run(run).step == 8


def test_a_run_is_loaded_without_drawing_weights(run: Path) -> None:
    before = torch.get_rng_state()
    loaded = load_run(run)
    assert torch.equal(torch.get_rng_state(), before)
    stored = module.read_tensors(loaded.files().weights)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in loaded.method.state_dict().items())


def test_what_is_no_weight_is_drawn_while_a_run_is_loaded() -> None:
    with module._Unfilled():
        weight = torch.nn.init.normal_(torch.nn.Parameter(torch.zeros(9)))
        other = torch.nn.init.normal_(torch.zeros(9))
        torch.nn.init.constant_(constant := torch.nn.Parameter(torch.zeros(9)), 2.0)
    assert weight.eq(0).all()
    assert other.ne(0).all()
    assert constant.eq(2).all()


def test_shared_and_strided_tensors_are_stored(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(1, 2, 3, 4)
    tensors = {"a": base, "b": base, "c": base.to(memory_format=torch.channels_last), "d": torch.tensor(3)}
    written = write_checkpoint(RunFolder(tmp_path), 1, load_config(write_recipe(tmp_path)), tensors, {}, {})
    stored = module.read_tensors(written.weights)
    assert all(torch.equal(stored[name], tensor) for name, tensor in tensors.items())


class Bomb:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a checkpoint was unpickled",))


@pytest.mark.parametrize(
    "content", [b"", b"junk", pickle.dumps(Bomb()), b"\xff" * 64, (2**60).to_bytes(8, "little") + b"{}"]
)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_damaged_or_hostile_files(run: Path, name: str, content: bytes) -> None:
    newest = find_checkpoint(run).path
    (newest / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as error:
        load_run(newest)
    assert "\n" not in str(error.value)
    assert load_run(run).step == 4  # the one before


def test_a_truncated_model(run: Path) -> None:
    path = find_checkpoint(run).weights
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_run(path.parent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "format"),
        ({"config": None}, "no config"),
        ({"config": {"method": "nothing"}}, "unknown"),
        ({"config": {"method": "tiny", "tiny": {"class_path": "os.system"}}}, "class_path"),
        ({"config": {"method": "tiny", "tiny": {"width": "wide"}}}, "integer"),
        ({"config": {"method": "tiny", "tiny": {"width": 7}}}, "another network"),
        ({"step": "eight"}, "no config"),
        ({"step": True}, "no config"),
        ({"step": -1}, "no config"),
    ],
)
def test_settings_that_do_not_fit(run: Path, change: dict, said: str) -> None:
    path = find_checkpoint(run).settings
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=said):
        load_run(run)


@pytest.mark.parametrize("drop", ["head.bias", "extra"])
def test_weights_of_another_network(run: Path, drop: str) -> None:
    weights = find_checkpoint(run).weights
    tensors = module.read_tensors(weights)
    if drop == "extra":
        tensors["head.extra"] = torch.ones(1)
    else:
        tensors.pop(drop)
    module.save_file(tensors, weights)
    without_checksums(weights.parent)
    with pytest.raises(InputError, match="another network"):
        load_run(run)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_run(tmp_path / "nothing")
    with pytest.raises(InputError, match="no run folder"):
        load_run(tmp_path)
    write_recipe(tmp_path).rename(tmp_path / "recipe.yaml")
    with pytest.raises(InputError, match="no checkpoint yet"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("state.json", b"{}"), ("state.json", b"junk"), ("state.safetensors", b"junk"), ("state.json", b"[1]")],
)
def test_damaged_resume_state(run: Path, name: str, content: bytes) -> None:
    for folder in (run / "checkpoints").glob("step-*"):
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=r"state\.json|state\.safetensors"):
        api.resume(run, {"train.steps": 12})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(run: Path, value: float) -> None:
    path = find_checkpoint(run).weights
    tensors = module.read_tensors(path)
    tensors["head.bias"][1] = value
    module.save_file(tensors, path)
    without_checksums(path.parent)
    with pytest.raises(InputError, match=r"model\.safetensors holds 1 values in 'head\.bias' that are not finite"):
        load_run(run)
