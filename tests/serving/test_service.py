"""The queue before the worker, and the files of requests and results."""

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from vergence.serving.limits import Limits, Refusal
from vergence.serving.service import Service
from vergence.serving.worker import Worker


class Slow:
    """A worker that answers when it is told to."""

    pid, about = 1, {"name": "slow"}

    def __init__(self) -> None:
        self.go, self.most, self.now = threading.Event(), 0, 0

    def ask(self, job: Any, seconds: float) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        assert self.go.wait(10)
        self.now -= 1
        return {"status": "ok", **job}, b""

    def close(self) -> None:
        self.go.set()


def test_a_full_queue_and_one_at_a_time(tmp_path: Path) -> None:
    worker = Slow()
    service = Service(cast(Worker, worker), Limits(waiting=3), tmp_path)

    async def ask_five() -> list[Any]:
        asked = [asyncio.create_task(service.ask({"number": number})) for number in range(5)]
        await asyncio.sleep(0.1)
        assert service.waiting == 3
        worker.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask_five())
    assert [reply["number"] for reply, _ in answers[:3]] == [0, 1, 2]
    for refused in answers[3:]:
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.retry_after) == (503, 2)
    assert (service.waiting, worker.most) == (0, 1)
    service.close()


def test_files_of_requests_go_and_results_are_found_by_name(tmp_path: Path) -> None:
    service = Service(cast(Worker, Slow()), Limits(), tmp_path)

    async def request() -> Path:
        async with service.request_file(".mp4") as file:
            file.write_bytes(b"x")
            assert list(file.parent.iterdir()) == [file]
        return file

    gone = asyncio.run(request())
    assert gone.name == "picture.mp4"
    assert not gone.parent.exists()
    names = []
    for number in range(30):
        name, out = service.new_result()
        (out / "a.png").write_text(str(number))
        service.keep(name, for_ever=number == 0)
        names.append(name)
    assert service.result(names[0], "a.png").read_text() == "0"
    assert service.result(names[-1], "a.png").read_text() == "29"
    (tmp_path / "secret").touch()
    for name, file in ((names[1], "a.png"), (names[-1], "../../secret"), ("..", "secret"), (names[-1], "b.png")):
        with pytest.raises(Refusal) as refused:
            service.result(name, file)
        assert refused.value.status == 404
    service.close()
