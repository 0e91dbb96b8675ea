"""The run folder: one class knows its files, finds checkpoints, and reads back what the log says of labels."""

import ast
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vergence.errors import InputError
from vergence.runs.checkpoint import build_method
from vergence.runs.config import load_config
from vergence.runs.folder import (
    Checkpoint,
    RunFolder,
    find_checkpoint,
    find_weights,
    is_run,
    named_checkpoint,
)

SOURCE = Path(__file__).parents[2] / "src" / "vergence"
NAMES = re.compile(
    r"recipe\.yaml|metrics\.jsonl|\bLATEST\b|\bcheckpoints/|^checkpoints$|\bstep-(?!\w)|(model|state)\.safetensors|"
    r"state\.json|config\.json|README\.md|^evaluation$|report\.html"
)
ELSEWHERE = {
    ("models/weights.py", "model.safetensors"),  # of a repository on a hub
    ("data/layouts/mapillary.py", "config.json"),
    ("selection/student.py", "step-"),  # steps of a selection
    ("report/selection_lead.py", "step-"),
    ("inference/exported_engines.py", "config.json"),  # in an archive of PyTorch
    ("training/train.py", "evaluation"),  # a callback's event
    ("data/buckets/remote_results.py", "LATEST"),  # says that others are there, and is sent after them
    ("data/buckets/anywhere.py", "state.safetensors"),  # what only resuming needs is not brought here
    ("data/buckets/anywhere.py", "checkpoints/"),  # in addresses
    ("data/layouts/maps.py", "metrics.jsonl"),  # what marks a folder of results, in which no frames are sought
}


def texts(tree: ast.Module) -> set[str]:
    """Texts of a module that are no docstrings, parts of f-strings among them."""
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in said)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_no_other_module_knows_the_files_of_a_run() -> None:
    found = {
        (file.relative_to(SOURCE).as_posix(), match[0])
        for file in SOURCE.rglob("*.py")
        for text in texts(ast.parse(file.read_text(encoding="utf-8")))
        for match in NAMES.finditer(text)
    }
    assert {(file, name) for file, name in found if file == "runs/folder.py"} >= {
        ("runs/folder.py", "recipe.yaml"), ("runs/folder.py", "LATEST"), ("runs/folder.py", "step-"),
    }  # fmt: skip
    assert {pair for pair in found if pair[0] != "runs/folder.py"} == ELSEWHERE


def stored(folder: Path, *steps: int) -> RunFolder:
    """A run whose checkpoints hold their own step; the first is named as the newest."""
    run = RunFolder(folder)
    run.write_recipe({"method": "depth"})
    for step in steps:
        run.checkpoint(step).path.mkdir(parents=True)
        save_file({"step": torch.tensor(step)}, run.checkpoint(step).weights)
    if steps:
        run.name_latest(run.checkpoint(steps[0]))
    return run


def test_checkpoints_are_found(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 3, 200_000_000, 20)
    (run.checkpoint_folder / "step-5").mkdir()
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [3, 20, 200_000_000]
    assert run.latest() == find_checkpoint(run.path) == run.checkpoint(3)
    assert RunFolder.of(run.checkpoint(3)) == run
    alone = Checkpoint((tmp_path / "alone").absolute())
    run.checkpoint(20).path.rename(alone.path)
    assert find_checkpoint(alone.path) == alone
    assert RunFolder.of(alone).path == alone.path
    assert is_run(run.path)
    assert is_run(alone.path)
    assert not is_run(tmp_path)
    assert find_weights(run.path) == run.checkpoint(3).weights
    assert find_weights(alone.path) == alone.weights
    assert find_weights(tmp_path / "else.pth") == tmp_path / "else.pth"


def test_a_checkpoint_by_name(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", 12)
    assert named_checkpoint(run.path) == (run, None)
    assert named_checkpoint(run.checkpoint_folder / "step-12") == (run, run.checkpoint(12))
    odd = tmp_path / "step-12"  # a run may be called so
    assert named_checkpoint(odd) == (RunFolder(odd), None)
    with pytest.raises(InputError, match=r"step-13 does not exist; the checkpoints of .*run are: step-00000012"):
        named_checkpoint(run.checkpoint_folder / "step-13")


def test_where_runs_can_be_made_and_go_on(tmp_path: Path) -> None:
    run = stored(tmp_path / "run")
    run.check_resumable()
    with pytest.raises(InputError, match="exists and is not empty"):
        run.check_new()
    new = RunFolder(tmp_path / "new")
    new.check_new()
    with pytest.raises(InputError, match="no run that can be resumed"):
        new.check_resumable()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "file").check_new()
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "below").check_new()


def test_a_method_starts_from_the_newest_weights_of_a_run(tmp_path: Path) -> None:
    start = load_config("depth-toytown-tiny", {"network.weights": "none", "pose.weights": "none"})
    source = build_method(start, "training")
    run = RunFolder(tmp_path / "run")
    run.checkpoint(3).path.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in source.state_dict().items()}, run.checkpoint(3).weights)
    start.train.seed, start.section.initialize_from = 5, str(run)
    method = build_method(start, "training")
    method.initialize()
    assert start.section.initialize_from == str(run)  # what is stored and shown is what was asked for
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in method.state_dict().items())
