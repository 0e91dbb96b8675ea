"""Training on two gloo processes: it evaluates as one process would, writes a checkpoint, and goes on from it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.data.layouts import index_layout
from vergence.runs.checkpoint import read_settings
from vergence.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "depth": ("depth-toytown-tiny", {}),
    "supervised": ("supervised-toytown-tiny", {}),
    "three_ways": ("three_ways-toytown-tiny", {}),
    "multi_task": ("three_ways-toytown-tiny", {"three_ways.multi_task": "true", "frames.options.offsets": "[-1,1]"}),
    "unimatch": ("unimatch-toytown-tiny", {}),
    "corda": ("corda-toytown-tiny", {"frames.source_domain": "TOWN"}),
    "semhint": ("semhint-toytown-tiny", {"semhint.labels": "truth", "semhint.start": 0, "semhint.ramp": 1}),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    index_layout("toytown", folder / "town", folder / "town.parquet", frames=8, train=2, val=1)
    return folder / "town.parquet"


def two_processes(*words: object) -> str:
    """A module or script in two processes, which must end well and without a traceback; what they print."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [*start, *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


EACH = """\
import json
import os
import shutil
import sys
from vergence.cli import main
for words in json.loads(sys.argv[1]):
    if main(words):
        sys.exit(" ".join(["failed:", *words]))
    if "--out" in words and os.environ["RANK"] == "0":
        run = words[words.index("--out") + 1]
        shutil.copytree(run, f"{run}-first")
"""


def each_in_two_processes(folder: Path, commands: Sequence[Sequence[object]], before: str = "") -> str:
    """Commands one after the other in the same two processes, for starting Python takes longer than a step; RUN-first
    is a training's folder as it was before a later command resumed it."""
    (folder / "each.py").write_text(before + EACH)
    return two_processes(folder / "each.py", json.dumps([[str(word) for word in words] for words in commands]))


def losses(run: Path) -> list[dict[str, float]]:
    """What was logged of each step, without rates and pace."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    kept = ("loss", "source", "mixed", "_confident", "_from_source")
    return [{name: row[name] for name in kept} for row in rows if row["kind"] == "train"]


def evaluation(run: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "evaluate"][-1]


@pytest.fixture(scope="module")
def runs(town: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each case, trained for a step and resumed for another, all by the same two processes."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {
        "train.steps": 1, "train.evaluate_every": 1, "frames.batch_size": 2, "frames.workers": 0, "train.timeout": 60,
    }  # fmt: skip
    commands = []
    for name, (recipe, own) in CASES.items():
        words = [f"--{key}={town if value == 'TOWN' else value}" for key, value in (settings | own).items()]
        commands.append(["train", recipe, "--data", town, "--out", folder / name, *words])
        commands.append(["resume", folder / name, "--train.steps=2"])
    each_in_two_processes(folder, commands)
    return {name: folder / name for name in CASES}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_evaluate_store_and_resume(name: str, town: Path, runs: dict[str, Path]) -> None:
    run = runs[name]
    checkpoint = RunFolder(run).latest()
    assert checkpoint is not None
    assert read_settings(checkpoint)[1] == 2
    alone = api.evaluate(run, town, split="val", baselines=False, device="cpu")
    row = alone["segmentation"]["rows"][0] if "segmentation" in alone else alone["rows"][0]
    found = evaluation(run)
    shared = [key for key in ("miou", "pixel_accuracy", "abs_rel", "rmse", "scale_median") if key in row]
    assert shared
    assert {key: found[key] for key in shared} == pytest.approx({key: row[key] for key in shared}, rel=1e-4)


@pytest.mark.slow
def test_two_processes_train_as_one_where_batch_norm_has_no_part(town: Path, tmp_path: Path) -> None:
    """Masks, colours and order of blur are drawn alike, also in the second part of a step and after resuming."""
    settings = {
        "frames.source_domain": town, "frames.batch_size": 4, "frames.workers": 0, "train.steps": 3,
        "train.accumulate": 2, "train.log_every": 1, "train.evaluate_every": 0, "train.checkpoint_every": 2,
        "train.keep_states": 2, "network.variant": "dacs", "network.encoder": "test_convnext",
        "network.weights": "none", "corda.depth": "false", "corda.difficulty": "off",
        "corda.consistency.mix": "classmix", "corda.consistency.confidence": 0,
        "corda.consistency.jitter": 1, "corda.consistency.blur": 1,
    }  # fmt: skip
    words, run = [*(f"--{key}={value}" for key, value in settings.items()), "--train.device=cpu"], tmp_path / "both"
    api.train("corda-toytown-tiny", tmp_path / "alone", town, words)
    each_in_two_processes(tmp_path, [
        ["train", "corda-toytown-tiny", "--data", town, "--out", run, *words],
        ["resume", run / "checkpoints" / "step-2"],
    ])  # fmt: skip
    alone, both = losses(tmp_path / "alone"), losses(tmp_path / "both-first")
    assert len(alone) == 3
    assert 0.2 < alone[0]["_from_source"] < 0.8
    for one, two in zip(alone, both, strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    assert losses(run) == both


THREADS = """\
import os
import sys
from pathlib import Path
import tests.training.tiny_method
from vergence import api
from vergence.errors import InputError
folder = Path(sys.argv[1])
for explode in ("null", "1"):
    try:
        api.train(folder / "tiny.yaml", folder / f"run{explode}", folder / "manifest.csv",
                  {"train.steps": 2, "train.log_every": 1, "tiny.explode_at": explode})
    except InputError as error:
        print(f"refused, {explode}: {error}")
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    os.write(1, " ".join(["threads:", *names, chr(10)]).encode())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_no_thread_of_a_process_group_is_left(tmp_path: Path) -> None:
    """One that outlives the interpreter's end aborts the process there, sometimes. After a training that ends well, and
    after one that is refused."""
    write_frames(tmp_path)
    write_recipe(tmp_path)
    (tmp_path / "script.py").write_text(THREADS)
    said = two_processes(tmp_path / "script.py", tmp_path)
    assert said.count("refused, 1: the loss") == said.count("refused") == 2
    threads = re.findall("threads:(.*)", said)
    assert len(threads) == 4
    assert not any("gloo" in names for names in threads)
