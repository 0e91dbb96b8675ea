"""Label Studio's requests, and a Label Studio that gives pictures; masks are read again by our own import."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.serving.served import noise, png
from vergence.data.annotation import brush
from vergence.errors import InputError
from vergence.serving.label_studio import Pictures, add_label_studio
from vergence.serving.limits import Limits, Refusal
from vergence.serving.service import Service

CLASSES = np.zeros((48, 96), dtype=np.uint8)
CLASSES[:20] = 1
CLASSES[5:9, 10:30] = 2
CONFIG = """<View><Image name="img" value="$photo"/><BrushLabels name="paint" toName="img">
<Label value="road"/><Label value="sky"/><Label value="other"/></BrushLabels></View>"""


class _Studio(BaseHTTPRequestHandler):
    """Label Studio: a picture for those who have a token, and an address that leads elsewhere."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        if self.path == "/data/away":
            self.send_response(302)
            self.send_header("Location", "http://203.0.113.1/x.png")
            self.end_headers()
            return
        known = self.headers["Authorization"] in ("Token abc", "Bearer short")
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(png(noise()) if known else b"")

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"access": "short" if given == {"refresh": "a.b.c"} else "no"}).encode())

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Studio)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Model:
    """A worker that says the same of every picture."""

    pid = 1

    def __init__(self, names: tuple[str, ...] = ("road", "sky", "car")) -> None:
        self.about, self.names, self.files = {"digest": "0123456789abcdef"}, names, list[bytes]()

    def ask(self, job: Any, seconds: float) -> Any:
        self.files.append(Path(job["file"]).read_bytes())
        buffer = io.BytesIO()
        maps = {"classes": CLASSES, "confidence": np.full(CLASSES.shape, 0.75, np.float32)} if self.names else {}
        np.savez(buffer, class_names=np.array(self.names, dtype=str), **maps)  # type: ignore[arg-type]
        return {}, buffer.getvalue()

    def close(self) -> None:
        pass


def client(tmp_path: Path, studio: str, model: _Model) -> TestClient:
    app = FastAPI()

    @app.exception_handler(Refusal)
    async def refused(request: Any, error: Refusal) -> Any:
        from fastapi.responses import JSONResponse

        return JSONResponse({"error": error.sentence}, error.status)

    add_label_studio(app, Service(model, Limits(), tmp_path), studio)  # type: ignore[arg-type]
    return TestClient(app)


def test_tasks_get_brush_masks(tmp_path: Path, studio: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "abc")
    model = _Model()
    asks = client(tmp_path, studio, model)
    assert asks.get("/label_studio/health").json()["status"] == "UP"
    assert asks.post("/label_studio/setup", json={"project": "1.2", "schema": CONFIG}).json() == {
        "model_version": "vergence-0123456789ab"
    }
    data = "data:image/png;base64," + base64.b64encode(png(noise())).decode()
    photos = ["/data/upload/1/a.png", f"{studio}/data/local-files/?d=a.png", data]
    tasks = [{"id": n, "data": {"photo": photo}} for n, photo in enumerate(photos)]
    answer = asks.post("/label_studio/predict", json={"tasks": tasks, "label_config": CONFIG, "project": "1.2"})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert model.files == [png(noise())] * 3
    for result in results:
        assert (result["model_version"], result["score"]) == ("vergence-0123456789ab", 0.75)
        assert [region["value"]["brushlabels"] for region in result["result"]] == [["road"], ["sky"]]
        for number, region in enumerate(result["result"]):
            kept = [region[name] for name in ("type", "from_name", "to_name", "original_width", "original_height")]
            assert kept == ["brushlabels", "paint", "img", 96, 48]
            np.testing.assert_array_equal(brush.decode(region["value"]["rle"], 48, 96), number == CLASSES)
    bare = asks.post("/label_studio/predict", json={"tasks": [{"data": {"image": data}}]}).json()["results"][0]
    assert [region["from_name"] for region in bare["result"]] == ["tag"] * 3


def test_the_token_goes_to_label_studio_only(tmp_path: Path, studio: str) -> None:
    file = tmp_path / "x.png"
    Pictures(studio, Limits(), {"LABEL_STUDIO_API_KEY": "a.b.c"}).fetch("/data/x.png", file)
    assert file.read_bytes() == png(noise())
    asked = Pictures(studio, Limits(), {"LABEL_STUDIO_API_KEY": "abc"})
    _Studio.seen.clear()
    elsewhere = ("http://203.0.113.1/x.png", "file:///etc/passwd", "//203.0.113.1/x", "", "http://127.0.0.1:1/x",
                 "s3://bucket/x", "/data/away", "http://[::1/x", "data:image/png;base64,?")  # fmt: skip
    for source in elsewhere:
        with pytest.raises(Refusal) as refused:
            asked.fetch(source, file)
        assert refused.value.status == 422
    assert _Studio.seen == [("/data/away", "Token abc")]
    with pytest.raises(Refusal, match=r"status 401\); set LABEL_STUDIO_API_KEY"):
        Pictures(studio, Limits(), {}).fetch("/data/x.png", file)
    with pytest.raises(Refusal, match=r"larger than 0\.001 MB"):
        Pictures(studio, Limits(megabytes=0.001), {"LABEL_STUDIO_API_KEY": "abc"}).fetch("/data/x.png", file)
    with pytest.raises(Refusal, match="cannot be reached"):
        Pictures("http://127.0.0.1:1", Limits(), {}).fetch("/x.png", file)
    with pytest.raises(InputError, match="give its address"):
        Pictures("localhost:8080", Limits())


NO_REQUESTS = [
    b"", b"[]", b"{}", b'{"tasks": [1]}', b'{"tasks": [{"data": 3}]}', b"[" * 100_000,
    b'{"tasks": [{}], "label_config": "<x"}', b'{"tasks": [{}], "label_config": "<View/>"}',
    b'{"tasks": [{}], "label_config": "<!DOCTYPE a [<!ENTITY b 1>]><a/>"}',
]  # fmt: skip


@pytest.mark.parametrize("body", NO_REQUESTS)
def test_what_is_no_request_of_label_studio(tmp_path: Path, studio: str, body: bytes) -> None:
    answer = client(tmp_path, studio, _Model()).post("/label_studio/predict", content=body)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")


def test_a_model_without_classes(tmp_path: Path, studio: str) -> None:
    task = {"tasks": [{"data": {"image": "data:image/png;base64,AAAA"}}]}
    answer = client(tmp_path, studio, _Model(())).post("/label_studio/predict", json=task)
    assert (answer.status_code, answer.json()["error"][:29]) == (422, "this model predicts no classe")
