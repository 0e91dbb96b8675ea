"""Two torchrun agents, a node each, train one run: to the numbers of one process, also when a node has died."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.children import LISTED, children
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.runs.checkpoint import read_tensors
from vergence.runs.folder import RunFolder

ROOT = Path(__file__).parents[2]
WORDS = {"tiny.dropout": 0, "optim.schedule": "constant", "train.checkpoint_every": 10, "train.log_every": 5,
         "train.keep": 3}  # fmt: skip
pytestmark = pytest.mark.skipif(not LISTED, reason="children are found in /proc")


class Nodes:
    """The command on two nodes of one rendezvous, each an agent with a process."""

    def __init__(self, *words: object) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        agents = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1",
                  "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=test"]  # fmt: skip
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        self.agents = [
            subprocess.Popen(
                [*agents, f"--rdzv-conf=is_host={host}", "-m", "tests.training.tiny_method", *map(str, words)],
                cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for host in ("1", "0")
        ]  # fmt: skip

    def ended(self) -> list[tuple[int, str]]:
        """Exit code and stderr of each node."""
        said = [agent.communicate(timeout=200)[1] for agent in self.agents]
        return [(agent.returncode, text) for agent, text in zip(self.agents, said, strict=True)]

    def kill(self, node: int) -> None:
        """As when the power is cut: the agent and its process."""
        agent = self.agents[node].pid
        for process in (agent, *children(agent)):
            os.kill(process, signal.SIGKILL)

    def close(self) -> None:
        for node, agent in enumerate(self.agents):
            if agent.poll() is None:
                self.kill(node)
            agent.communicate()


def _assert_same(run: Path, other: Path) -> None:
    """Weights after gradients that were averaged over processes are those of one process but for rounding."""
    checkpoints = [RunFolder(one).latest() for one in (run, other)]
    assert checkpoints[0] is not None
    assert checkpoints[1] is not None
    assert checkpoints[0].step == checkpoints[1].step
    ours, theirs = (read_tensors(checkpoint.weights) for checkpoint in checkpoints if checkpoint)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_node_dies_and_the_run_goes_on(tmp_path: Path) -> None:
    recipe, frames, run = write_recipe(tmp_path), write_frames(tmp_path), tmp_path / "run"
    settings = [f"--{name}={value}" for name, value in WORDS.items()]
    nodes = Nodes("train", recipe, "--out", run, "--data", frames, *settings, "--train.steps=1000000")
    try:
        end = time.monotonic() + 150
        while len(RunFolder(run).checkpoints()) < 2 and time.monotonic() < end and nodes.agents[0].poll() is None:
            time.sleep(0.05)
        nodes.kill(1)
        code, said = nodes.ended()[0]
    finally:
        nodes.close()
    assert code != 0
    assert said.count(f"vergence: another process of {run} was lost or does not answer") == 1
    assert f"then vergence train --resume {run} goes on" in said
    stopped = RunFolder(run).latest()
    assert stopped is not None
    steps = stopped.step + 7
    resumed = Nodes("train", "--resume", run, f"--train.steps={steps}")
    try:
        assert [code for code, _ in resumed.ended()] == [0, 0]
    finally:
        resumed.close()
    _assert_same(run, api.train(recipe, tmp_path / "alone", frames, {**WORDS, "train.steps": steps}))
