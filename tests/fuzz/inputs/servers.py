"""``labels push`` and ``labels pull`` with settings that make no sense, and servers that answer what no server should."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.beside import Fault, cvat, studio
from tests.fuzz.damage import BYTES, JSON_TEXTS, spoiled
from tests.fuzz.harness import EITHER, REFUSED, Case
from tests.fuzz.inputs.settings import DATA

WRITES = ("out.csv", "out_labels", "out_labels/*", "out", "out/*")
BESIDE = {"label_studio": studio, "cvat": cvat}
ROUTES = {
    "label_studio": {
        "push": {
            "projects": r"GET /api/projects/", "made": r"POST /api/projects/", "tasks": r"GET /api/tasks", "files": r"GET /api/projects/\d+/file-uploads",
            "uploaded": r"GET /api/import/file-upload/\d+", "taken": r"POST /api/projects/\d+/import",
        },
        "pull": {"projects": r"GET /api/projects/", "export": r"GET /api/projects/\d+/export"},
    },
    "cvat": {
        "push": {
            "projects": "GET /api/projects", "made": "POST /api/projects", "labels": "GET /api/labels", "tasks": "GET /api/tasks", "new_task": "POST /api/tasks", "task": r"GET /api/tasks/\d+", "data": r"POST /api/tasks/\d+/data",
            "annotations": r"POST /api/tasks/\d+/annotations", "request": r"GET /api/requests/\S+",
        },
        "pull": {
            "projects": "GET /api/projects", "tasks": "GET /api/tasks", "jobs": "GET /api/jobs", "asked": r"POST /api/projects/\d+/dataset/export", "request": r"GET /api/requests/\S+", "file": "GET /api/exports/file",
        },
    },
}  # fmt: skip
"""Requests that a verb makes of a tool; export of Label Studio and file of CVAT are what annotators drew, which other
inputs damage."""
BODIES: dict[str, Callable[[bytes], bytes]] = {
    **{name: lambda body, way=BYTES[name]: way(body, np.random.default_rng(0)) for name in ("empty", "half", "random", "page", "zeros")},  # type: ignore[misc]
    **{f"json_{name}": lambda body, text=text: text if isinstance(text, bytes) else text.encode() for name, text in JSON_TEXTS.items() if name in ("deep", "null", "list", "object", "number", "nan", "double_key")},  # type: ignore[misc]
}  # fmt: skip
STATUSES: dict[str, tuple[int, tuple[tuple[str, str], ...]]] = {
    "says_500": (500, ()), "says_429": (429, ()), "says_401": (401, ()), "says_403": (403, ()), "says_404": (404, ()), "says_418": (418, ()), "says_204": (204, ()),
    "elsewhere": (302, (("Location", "http://169.254.169.254/latest"),)), "file": (302, (("Location", "file:///etc/passwd"),)), "circle": (302, (("Location", "{home}/api/projects/"),)),
    "packed": (200, (("Content-Encoding", "gzip"),)), "charset": (200, (("Content-Type", "application/json; charset=nobody"),)), "retry": (503, (("Retry-After", "999999"),)),
}  # fmt: skip
OF_CVAT = ("empty", "random", "json_null", "json_list", "json_object", "says_500", "elsewhere", "packed")
"""The others are the same to its SDK."""
ENDLESS: dict[str, dict[str, Callable[[bytes], bytes]]] = {
    "label_studio": {
        "projects": lambda body: json.dumps({"next": "http://127.0.0.1/more", "results": [{"id": 1, "title": "other"}]}).encode(),
        "tasks": lambda body: json.dumps({"total": 10**12, "tasks": [{"id": 1, "data": {"image": "x.png"}}]}).encode(),
        "taken": lambda body: b'{"file_upload_ids": [[1]]}',
    },
    "cvat": {
        "projects": lambda body: json.dumps({"count": 10**12, "next": "http://127.0.0.1/more", "previous": None, "results": []}).encode(),
        "request": lambda body: body.replace(b"finished", b"started"),
    },
}  # fmt: skip
"""What never comes to an end, or says so."""
LINES: dict[str, tuple[str, ...]] = {
    "url_none": ("--url", ""), "url_word": ("--url", "here"), "url_file": ("--url", "file:///etc/passwd"), "url_ftp": ("--url", "ftp://127.0.0.1"), "url_key": ("--url", "http://me:secret@127.0.0.1"), "url_plain": ("--url", "http://evil.example"),
    "url_query": ("--url", "http://127.0.0.1:9/?a=b"), "url_port": ("--url", "http://127.0.0.1:nine"), "url_huge": ("--url", "http://127.0.0.1:99999999"), "url_bracket": ("--url", "http://[::1"), "url_long": ("--url", "http://127.0.0.1:9/" + "a" * 5000),
    "url_newline": ("--url", "http://127.0.0.1:9/\r\nX: y"), "nobody": ("--url", "http://127.0.0.1:9"), "plain_http": ("--plain_http", "perhaps"), "tool": ("--to", "roboflow"),
    "run_nowhere": ("--run", "nowhere"), "space": ("--label_space", "nobody"), "unknown": ("--key", "secret"),
}  # fmt: skip
PUSH = ("labels", "push", "manifest.csv", "--to", "{tool}", "--url", "{{url}}", "--project", "yard")
PULL = (
    "labels",
    "pull",
    "--from",
    "{tool}",
    "--url",
    "{{url}}",
    "--project",
    "yard",
    "--data",
    "manifest.csv",
    "--out",
    "out.csv",
)


def nothing(folder: Path, rng: np.random.Generator) -> None:
    """The sound data are left as they are."""


def answered(tool: str, verb: str, name: str, fault: Fault, expect: str = EITHER, quick: bool = False) -> Case:
    argv = tuple(word.format(tool=tool) for word in (PULL if verb == "pull" else PUSH))
    beside = functools.partial(BESIDE[tool], fault, verb == "pull")
    return Case(f"servers/{tool}/{verb}/{name}", argv, nothing, expect, DATA, WRITES, quick, beside)


def cases() -> list[Case]:
    found = []
    for tool, verbs in ROUTES.items():
        for verb, routes in verbs.items():
            for route, what in routes.items():
                for name, spoil in BODIES.items():
                    if tool == "cvat" and name not in OF_CVAT:
                        continue
                    quick = (tool, verb, route, name) == ("label_studio", "push", "tasks", "json_deep")
                    found.append(answered(tool, verb, f"{route}/{name}", Fault(what, spoil), quick=quick))
                for name, (status, headers) in STATUSES.items():
                    if tool == "cvat" and name not in OF_CVAT:
                        continue
                    found.append(answered(tool, verb, f"{route}/{name}", Fault(what, bytes, status, headers)))
                for number in range(2):
                    found.append(
                        answered(
                            tool, verb, f"{route}/spoiled_{number}", Fault(what, functools.partial(_spoiled, number))
                        )
                    )
                if route in ENDLESS[tool]:
                    found.append(
                        answered(
                            tool,
                            verb,
                            f"{route}/endless",
                            Fault(what, ENDLESS[tool][route]),
                            REFUSED,
                            route == "projects",
                        )
                    )
    for name, words in LINES.items():
        fault = Fault("nothing", bytes)
        sound = answered("label_studio", "push", f"lines/{name}", fault, REFUSED)
        found.append(
            Case(sound.name, (*sound.argv, *words), nothing, REFUSED, (*DATA, "depth_run"), WRITES, beside=sound.beside)
        )
    return found


def _spoiled(number: int, body: bytes) -> bytes:
    """An answer whose values are others; as it is where it is no JSON."""
    try:
        return json.dumps(spoiled(json.loads(body), np.random.default_rng(number), 1 + number % 3)).encode()
    except ValueError:
        return body[: len(body) // 2]
