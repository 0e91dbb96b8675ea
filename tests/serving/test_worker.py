"""The process of a model: asked, ended, started again."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.serving.served import both, noise
from vergence.errors import InputError
from vergence.serving.limits import Refusal
from vergence.serving.worker import Worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    noise().save(folder / "frame.png")
    found = Worker(str(both(folder / "run")), {"device": "cpu"}, {"TMPDIR": str(folder)})
    yield found
    found.close()
    assert found.pid is None
    with pytest.raises(Refusal, match="stopping"):
        found.ask({"do": "predict", "file": "x", "format": "json"}, 5)


def job(worker: Worker, file: str = "frame.png") -> dict[str, str]:
    return {"do": "predict", "file": f"{worker._given[2]['TMPDIR']}/{file}", "format": "json"}


def test_time_that_is_up_ends_the_worker(worker: Worker) -> None:
    reply, body = worker.ask(job(worker), 60)
    assert reply["content_type"] == "application/json"
    assert body.startswith(b'{"width": 96')
    first = worker.pid
    with pytest.raises(Refusal, match=r"longer than 0\.0001 seconds") as late:
        worker.ask(job(worker), 0.0001)
    assert (late.value.status, late.value.retry_after, worker.pid) == (503, 1, None)
    worker.restart()
    assert worker.pid not in (None, first)
    assert worker.ask(job(worker), 60)[1] == body


def test_a_dead_worker_is_started_by_the_next_request(worker: Worker) -> None:
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    worker._process.join(10)  # type: ignore[union-attr]
    assert worker.ask(job(worker), 60)[0]["status"] == "ok"
    assert worker.pid != first


def test_a_refusal_names_no_folder(worker: Worker) -> None:
    with pytest.raises(Refusal, match=r"^none\.png does not exist") as refused:
        worker.ask(job(worker, "none.png"), 60)
    assert refused.value.status == 422


def test_a_model_that_is_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match=r"no-run"):
        Worker(str(tmp_path_factory.mktemp("x") / "no-run"), {"device": "cpu"}, {})
