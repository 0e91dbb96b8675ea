"""``frames.batch_size: auto`` follows free memory, is stored as a number, and changes nothing else."""

from pathlib import Path

import pytest
import torch

from tests.training.test_resume import numbers
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run
from vergence.runs.config import load_config
from vergence.training import batch_size
from vergence.training.batch_size import MOST, free_memory

AUTO = {"frames.batch_size": "auto"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_recipe(folder)
    write_frames(folder, count=43)
    return folder


def stored(run: Path) -> object:
    return load_config(run / "recipe.yaml").frames.batch_size


def train(home: Path, run: Path, **changes: object) -> Path:
    return api.train(home / "tiny.yaml", run, home / "manifest.csv", AUTO | changes)


def test_more_memory_gives_larger_batches_up_to_a_cap(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = []
    for free in (10, 2**21, 2**22, 2**40):
        monkeypatch.setattr(batch_size, "free_memory", lambda device, free=free: float(free))
        sizes.append(stored(train(home, tmp_path / str(free), **{"train.steps": 1})))
    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert 1 < sizes[1] < sizes[2] <= sizes[3] == MOST["cpu"]
    assert "one frame at once may not fit into memory" in caplog.text


def test_auto_is_the_run_of_that_number_and_resuming_keeps_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "free_memory", lambda device: float(2**22))
    run = train(home, tmp_path / "auto")
    number = stored(run)
    plain = train(home, tmp_path / "plain", **{"frames.batch_size": number})
    assert numbers(run) == numbers(plain)
    monkeypatch.setattr(batch_size, "free_memory", lambda device: float(2**40))
    api.resume(run, {"train.steps": 13, **AUTO})
    assert (stored(run), load_run(run).step) == (number, 13)


def test_free_memory_is_a_part_of_the_machines() -> None:
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50


def test_other_words_are_refused(home: Path) -> None:
    for value in ("most", 0):
        with pytest.raises(InputError, match=r"frames\.batch_size"):
            load_config(home / "tiny.yaml", {"frames.batch_size": value})
