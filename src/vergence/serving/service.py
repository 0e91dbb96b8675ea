"""Requests in a bounded queue before one worker, and the folder that holds their files while they are answered."""

import asyncio
import contextlib
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vergence.serving.limits import Limits, Refusal
from vergence.serving.looker import Reply
from vergence.serving.worker import Worker

_KEPT = 24
"""Results of the page that can still be downloaded."""


class Service:
    """What the interface and the page ask.

    Args:
        worker: the model's process.
        limits: of the server.
        folder: where requests and results lie; nothing is written elsewhere.
    """

    def __init__(self, worker: Worker, limits: Limits, folder: Path) -> None:
        self.worker, self.limits, self.folder = worker, limits, folder
        self.requests, self._results = folder / "requests", folder / "results"
        for each in (self.requests, self._results):
            each.mkdir(exist_ok=True)
        self._pool = ThreadPoolExecutor(1, "vergence-serve")
        self._waiting, self._count = 0, threading.Lock()
        self._kept: OrderedDict[str, dict[str, Path]] = OrderedDict()
        self._for_ever: dict[str, dict[str, Path]] = {}

    @property
    def about(self) -> dict[str, Any]:
        """What the model is."""
        return self.worker.about

    @property
    def waiting(self) -> int:
        """Requests that wait or are worked on."""
        return self._waiting

    async def ask(self, job: Mapping[str, Any]) -> Reply:
        """The worker's reply; Refusal where the queue is full, or as of :meth:`Worker.ask`."""
        with self._count:
            if self._waiting >= self.limits.waiting:
                raise Refusal(503, f"{self._waiting} requests are waiting already; come back in a moment.", 2)
            self._waiting += 1
        answered = self._pool.submit(self.worker.ask, job, self.limits.seconds)
        answered.add_done_callback(lambda _: self._one_less())
        try:
            return await asyncio.wrap_future(answered)
        except Refusal:
            if self.worker.pid is None:
                self._pool.submit(self.worker.restart)  # so that the next one finds it ready
            raise

    def _one_less(self) -> None:
        with self._count:
            self._waiting -= 1

    @contextlib.asynccontextmanager
    async def request_file(self, suffix: str = ".png") -> AsyncIterator[Path]:
        """A place for what a request brought, alone in its folder, so that nothing beside it is read; then removed."""
        folder = self.requests / secrets.token_hex(8)
        folder.mkdir()
        try:
            yield folder / f"picture{suffix}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def new_result(self) -> tuple[str, Path]:
        """A name that nobody guesses, and a new folder for the files of a result."""
        name = secrets.token_hex(16)
        (self._results / name).mkdir()
        return name, self._results / name

    def keep(self, name: str, for_ever: bool = False) -> None:
        """Offer the files of a result for download; the oldest results go, but those that are kept for ever."""
        files = {file.name: file for file in (self._results / name).iterdir() if file.is_file()}
        (self._for_ever if for_ever else self._kept)[name] = files
        while len(self._kept) > _KEPT:
            oldest, _ = self._kept.popitem(last=False)
            shutil.rmtree(self._results / oldest, ignore_errors=True)

    def result(self, name: str, file: str) -> Path:
        """A file that is offered: looked up by its names, never by a path."""
        stored = {**self._for_ever, **self._kept}.get(name, {}).get(file)
        if stored is None or not stored.is_file():
            raise Refusal(404, "there is no such file here, or no more; look at the picture again.")
        return stored

    def close(self) -> None:
        """End the worker; whoever waits is told."""
        self.worker.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
