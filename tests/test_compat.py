"""What is settled before torch is imported."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.small_runs import write_run
from vergence import _compat

DEPTH = "depth-toytown-tiny"


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [
        ("", {}, "PASSIVE 1000"),
        ("", {"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"),
        ("", {"GOMP_SPINCOUNT": "7"}, "None 7"),
        ("import torch; ", {}, "None None"),
    ],
    ids=["default", "the user's own policy", "the user's own spins", "torch is there already"],
)
def test_threads_sleep_soon_at_barriers_unless_somebody_decided(
    before: str, given: dict[str, str], expected: str
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {key: value for key, value in os.environ.items() if key not in names} | given
    program = f"{before}import vergence, os; print(*(os.environ.get(name) for name in {names!r}))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_onnx_runtime_reports_nothing_unless_somebody_decided(
    given: dict[str, str], expected: str, tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"} | given
    program = "import vergence, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    if not given:
        pytest.importorskip("onnxruntime", reason="the extra export is not installed")
        program = f"import vergence, onnxruntime; {program}"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == expected
    assert list(tmp_path.iterdir()) == []  # it begins with a file of its session


HEAVY = (
    "torch", "torch._dynamo", "torch._inductor", "sympy", "torchmetrics", "matplotlib", "scipy", "sklearn", "pandas",
    "cv2", "transformers", "onnx", "onnxruntime", "openvino", "gradio", "fastapi", "ray", "rerun", "boto3",
)  # fmt: skip
SHOW = f"print('HEAVY', *(name for name in {HEAVY} if name in sys.modules), flush=True)"
MAIN = "import sys; from vergence.cli import main; main(sys.argv[1:])"


def imported(program: str, folder: Path, *words: str) -> set[str]:
    """Which of the heavy libraries a program imports in a process of its own, in an empty folder."""
    command = [sys.executable, "-c", f"{program}\nimport sys; {SHOW}", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rsplit("HEAVY", 1)[1].split())


@pytest.mark.parametrize("words", [(), ("doctor",), ("train",), ("evaluate",), ("labels",)], ids=" ".join)
def test_help_imports_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    assert imported(MAIN, tmp_path, *words, "--help") == set()


def test_no_method_imports_the_compiler(tmp_path: Path) -> None:
    program = """
from vergence.runs.checkpoint import build_method
from vergence.runs.config import load_config
from vergence.runs.recipe import recipe_names
for name in recipe_names():
    if not name.endswith("-tiny") or "toytown" not in name:
        continue
    config = load_config(name, {"frames.options.label_space": "cityscapes"})
    if config.method == "three_ways":
        config.three_ways.depth = "truth"
    build_method(config)
"""
    assert imported(program, tmp_path) == {"torch"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small town and a run of each kind."""
    folder = tmp_path_factory.mktemp("town")
    index = "index toytown town --out town.parquet --train 1 --val 1 --frames 6 --width 96 --height 64"
    assert imported(MAIN, folder, *index.split()) == {"torch"}
    write_run(folder / "depth", DEPTH)
    write_run(folder / "classes", "supervised-toytown-tiny", **{"frames.options.label_space": "cityscapes19"})
    return folder


def test_a_step_of_training_imports_nothing_heavy(town: Path, tmp_path: Path) -> None:
    training = f"train {DEPTH} --data {town}/town.parquet --out run --train.steps 1 --frames.workers 0"
    assert imported(MAIN, tmp_path, *training.split()) == {"torch"}
    assert (tmp_path / "run" / "checkpoints" / "LATEST").is_file()


UNTIL_A_PASS = f"""
import os, sys, vergence
from torch.nn.modules.module import register_module_forward_pre_hook
def stop(*_):
    {SHOW}
    os._exit(0)
register_module_forward_pre_hook(stop)
{MAIN}
raise SystemExit("no network was asked")
"""


@pytest.mark.parametrize(
    "words",
    [
        "train three_ways-toytown-tiny --data TOWN --out RUN --frames.labelled.count 2",
        "evaluate depth --data TOWN",
        "evaluate classes --data TOWN",
        "predict depth TOWN --out RUN",
        "select depth --data TOWN --count 2 --out RUN",
    ],
)
def test_what_a_verb_imports_before_its_network_is_asked(words: str, town: Path, tmp_path: Path) -> None:
    asked = words.replace("TOWN", str(town / "town.parquet")).replace("RUN", str(tmp_path / "run"))
    colours = {"matplotlib"} if words.startswith("predict") else set()  # the map of colours is looked up before
    assert imported(UNTIL_A_PASS, town, *asked.split()) == {"torch"} | colours


def test_the_client_that_accelerate_does_without_is_there_for_others() -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    program = """
import sys, vergence, accelerate
assert not [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]
import boto3, accelerate.commands.config.sagemaker
assert boto3.session.Session
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("repair", [_compat._lazy_for_torch, _compat._lazy_for_libraries, _compat._lazy_steps])
def test_a_torch_without_the_names_that_are_replaced_is_left_alone(repair: Any) -> None:
    module = ModuleType("of_another_version")
    before = dict(vars(module))
    with repair(module):
        pass
    assert vars(module) == before


def test_what_is_kept_from_the_compiler_stays_so() -> None:
    program = """
import sys, vergence, torch
@torch.compiler.disable
def apart(x):
    return x * (3 if torch.compiler.is_compiling() else 2)
@torch._disable_dynamo
def of_torch(x):
    return x * (30 if torch.compiler.is_compiling() else 20)
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([weight], lr=1.0)
assert apart(torch.ones(1)) == 2 and "torch._dynamo" not in sys.modules
def step():
    optimizer.zero_grad()
    (weight * 2).sum().backward()
    optimizer.step()
step()
assert "torch._dynamo" not in sys.modules and not weight.grad_fn and weight.tolist() == [-1, -1]
traced = []
def backend(graph, inputs):
    traced.append([node.target.__name__ for node in graph.graph.nodes if node.op == "call_function"])
    return graph
call = lambda x: (of_torch(apart(x + 1)) - 1)
assert torch.compile(call, backend=backend)(torch.ones(2)).tolist() == call(torch.ones(2)).tolist() == [79, 79]
assert traced == [["add"], ["sub"]], traced
step()
assert weight.tolist() == [-3, -3]
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
