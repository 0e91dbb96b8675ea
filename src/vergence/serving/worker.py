"""The one process that looks at pictures: asked from here, ended when it takes too long, started again when it died."""

import json
import logging
import multiprocessing
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from vergence.data.structured import parse_json
from vergence.errors import InputError
from vergence.serving.limits import Refusal
from vergence.serving.looker import Reply, look

_log = logging.getLogger("vergence")
_LOADING_SECONDS = 600.0
_LARGEST_REPLY = 1 << 31


class Died(Exception):
    """The worker is gone, without an answer."""


class Worker:
    """The model's process.

    Args:
        model: what :func:`vergence.load` takes.
        options: its settings.
        environment: variables of the process.

    Raises:
        InputError: nothing that can be loaded.
    """

    def __init__(self, model: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._given = (model, dict(options), dict(environment))
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = False
        with self._lock:
            self.about = self._started()

    @property
    def pid(self) -> int | None:
        """The process, None where none runs."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def ask(self, job: Mapping[str, Any], seconds: float) -> Reply:
        """The reply to a job; one at a time.

        Raises:
            Refusal: the job cannot be done, takes longer than ``seconds``, or the worker died of it.
        """
        with self._lock:
            self._awake()
            try:
                assert self._connection is not None
                self._connection.send_bytes(json.dumps(dict(job)).encode())
                reply, body = self._received(seconds)
            except TimeoutError:
                self._end()
                raise Refusal(503, f"this took longer than {seconds:g} seconds; give something smaller.", 1) from None
            except (Died, OSError):
                self._end()
                _log.warning("the worker died of a request; it is started again")
                raise Refusal(500, "the worker died of this request; it is started again.") from None
        if reply["status"] == "refused":
            raise Refusal(422, reply["error"])
        if reply["status"] == "failed":
            raise Refusal(500, reply["error"])
        return reply, body

    def restart(self) -> None:
        """Start the process if none runs; errors are left to the next request."""
        with self._lock:
            try:
                self._awake()
            except Refusal as error:
                _log.warning("%s", error.sentence)

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._end()

    def _awake(self) -> None:
        if self._closed:
            raise Refusal(503, "the server is stopping.")
        if self._process is not None and not self._process.is_alive():
            self._end()
        if self._process is None:
            try:
                self._started()
            except InputError as error:
                raise Refusal(503, f"the model cannot be loaded any more: {error}", 10) from None

    def _started(self) -> dict[str, Any]:
        context = multiprocessing.get_context("spawn")  # a process with threads and a GPU cannot be forked
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=look, args=(theirs, *self._given), name="vergence-worker", daemon=True)
        self._process.start()
        theirs.close()
        try:
            reply, _ = self._received(_LOADING_SECONDS)
        except (Died, OSError, TimeoutError):
            self._end()
            raise InputError(f"the worker ended while it loaded {self._given[0]}; is there memory enough?") from None
        if reply["status"] != "ok":
            self._end()
            raise InputError(reply["error"])
        return {name: value for name, value in reply.items() if name != "status"}

    def _received(self, seconds: float) -> Reply:
        assert self._connection is not None
        end = time.monotonic() + seconds
        parts = []
        for _ in range(2):
            if not self._connection.poll(max(0, end - time.monotonic())):
                raise TimeoutError
            try:
                parts.append(self._connection.recv_bytes(_LARGEST_REPLY))
            except EOFError:
                raise Died from None
        return parse_json(parts[0].decode(), "an answer", finite=False), parts[1]

    def _end(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join(10)
            process.close()
