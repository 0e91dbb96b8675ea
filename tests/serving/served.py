"""A real server of a tiny model, and how it is asked."""

import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.small_runs import write_run


def both(folder: Path) -> Path:
    """An untrained run that predicts depth and classes."""
    return write_run(
        folder, "three_ways-toytown-tiny",
        **{
            "frames.options.label_space": "toytown", "three_ways.multi_task": True, "three_ways.depth": "online",
            "network.exchange": "pad",
        },
    )  # fmt: skip


def noise(width: int = 96, height: int = 48) -> Image.Image:
    """A picture that has something to see everywhere."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(picture: Image.Image) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body, read."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The sentence of a refusal, checked: one sentence, no traceback, no path of this machine."""
        sentence = self.json["error"]
        assert set(self.json) == {"error"}
        assert "Traceback" not in sentence
        assert "/tmp" not in sentence
        assert "\n" not in sentence
        return str(sentence)


def ask(address: str, data: Any = None, method: str | None = None, **headers: str) -> Said:
    """Ask with a real client."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, data, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Said(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Said(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def form(picture: bytes, name: str = "frame.png") -> tuple[bytes, str]:
    """A form with one file, and its type of content."""
    head = f'--edge\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'.encode()
    return head + picture + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


class Server(NamedTuple):
    """A server that runs."""

    address: str
    process: "subprocess.Popen[str]"
    run: Path
    temporary: Path
    """Where its folder of files lies."""

    def worker(self) -> int:
        """The process that holds the model."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == self.process.pid and b"spawn_main" in words:
                return int(entry.name)
        raise AssertionError("the server has no worker")


@contextmanager
def served(folder: Path, *words: str) -> Iterator[Server]:
    """``vergence serve`` of a run in a process of its own; ended by SIGTERM, which must leave nothing behind."""
    run, temporary = both(folder / "run"), folder / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "vergence", "serve", str(run), "--port", "0", "--device", "cpu", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    try:
        assert " http://127.0.0.1:" in line, line + process.stderr.read()
        yield Server(line.split(": ")[1].split()[0], process, run, temporary)
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=30)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints, complaints
    assert list(temporary.iterdir()) == []
