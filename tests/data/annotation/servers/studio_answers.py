"""Answers as Label Studio gives them, and what goes wrong on the way to it."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCESS = "header.payload.signature"
"""An access token, which is exchanged for short-lived ones."""
LEGACY = "0123456789abcdef"


class Studio:
    """What the server holds."""

    def __init__(self) -> None:
        self.url = ""
        self.projects: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.files: list[str] = []
        self.short_lived = 0
        """Number of the token that holds."""
        self.seen: list[str] = []
        """Method and path of each request."""
        self.keys: list[str] = []
        """The header of each request that has one."""
        self.failing: list[tuple[str, int, bool]] = []
        """(pattern, status, whether it is done all the same): how the next request that fits is answered."""
        self.instead: tuple[int, bytes, dict[str, str]] | None = None
        """Status, body and headers of every answer."""

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Status and value."""
        match (method, re.sub(r"\d+", "N", path)):
            case ("GET", "/api/projects/"):
                title = query.get("title", "")
                return 200, {"next": None, "results": [one for one in self.projects if title in one["title"]]}
            case ("POST", "/api/projects/"):
                self.projects.append({"id": len(self.projects) + 1, **json.loads(body)})
                return 201, self.projects[-1]
            case ("GET", "/api/projects/N/file-uploads"):
                return 200, [{"id": place, "file": name} for place, name in enumerate(self.files, start=1)]
            case ("POST", "/api/projects/N/import") if query.get("commit_to_project") == "false":
                name = re.search(rb'filename="([^"]+)"', body)
                assert name is not None
                self.files.append(f"upload/1/90fbb0c{len(self.files)}-{name[1].decode()}")
                return 201, {"file_upload_ids": [len(self.files)]}
            case ("GET", "/api/import/file-upload/N"):
                number = int(path.rpartition("/")[2])
                return 200, {"id": number, "file": self.files[number - 1]}
            case ("POST", "/api/projects/N/import"):
                self.tasks += json.loads(body)
                return 201, {"task_count": 1}
            case ("GET", "/api/tasks"):
                page, size = int(query["page"]), min(int(query["page_size"]), 2)
                part = self.tasks[(page - 1) * size : page * size]
                return (200 if part or page == 1 else 404), {"total": len(self.tasks), "tasks": part}
            case ("GET", "/api/projects/N/export"):
                return 200, [{"id": place, **task} for place, task in enumerate(self.tasks, start=1)]
        return 404, {"detail": "Not found."}


class _Handler(BaseHTTPRequestHandler):
    holds: Studio

    def _any(self) -> None:
        holds, parts = self.holds, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        what, given = f"{self.command} {parts.path}", self.headers["Authorization"]
        holds.seen.append(what)
        holds.keys += [given] if given else []
        if holds.instead is not None:
            self._send(*holds.instead)
        elif parts.path == "/api/token/refresh":
            holds.short_lived += 1
            known = json.loads(body) == {"refresh": ACCESS}
            self._json(200 if known else 401, {"access": f"short{holds.short_lived}"} if known else {"detail": "no"})
        elif given not in (f"Token {LEGACY}", f"Bearer short{holds.short_lived}"):
            self._json(401, {"detail": f"Invalid token {given}."})
        elif failing := next((one for one in holds.failing if re.fullmatch(one[0], what)), None):
            holds.failing.remove(failing)
            if failing[2]:
                holds.answer(self.command, parts.path, query, body)
            self._json(failing[1], {"detail": "not now"})
        else:
            self._json(*holds.answer(self.command, parts.path, query, body))

    do_GET = do_POST = _any

    def _json(self, status: int, value: Any) -> None:
        self._send(status, json.dumps(value).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[Studio]:
    """The server on a free port of this machine."""
    holds = Studio()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"holds": holds})) as server:
        server.daemon_threads = True
        holds.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield holds
        finally:
            server.shutdown()
            thread.join()
