"""A real Label Studio on a free port of this machine, with a database of its own that goes away with it."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PYTHON = "VERGENCE_LABEL_STUDIO"
"""Environment variable: a Python that has the package label-studio, in an environment of its own."""
_START = 1200.0
"""Seconds that it may take until it answers: it makes its database first, which takes minutes where others work too."""


def python() -> str | None:
    """The Python that Label Studio is installed for; None where it is not."""
    program = shutil.which("label-studio")
    if named := os.environ.get(PYTHON):
        return named
    return str(Path(program).resolve().with_name("python")) if program else None


class Studio:
    """A running server and its one user."""

    def __init__(self, url: str, token: str, python: str) -> None:
        self.url, self.token, self._python = url, token, python

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        """The answer to that user."""
        with urllib.request.urlopen(self._request(method, path, value), timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def picture(self, path: str) -> bytes:
        """A file that it serves."""
        with urllib.request.urlopen(self._request("GET", path, None), timeout=60) as answer:
            return bytes(answer.read())

    def _request(self, method: str, path: str, value: Any) -> urllib.request.Request:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        body = None if value is None else json.dumps(value).encode()
        return urllib.request.Request(f"{self.url}{path}", body, headers, method=method)

    def tasks(self, title: str) -> dict[str, dict[str, Any]]:
        """Tasks of a project by the name of their frame, with all that is known of them."""
        number = next(one["id"] for one in self.ask("GET", "/api/projects/")["results"] if one["title"] == title)
        listed = self.ask("GET", f"/api/tasks?project={number}&fields=all&page_size=100")["tasks"]
        assert len({task["data"]["frame"] for task in listed}) == len(listed), "a frame is there twice"
        return {task["data"]["frame"]: task for task in listed}

    def own_code(self, function: str, value: Any) -> Any:
        """A function of Label Studio's own encoder of brushes, on arrays as lists."""
        code = (
            "import json, sys, numpy as np; from label_studio_sdk.converter import brush; "
            f"print(json.dumps(np.asarray(brush.{function}(np.array(json.load(sys.stdin), dtype=np.uint8))).tolist()))"
        )
        command = [self._python, "-c", code]
        done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def running(python: str, folder: Path) -> Iterator[Studio]:
    """Start it, wait until it answers, stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(20)
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "False", "LATEST_VERSION_CHECK": "False", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_USERNAME": "annotator@example.com", "LABEL_STUDIO_PASSWORD": secrets.token_hex(12),
        "LABEL_STUDIO_USER_TOKEN": token,
    }  # fmt: skip
    command = [python, "-m", "label_studio.server", "start", "--no-browser", "--internal-host", "127.0.0.1"]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], stdout=log, stderr=log, env={**os.environ, **settings}, cwd=folder
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(server, url, folder / "log.txt")
        yield Studio(url, token, python)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer in {_START:g} s: {log.read_text(errors='replace')[-2000:]}")
