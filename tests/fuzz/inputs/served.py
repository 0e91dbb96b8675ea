"""Requests to ``vergence serve`` that are no HTTP or no pictures, or ask for what is not theirs."""

import base64
import functools
import json
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from tests.fuzz.beside import Ask, client, request
from tests.fuzz.damage import BYTES, JSON_TEXTS, flipped, spoiled
from tests.fuzz.harness import ACCEPTED, Case
from tests.fuzz.inputs import chunks, pictures

SERVE = (
    "serve",
    "seg_run",
    "--port",
    "0",
    "--page",
    "false",
    "--device",
    "cpu",
    "--max_megabytes",
    "1",
    "--max_megapixels",
    "1",
)
STUDIO = ("--label_studio", "http://127.0.0.1:9")
REFUSED = tuple(range(400, 500))
ANY = (200, *REFUSED)
IMAGE = ("Content-Type", "image/png")
FORM = ("Content-Type", "multipart/form-data; boundary=edge")
GOOD = pictures.encoded("PNG")


def part(content: bytes, head: str = 'form-data; name="picture"; filename="a.png"') -> bytes:
    return b"--edge\r\nContent-Disposition: " + head.encode("latin-1") + b"\r\n\r\n" + content + b"\r\n"


def posted(body: bytes, *headers: tuple[str, str], path: str = "/predict") -> bytes:
    return request("POST", path, body, *headers)


RAW: dict[str, bytes] = {
    "nothing": b"", "line": b"\r\n\r\n", "garbage": np.random.default_rng(0).bytes(5000), "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http09": b"GET /\r\n", "http9": b"GET /model HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "no_version": b"GET /model\r\nHost: 127.0.0.1\r\n\r\n", "no_colon": b"GET /model HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n", "spaces": b"GET  /model  HTTP/1.1\r\n\r\n",
    "method_long": b"A" * 100_000 + b" / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "path_long": b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "header_long": b"GET /model HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n", "headers_many": b"GET /model HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "half_line": b"POST /pred", "half_head": b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le", "half_body": b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n" + GOOD[:50],
    "length_less": posted(GOOD, IMAGE, ("Content-Length", "-5")), "length_word": posted(GOOD, IMAGE, ("Content-Length", "many")), "length_arabic": posted(GOOD, IMAGE, ("Content-Length", "0x10")),
    "length_huge": posted(GOOD, IMAGE, ("Content-Length", "9" * 50)), "length_twice": posted(GOOD, IMAGE, ("Content-Length", "5"), ("Content-Length", str(len(GOOD)))),
    "length_short": posted(GOOD, IMAGE, ("Content-Length", "20")), "both_lengths": posted(b"0\r\n\r\n" + GOOD, IMAGE, ("Content-Length", "5"), ("Transfer-Encoding", "chunked")),
    "chunk_word": posted(b"zz\r\nabc\r\n0\r\n\r\n", IMAGE, ("Transfer-Encoding", "chunked")), "chunk_less": posted(b"-5\r\nabc\r\n0\r\n\r\n", IMAGE, ("Transfer-Encoding", "chunked")),
    "chunk_huge": posted(b"ffffffffffffffff\r\nabc", IMAGE, ("Transfer-Encoding", "chunked")), "chunk_large": posted(b"200000\r\n" + bytes(0x200000) + b"\r\n0\r\n\r\n", IMAGE, ("Transfer-Encoding", "chunked")),
    "coding": posted(GOOD, IMAGE, ("Transfer-Encoding", "gzip")), "head_zero": posted(GOOD, IMAGE, ("X-A", "a\0b")), "fold": posted(GOOD, IMAGE, ("X-A", "a\r\n b")), "newline": posted(GOOD, IMAGE, ("X-A", "a\nHost: evil")),
}  # fmt: skip
"""What is not HTTP, or ends early: any refusal, or none, as long as the next request is answered."""
ASKED: dict[str, tuple[bytes, Sequence[int]]] = {
    "type_none": (posted(GOOD), (415,)), "type_text": (posted(GOOD, ("Content-Type", "text/plain")), (415,)), "type_long": (posted(GOOD, ("Content-Type", "x" * 5000)), (415,)),
    "type_odd": (posted(GOOD, ("Content-Type", "image/../../etc")), (200,)), "type_escape": (posted(GOOD, ("Content-Type", "\x1b[31m")), REFUSED),
    "packed": (posted(GOOD, IMAGE, ("Content-Encoding", "gzip")), ANY), "empty": (posted(b"", IMAGE), (422,)), "large": (posted(bytes(1_000_001), IMAGE), (413,)),
    "form_no_edge": (posted(part(GOOD) + b"--edge--\r\n", ("Content-Type", "multipart/form-data")), REFUSED), "form_other_edge": (posted(part(GOOD) + b"--edge--\r\n", ("Content-Type", "multipart/form-data; boundary=other")), REFUSED),
    "form_open": (posted(part(GOOD), FORM), ANY), "form_two": (posted(part(GOOD) * 2 + b"--edge--\r\n", FORM), REFUSED), "form_fields": (posted(part(b"x", 'form-data; name="a"') * 1000 + b"--edge--\r\n", FORM), REFUSED),
    "form_no_file": (posted(part(b"x", 'form-data; name="picture"') + b"--edge--\r\n", FORM), (415,)), "form_no_name": (posted(part(GOOD, "form-data") + b"--edge--\r\n", FORM), REFUSED),
    "form_above": (posted(part(GOOD, 'form-data; name="picture"; filename="../../../evil.png"') + b"--edge--\r\n", FORM), (200,)), "form_empty": (posted(b"", FORM), REFUSED),
    "form_zero": (posted(part(GOOD, 'form-data; name="picture"; filename="a\0.png"') + b"--edge--\r\n", FORM), ANY), "form_garbage": (posted(np.random.default_rng(1).bytes(3000), FORM), REFUSED),
    "form_heads": (posted(b"--edge\r\n" + b"X: y\r\n" * 20_000 + b"\r\nx\r\n--edge--\r\n", FORM), REFUSED), "form_edge_long": (posted(b"--" + b"e" * 5000, ("Content-Type", "multipart/form-data; boundary=" + "e" * 5000)), REFUSED),
    "format": (posted(GOOD, IMAGE, path="/predict?format=exe"), (406,)), "format_twice": (posted(GOOD, IMAGE, path="/predict?format=json&format=exe"), REFUSED),
    "format_long": (posted(GOOD, IMAGE, path="/predict?format=" + "x" * 20_000), REFUSED), "map": (posted(GOOD, IMAGE, path="/predict?format=png&map=passwords"), (422,)),
    "map_none": (posted(GOOD, IMAGE, path="/predict?format=png&map=depth"), (422,)), "map_above": (posted(GOOD, IMAGE, path="/predict?format=png&map=..%2f..%2fetc"), (422,)),
    "data": (posted(GOOD, IMAGE, path="/predict?data=perhaps"), (422,)), "query_bytes": (posted(GOOD, IMAGE, path="/predict?format=%ff%00"), REFUSED), "accept": (posted(GOOD, IMAGE, ("Accept", "text/html;q=nan, ;;;,q=1")), (406,)),
    "accept_inf": (posted(GOOD, IMAGE, ("Accept", "image/png;q=1e999")), ANY), "accept_long": (posted(GOOD, IMAGE, ("Accept", "a/b," * 5000)), REFUSED), "method": (request("BREW", "/predict"), REFUSED),
    "delete": (request("DELETE", "/predict"), (405,)), "get": (request("GET", "/predict"), (405,)), "put": (request("PUT", "/results/a/b"), REFUSED), "options": (request("OPTIONS", "/predict"), (405,)),
    "host_evil": (request("GET", "/model", host="evil.example"), (400,)), "host_none": (request("GET", "/model", host=""), (400,)), "host_at": (request("GET", "/model", host="127.0.0.1@evil.example"), (400,)),
    "host_long": (request("GET", "/model", host="x" * 5000), (400,)), "host_port": (request("GET", "/model", host="127.0.0.1:99999999999"), ANY), "origin": (posted(GOOD, IMAGE, ("Origin", "http://evil.example")), (403,)),
    "origin_null": (posted(GOOD, IMAGE, ("Origin", "null")), (403,)), "upgrade": (request("GET", "/", b"", ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13")), REFUSED),
    "expect": (posted(GOOD, IMAGE, ("Expect", "the unexpected")), ANY), "range": (request("GET", "/openapi.json", b"", ("Range", "bytes=-99999999999999")), ANY),
}  # fmt: skip
"""HTTP that asks for nonsense, and the statuses that say so."""
PATHS = (
    "/results/../../../etc/passwd", "/results/a/..%2f..%2f..%2fetc%2fpasswd", "/results/%2e%2e/%2e%2e", "/results//etc/passwd", "/results/a/b%00.png", "/results/" + "a" * 5000 + "/b", "//evil.example/", "/%ff%fe",
    "/..;/model", "/model/", "/docs/../../etc/passwd", "/label_studio/predict", "/gradio_api/file=/etc/passwd", "http://evil.example/model", "*", "/\\..\\..\\windows",
)  # fmt: skip
TASKS: dict[str, object] = {
    "no_tasks": {}, "tasks_text": {"tasks": "x"}, "tasks_numbers": {"tasks": [1, 2]}, "many": {"tasks": [{"id": 1}] * 101}, "data_list": {"tasks": [{"data": []}]}, "no_image": {"tasks": [{"data": {}}]},
    "image_list": {"tasks": [{"data": {"image": ["a"]}}]}, "config_list": {"tasks": [], "label_config": [1]}, "config_entities": {"tasks": [], "label_config": '<!DOCTYPE a [<!ENTITY b "' + "c" * 1000 + '">]><View>' + "&b;" * 1000 + "</View>"},
    "config_file": {"tasks": [], "label_config": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><View>&b;</View>'}, "config_deep": {"tasks": [], "label_config": "<a>" * 10_000}, "config_cut": {"tasks": [], "label_config": "<View>"},
    "config_no_brush": {"tasks": [], "label_config": "<View><Image name='image' value='$image'/></View>"},
    **{
        f"image_{name}": {"tasks": [{"data": {"image": source}}]}
        for name, source in {
            "metadata": "http://169.254.169.254/latest/meta-data", "evil": "http://evil.example/a.png", "port": "http://127.0.0.1:22/", "file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1:9/a", "at": "http://127.0.0.1:9@evil.example/a",
            "slashes": "//evil.example/a.png", "back": "\\\\evil.example\\a", "newline": "http://127.0.0.1:9/\r\nX: y", "zero": "/data/\0", "port_word": "http://127.0.0.1:nine/", "bracket": "http://[::1/", "long": "/" + "a" * 100_000,
            "data_word": "data:image/png;base64,???", "data_empty": "data:", "data_bomb": "data:image/png;base64," + base64.b64encode(pictures.bomb(5000)).decode(), "data_text": "data:text/plain;base64,aGVsbG8=", "escape": "\x1b[31m", "surrogate": "\ud800",
        }.items()
    },
}  # fmt: skip
"""Requests of Label Studio, or of who says so."""


def served(name: str, ask: Ask, quick: bool = False, more: Sequence[str] = ()) -> Case:
    beside = functools.partial(client, ask)
    return Case(
        f"served/{name}",
        (*SERVE, *more),
        lambda folder, rng: None,
        ACCEPTED,
        ("seg_run", "frames"),
        ("answers.json",),
        quick,
        beside,
    )


def studio(name: str, body: bytes, statuses: Sequence[int] = REFUSED) -> Case:
    content = posted(body, ("Content-Type", "application/json"), path="/label_studio/predict")
    return served(f"label_studio/{name}", Ask(content, statuses), more=STUDIO)


def cases() -> list[Case]:
    found = [
        served(f"raw/{name}", Ask(content, ANY if name == "http9" else (), True), name in ("garbage", "chunk_huge"))
        for name, content in RAW.items()
    ]
    found += [
        served(f"asked/{name}", Ask(content, statuses), name in ("form_heads", "host_evil"))
        for name, (content, statuses) in ASKED.items()
    ]
    found += [
        served(f"paths/{number}", Ask(request("GET", quote(path, "/%=*\\;:.")), REFUSED))
        for number, path in enumerate(PATHS)
    ]
    rng = np.random.default_rng(0)
    bodies = {name: way(GOOD, rng) for name, way in BYTES.items()}
    bodies |= {f"flips_{number}": flipped(GOOD, rng) for number in range(5)}
    bodies |= {f"broken_{name}": make() for name, make in pictures.BROKEN.items()} | {
        f"other_{name}": make() for name, make in pictures.OTHERS.items()
    }
    bodies |= {f"chunks_{name}": make() for name, (make, expect) in chunks.PNG.items() if expect == "refused"}
    for name, body in bodies.items():
        if len(body) < 900_000:
            statuses = (422,) if not name.startswith("flips") else (200, 422)
            found.append(served(f"pictures/{name}", Ask(posted(body, IMAGE), statuses), name == "broken_bomb"))
    found += [
        studio(f"json/{name}", text if isinstance(text, bytes) else text.encode()) for name, text in JSON_TEXTS.items()
    ]
    found += [studio(f"tasks/{name}", json.dumps(value).encode(), (*REFUSED, 502)) for name, value in TASKS.items()]
    whole = {
        "tasks": [{"id": 1, "data": {"image": "data:image/png;base64," + base64.b64encode(GOOD).decode()}}],
        "label_config": "",
        "project": "1.2",
    }
    for number in range(12):
        found.append(
            studio(f"spoiled_{number}", json.dumps(spoiled(whole, np.random.default_rng(number))).encode(), (*ANY, 502))
        )
    return found
