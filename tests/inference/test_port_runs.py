"""Several processes make what ports have not made yet: each its share, once, and all of them have everything."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from tests.data.small_world import save, video
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference import depth_port, label_port_cache
from vergence.inference.label_port import with_pseudo_labels
from vergence.inference.port_runs import make_missing
from vergence.runs.processes import Processes
from vergence.settings.label_corruption import LabelCorruption

T = TypeVar("T")
COUNT = 20
SIZE = (12, 20)


@dataclass(frozen=True)
class Threads(Processes):
    """Threads that exchange values as processes do."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=20))
    values: dict[int, Any] = field(default_factory=dict)

    def gather(self, value: T) -> list[T]:
        self.values[self.rank] = value
        self.barrier.wait()
        found = [self.values[rank] for rank in range(self.world)]
        self.barrier.wait()
        return found


def both(work: Callable[[Processes], T]) -> list[T | InputError]:
    """What ``work`` gives in two processes, or its error."""

    def one(processes: Processes) -> T | InputError:
        try:
            return work(processes)
        except InputError as error:
            return error

    first = Threads(0, 2)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, [first, Threads(1, 2, first.barrier, first.values)]))


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    np.save(tmp_path / "depth.npy", np.linspace(1, 50, 24 * 40, dtype=np.float32).reshape(24, 40))
    save(tmp_path / "label.png", np.arange(24 * 40, dtype=np.uint8).reshape(24, 40) % 3)
    named = {"depth": "depth.npy", "label": "label.png", "label_space": "toy:road#804080,sky#4682b4,car#00008e"}
    return Manifest(video(tmp_path, COUNT, **named), tmp_path)


def written(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, place: Callable[..., Any]) -> list[Any]:
    """What a writer of a module is called for."""
    calls: list[Any] = []
    write = getattr(module, name)

    def recorded(*values: Any) -> Any:
        calls.append(place(*values))
        return write(*values)

    monkeypatch.setattr(module, name, recorded)
    return calls


def test_each_estimate_is_made_once(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = written(monkeypatch, depth_port, "write_estimate", lambda path, _: (threading.get_ident(), path))
    found = both(lambda processes: depth_port.with_estimates(manifest, "truth", SIZE, processes=processes))
    assert len(calls) == len({path for _, path in calls}) == COUNT
    assert sorted(sum(who == one for who, _ in calls) for one in {who for who, _ in calls}) == [8, 12]  # whole batches
    alone = depth_port.with_estimates(manifest, "truth", SIZE)
    assert len(calls) == COUNT
    assert [one.rows for one in found if isinstance(one, Manifest)] == [alone.rows, alone.rows]


def test_each_label_is_made_once(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = written(monkeypatch, label_port_cache, "_write", lambda home, name, *_: name)
    noise = LabelCorruption(blobs=0.2)
    found = both(lambda processes: with_pseudo_labels(manifest, "truth", SIZE, corruption=noise, processes=processes))
    assert not [one for one in found if isinstance(one, InputError)]
    assert len(calls) == len(set(calls)) == COUNT
    alone = with_pseudo_labels(manifest, "truth", SIZE, corruption=noise)
    assert len(calls) == COUNT
    assert [one.rows for one in found if isinstance(one, Manifest)] == [alone.rows, alone.rows]


def test_what_is_wrong_in_one_process_is_said_in_all(manifest: Manifest) -> None:
    broken = manifest.path(COUNT - 1, "depth").with_name("last.npy")
    broken.write_bytes(b"no array")
    rows = [*manifest.rows[:-1], replace(manifest.rows[-1], depth="last.npy")]
    bad = Manifest(rows, manifest.root)
    found = both(lambda processes: depth_port.with_estimates(bad, "truth", SIZE, processes=processes))
    assert all(isinstance(one, InputError) and "last.npy" in str(one) for one in found)
    assert str(found[0]) == str(found[1])


@pytest.mark.parametrize("shared", [True, False])
def test_everything_is_there_for_each_also_where_caches_are_not_shared(shared: bool) -> None:
    caches: list[set[int]] = [{3}, {3}]
    made: list[int] = []

    def work(processes: Processes) -> None:
        mine = caches[0 if shared else processes.rank]

        def make(places: list[int]) -> None:
            made.extend(places)
            mine.update(places)

        make_missing(range(COUNT), mine.__contains__, make, processes)
        assert mine == set(range(COUNT))

    both(work)
    assert len(made) == (COUNT - 1 if shared else 2 * (COUNT - 1))
