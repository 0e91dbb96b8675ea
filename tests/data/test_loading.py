import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.children import LISTED, ended, waited_for
from tests.data.loaded import OPTIONS, first
from tests.data.small_world import manifest
from vergence.data.dataset import FrameDataset
from vergence.data.loading import EndlessSampler, FrameCache, build_loader, collate
from vergence.errors import InputError


def flat(batches):
    return [key for batch in batches for key in batch]


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (10, 5), (3, 7), (1, 3), (8, 8)])
def test_each_epoch_has_each_sample_once(n, batch):
    keys = flat(first(EndlessSampler(n, batch, seed=1), 5 * n))[: 5 * n]
    for epoch in range(5):
        part = keys[epoch * n : (epoch + 1) * n]
        assert {key[0] for key in part} == {epoch}
        assert sorted(key[1] for key in part) == list(range(n))


def test_epochs_and_seeds_have_different_orders():
    keys = flat(first(EndlessSampler(50, 50, seed=1), 3))
    orders = [tuple(index for _, index in keys[k * 50 : (k + 1) * 50]) for k in range(3)]
    assert len(set(orders)) == 3
    assert flat(first(EndlessSampler(50, 50, seed=1), 3)) == keys
    assert flat(first(EndlessSampler(50, 50, seed=2), 3)) != keys


def test_without_shuffling_the_order_is_that_of_the_data():
    assert flat(first(EndlessSampler(3, 2, shuffle=False), 3)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


@pytest.mark.parametrize("start", [0, 1, 3, 17])
@pytest.mark.parametrize("n", [10, 3])
def test_a_resumed_stream_is_the_rest_of_the_stream(start, n):
    whole = first(EndlessSampler(n, 4, seed=5), 30)
    assert first(EndlessSampler(n, 4, seed=5, start_step=start), 30 - start) == whole[start:]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("n", [10, 4])
def test_the_processes_together_are_one_process(world, n):
    single = first(EndlessSampler(n, 2 * world, seed=5, start_step=2), 20)
    ranks = [first(EndlessSampler(n, 2, seed=5, rank=rank, world=world, start_step=2), 20) for rank in range(world)]
    assert [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)] == single


@pytest.mark.parametrize("changes", [{"n": 0}, {"batch_size": 0}, {"rank": 2, "world": 2}, {"start_step": -1}])
def test_impossible_samplers(changes):
    with pytest.raises(ValueError, match="impossible sampler"):
        EndlessSampler(**{"n": 4, "batch_size": 2, **changes})


def test_workers_change_nothing(dataset, tmp_path):
    expected = [collate([dataset[key] for key in keys]) for keys in first(EndlessSampler(7, 3, seed=4), 6)]
    cached = FrameDataset(dataset.manifest, OPTIONS, train=True, seed=2, cache=FrameCache(tmp_path / "cache", 12, 20))
    for data, workers in ((dataset, 0), (dataset, 1), (cached, 3)):
        loader = build_loader(data, 3, workers, seed=4)
        for batch, wanted in zip(first(loader, 6), expected, strict=True):
            assert batch.keys() == wanted.keys()
            assert all(torch.equal(batch[key], wanted[key]) for key in wanted)
        loader.close()


def test_a_loader_resumes_and_shards(dataset):
    whole = [batch["index"].tolist() for batch in first(build_loader(dataset, 4, 0, seed=4), 6)]
    assert [batch["index"].tolist() for batch in first(build_loader(dataset, 4, 0, 4, start_step=2), 4)] == whole[2:]
    parts = [
        [batch["index"].tolist() for batch in first(build_loader(dataset, 2, 0, 4, rank, 2), 6)] for rank in range(2)
    ]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_wrong_with_a_file_arrives_as_one_sentence(dataset, workers):
    path = dataset.manifest.path(1)
    path.write_bytes(path.read_bytes()[:90])
    loader = build_loader(dataset, 4, workers, seed=0)
    with pytest.raises(InputError) as caught:
        first(loader, 8)
    loader.close()
    assert str(caught.value).startswith(f"{path} is damaged or truncated")
    assert "\n" not in str(caught.value)


class Threads(torch.utils.data.Dataset):
    rows = (0,)

    def __len__(self):
        return 1

    def __getitem__(self, key):
        return {"threads": torch.tensor(torch.get_num_threads()), "group": torch.tensor(os.getpgrp())}


def test_workers_use_one_thread_and_leave_the_terminal_alone():
    loader = build_loader(Threads(), 1, 1, seed=0)
    batch = first(loader, 1)[0]
    loader.close()
    assert batch["threads"].item() == 1
    assert batch["group"].item() != os.getpgrp()


def test_a_process_that_just_ends_leaves_no_warning_and_no_worker(tmp_path):
    manifest(tmp_path).write(tmp_path / "m.csv")
    code = f"""
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.loading import build_loader
from vergence.data.manifest import Manifest
dataset = FrameDataset(Manifest.read({str(tmp_path / "m.csv")!r}), FrameOptions(12, 20), train=True)
batches = iter(build_loader(dataset, 2, 2, seed=0))
next(batches), next(batches)
print("done")
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


STUCK = """
import os, sys, time
from pathlib import Path
from vergence.data.loading import build_loader
class Stuck:
    def __len__(self):
        return 1
    def __getitem__(self, key):
        Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(600)
if __name__ == "__main__":
    next(iter(build_loader(Stuck(), 1, 1, seed=0)))
"""


@pytest.mark.skipif(not LISTED, reason="a process is looked for in /proc")
def test_a_worker_that_is_stuck_ends_when_its_process_is_killed(tmp_path):
    (tmp_path / "stuck.py").write_text(STUCK)
    said = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, str(tmp_path / "stuck.py"), str(said)])
    try:
        assert waited_for(lambda: said.is_file() and said.read_text().isdigit(), 60)
    finally:
        process.kill()
        process.wait()
    worker = int(said.read_text())
    assert waited_for(lambda: ended(worker), 20)
