"""What runs beside a command and talks to it, on this machine: a client of ``serve``, servers that annotators use."""

import json
import multiprocessing
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.data.annotation.servers import cvat_server, studio_answers

ANSWERS = "answers.json"
_SECONDS = 20.0
_PICTURE = "frames/000.png"


class Ask(NamedTuple):
    """A malformed request: its bytes, which status may be answered."""

    content: bytes
    statuses: Sequence[int] = ()
    """Empty: any of 400 to 499, 501 or 505, or no answer at all."""
    ends: bool = False
    """The client says that it sends no more."""


@contextmanager
def client(ask: Ask, folder: Path) -> Iterator[dict[str, str]]:
    """Sends a request to the server that the command starts, then a sound one, then ends it.

    What was answered is in ``answers.json``. The worker is forked instead of started anew: it has the limits of this
    process, and is watched as it is.
    """
    context = multiprocessing.get_context("fork")
    thread = threading.Thread(target=_talk, args=(ask, folder), daemon=True)
    with mock.patch("multiprocessing.get_context", return_value=context):
        thread.start()
        yield {}


def _talk(ask: Ask, folder: Path) -> None:
    found: dict[str, Any] = {"wanted": list(ask.statuses)}
    try:
        port = _port(folder.parent / "stdout")
        if port is None:
            return
        found["answer"] = _sent(port, ask.content, ask.ends)
        picture = (folder / _PICTURE).read_bytes()
        found["after"] = _sent(port, request("POST", "/predict", picture, ("Content-Type", "image/png")), False)
    finally:
        (folder / ANSWERS).write_text(json.dumps(found))
        os.kill(os.getpid(), signal.SIGTERM)


def _port(said: Path) -> int | None:
    for _ in range(600):
        if match := re.search(r"http://127\.0\.0\.1:(\d+)", said.read_text(errors="replace")):
            return int(match[1])
        time.sleep(0.05)
    return None


def _sent(port: int, content: bytes, ends: bool) -> str:
    """All that is answered until the connection ends, as text of one byte a letter; "" for nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        parts, left, end = [], content, time.monotonic() + _SECONDS
        try:
            connection.sendall(left)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has answered already, and reads no more
        try:
            while (piece := connection.recv(1 << 16)) and time.monotonic() < end:
                parts.append(piece)
        except OSError:
            pass
    return b"".join(parts).decode("latin-1")[:200_000]


def request(method: str, path: str, body: bytes = b"", *headers: tuple[str, str], host: str = "127.0.0.1") -> bytes:
    """A request as it goes over the line, with its length where no header says one."""
    named = [("Host", host), ("Connection", "close"), *headers]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in named):
        named.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Fault(NamedTuple):
    """An answer of a server is another: of which requests, and what its body, status and headers become."""

    what: str
    """Pattern of method and path."""
    spoil: Callable[[bytes], bytes]
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def studio(fault: Fault, pull: bool, folder: Path) -> Iterator[dict[str, str]]:
    """A Label Studio one of whose answers is malformed; to pull from, its project has the frames and their labels."""
    from vergence.data.annotation.servers import label_studio
    from vergence.data.annotation.servers.http import Http

    sound = studio_answers._Handler._send

    def send(handler: Any, status: int, body: bytes, headers: dict[str, str]) -> None:
        if begun and re.fullmatch(fault.what, f"{handler.command} {handler.path.partition('?')[0]}"):
            status, body = fault.status or status, fault.spoil(body)
            headers = headers | {name: value.replace("{home}", holds.url) for name, value in fault.headers}
        sound(handler, status, body, headers)

    begun: list[bool] = []
    with (
        studio_answers.answering() as holds,
        mock.patch.dict(os.environ, {label_studio.KEY: studio_answers.LEGACY}),
        mock.patch.object(Http, "waits", (0.0,)),
        mock.patch.object(studio_answers._Handler, "_send", send),
    ):
        if pull:
            _push("label_studio", holds.url, folder)
        begun.append(True)
        yield {"url": holds.url}


@contextmanager
def cvat(fault: Fault, pull: bool, folder: Path) -> Iterator[dict[str, str]]:
    """The same of what answers as CVAT."""
    from vergence.data.annotation.servers import cvat as tool

    sound = cvat_server._Handler._answer

    def answer(handler: Any, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
        if begun and re.fullmatch(fault.what, f"{handler.command} {handler.path.partition('?')[0].rstrip('/')}"):
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            status, value = fault.status or status, Plain(fault.spoil(body))
            headers = (headers or {}) | {name: text.replace("{home}", holds.url) for name, text in fault.headers}
        sound(handler, status, value, headers)

    begun: list[bool] = []
    with (
        cvat_server.serving() as holds,
        mock.patch.dict(os.environ, {tool.TOKEN: cvat_server.TOKEN}),
        mock.patch.object(tool, "_PATIENCE", 0),
        mock.patch.object(tool, "_MOST_PAGES", 20),
        mock.patch.object(cvat_server._Handler, "_answer", answer),
    ):
        if pull:
            _push("cvat", holds.url, folder)
        begun.append(True)
        yield {"url": holds.url}


class Plain(bytes):
    """A body that goes as it is."""


def _push(tool: str, url: str, folder: Path) -> None:
    from vergence.data.annotation.servers import Server, push_labels
    from vergence.data.manifest import Manifest

    push_labels(Manifest.read(folder / "manifest.csv"), Server(tool, url), "yard")
