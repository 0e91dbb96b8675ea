"""Answers as CVAT's REST API documents them, for its SDK; no CVAT: masks are kept as they came, and given back."""

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-cvat"
_DATE = "2026-01-02T03:04:05.000000Z"


class Server:
    """What the server holds."""

    def __init__(self) -> None:
        self.url = ""
        self.projects: dict[int, dict[str, Any]] = {}
        self.labels: dict[int, list[dict[str, Any]]] = {}
        self.tasks: dict[int, dict[str, Any]] = {}
        self.frames: dict[int, list[str]] = {}
        self.pictures: dict[str, bytes] = {}
        self.states: dict[int, str] = {}
        self.masks: dict[str, bytes] = {}
        """Of all tasks together, as an export of the project has them."""
        self.label_map = ""
        self.uploads: dict[str, bytes] = {}
        self.seen: list[str] = []
        """Method and path of each request."""
        self.failing: list[tuple[str, int]] = []
        """(pattern, status): the next request that fits is answered so."""
        self.failed_import = ""
        """The message of a background request that fails."""

    def add_task(self, spec: dict[str, Any]) -> dict[str, Any]:
        number = len(self.tasks) + 1
        self.tasks[number] = {
            "id": number, "name": spec["name"], "project_id": spec["project_id"],
            "url": f"{self.url}/api/tasks/{number}", "labels": {"url": f"{self.url}/api/labels?task_id={number}"},
            "jobs": {"count": 1, "completed": 0, "validation": 0, "url": f"{self.url}/api/jobs?task_id={number}"},
            "organization": None, "created_date": _DATE, "size": 0,
        }  # fmt: skip
        self.frames[number], self.states[number] = [], "new"
        return self.tasks[number]

    def add_project(self, name: str, labels: list[dict[str, Any]]) -> dict[str, Any]:
        number = len(self.projects) + 1
        self.projects[number] = {
            "id": number, "name": name, "url": f"{self.url}/api/projects/{number}", "organization": None,
            "tasks": {"count": 0, "url": f"{self.url}/api/tasks?project_id={number}"},
            "labels": {"url": f"{self.url}/api/labels?project_id={number}"}, "created_date": _DATE,
        }  # fmt: skip
        self.labels[number] = [{"id": place, **label} for place, label in enumerate(labels, start=1)]
        return self.projects[number]

    def take_masks(self, archive: bytes) -> None:
        """Import a "Segmentation mask 1.1"."""
        with zipfile.ZipFile(io.BytesIO(archive)) as content:
            self.label_map = content.read("labelmap.txt").decode()
            for name in content.namelist():
                if name.startswith("SegmentationClass/") and name.endswith(".png"):
                    self.masks[name] = content.read(name)

    def export(self) -> bytes:
        """Export the project as "Segmentation mask 1.1"."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as content:
            content.writestr("labelmap.txt", self.label_map)
            for name, mask in self.masks.items():
                content.writestr(name, mask)
        return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    server_holds: Server
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, value: Any = None, headers: dict[str, str] | None = None) -> None:
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        if value is not None:
            kind = "application/zip" if isinstance(value, bytes) else "application/json"
            self.send_header("Content-Type", kind)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _any(self) -> None:
        holds = self.server_holds
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = parts.path.rstrip("/")
        what = f"{self.command} {path}"
        holds.seen.append(what)
        for place, (pattern, status) in enumerate(holds.failing):
            if re.fullmatch(pattern, what):
                del holds.failing[place]
                self._answer(status, {"detail": "not now"})
                return
        if path != "/api/auth/login" and not self._known():
            self._answer(401, {"detail": "Authentication credentials were not provided."})
            return
        for pattern, handle in _ROUTES:
            if match := re.fullmatch(pattern, what):
                handle(self, holds, [int(group) for group in match.groups()], query, body)
                return
        self._answer(404, {"detail": "Not found."})

    do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = _any

    def _known(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}" or "sessionid=abc" in (self.headers["Cookie"] or "")

    def log_message(self, *words: object) -> None:
        pass


def _page(found: list[Any]) -> dict[str, Any]:
    return {"count": len(found), "next": None, "previous": None, "results": found}


def _login(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    if json.loads(body) != {"username": "ann", "password": "secret of ann"}:
        handler._answer(400, {"non_field_errors": ["Unable to log in with provided credentials."]})
        return
    handler.send_response(200)
    handler.send_header("Set-Cookie", "sessionid=abc; Path=/")
    handler.send_header("Set-Cookie", "csrftoken=def; Path=/")
    handler.send_header("Content-Type", "application/json")
    answer = json.dumps({"key": "0" * 40}).encode()
    handler.send_header("Content-Length", str(len(answer)))
    handler.end_headers()
    handler.wfile.write(answer)


def _projects(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    word = query.get("search", "")
    handler._answer(200, _page([one for one in holds.projects.values() if word in one["name"]]))


def _project(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    found = holds.projects.get(ids[0])
    handler._answer(200 if found else 404, found or {"detail": "Not found."})


def _new_project(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    spec = json.loads(body)
    handler._answer(201, holds.add_project(spec["name"], spec["labels"]))


def _labels(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    handler._answer(200, _page(holds.labels[int(query["project_id"])]))


def _tasks(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    number = int(query["project_id"])
    handler._answer(200, _page([one for one in holds.tasks.values() if one["project_id"] == number]))


def _new_task(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    handler._answer(201, holds.add_task(json.loads(body)))


def _task(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    if handler.command == "DELETE":
        del holds.tasks[ids[0]]
        handler._answer(204)
        return
    if handler.command == "PATCH":
        holds.tasks[ids[0]] |= json.loads(body)
    handler._answer(200, holds.tasks[ids[0]])


def _data(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    if "Upload-Multiple" in handler.headers:
        for part in body.split(b"--" + handler.headers.get_param("boundary").encode())[1:-1]:  # type: ignore[union-attr]
            head, _, content = part.partition(b"\r\n\r\n")
            if match := re.search(rb'filename="([^"]+)"', head):
                name = match[1].decode().rpartition("/")[2]
                holds.frames[ids[0]].append(name)
                holds.pictures[name] = content[:-2]
        handler._answer(200, {})
    elif "Upload-Finish" in handler.headers:
        holds.frames[ids[0]].sort()
        holds.tasks[ids[0]]["size"] = len(holds.frames[ids[0]])
        handler._answer(202, {"rq_id": f"create-{ids[0]}"})
    else:
        handler._answer(202, {})


def _meta(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    frames = [{"name": name, "width": 1, "height": 1, "related_files": 0} for name in holds.frames[ids[0]]]
    handler._answer(200, {"frames": frames, "deleted_frames": [], "chunks_updated_date": _DATE, "size": len(frames)})


def _annotations(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    if handler.command == "PATCH":
        holds.uploads["masks"] = body
        handler._answer(204, headers={"Upload-Offset": str(len(body))})
    elif "Upload-Length" in handler.headers:
        place = f"{holds.url}/api/tasks/{ids[0]}/annotations/1"
        handler._answer(201, headers={"Location": place, "Upload-Filename": "masks.zip"})
    elif "Upload-Finish" in handler.headers:
        if not holds.failed_import:
            holds.take_masks(holds.uploads["masks"])
        handler._answer(202, {"rq_id": "import"})
    else:
        handler._answer(202, {})


def _jobs(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    number = int(query["task_id"])
    job = {
        "id": number, "task_id": number, "state": holds.states[number], "stage": "annotation",
        "issues": {"count": 0, "url": f"{holds.url}/api/issues"}, "labels": {"url": f"{holds.url}/api/labels"},
    }  # fmt: skip
    handler._answer(200, _page([job]))


def _request(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    word = handler.path.rpartition("/")[2]
    failed = holds.failed_import if word == "import" else ""
    handler._answer(200, {
        "id": word, "status": "failed" if failed else "finished", "message": failed, "created_date": _DATE,
        "operation": {"type": word, "target": "task"}, "result_url": f"{holds.url}/api/exports/file",
    })  # fmt: skip


def _export(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    assert query["format"] == "Segmentation mask 1.1"
    assert query["save_images"].lower() == "false"
    handler._answer(202, {"rq_id": "export"})


def _file(handler: _Handler, holds: Server, ids: list[int], query: dict[str, str], body: bytes) -> None:
    handler._answer(200, holds.export())


_ROUTES: list[tuple[str, Callable[[_Handler, Server, list[int], dict[str, str], bytes], None]]] = [
    ("POST /api/auth/login", _login),
    ("GET /api/projects", _projects),
    ("POST /api/projects", _new_project),
    (r"GET /api/projects/(\d+)", _project),
    ("GET /api/labels", _labels),
    ("GET /api/tasks", _tasks),
    ("POST /api/tasks", _new_task),
    (r"(?:GET|PATCH|DELETE) /api/tasks/(\d+)", _task),
    (r"POST /api/tasks/(\d+)/data", _data),
    (r"GET /api/tasks/(\d+)/data/meta", _meta),
    (r"(?:POST|PATCH) /api/tasks/(\d+)/annotations(?:/1)?", _annotations),
    ("GET /api/jobs", _jobs),
    (r"GET /api/requests/\S+", _request),
    (r"POST /api/projects/(\d+)/dataset/export", _export),
    ("GET /api/exports/file", _file),
]


@contextmanager
def serving() -> Iterator[Server]:
    """The server on a free port of this machine."""
    holds = Server()
    handler = type("Handler", (_Handler,), {"server_holds": holds})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        holds.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield holds
        finally:
            server.shutdown()
            thread.join()
