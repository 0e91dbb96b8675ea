"""A real S3 server on the loopback address whose answers can be made slow, failing or cut off."""

import functools
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BUCKET = "frames"
KEY = "not-a-secret-of-anybody"


@dataclass
class Bucket:
    """What a test does with the server: objects, faults of its next answers, and what it was asked."""

    address: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""
    failing: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many of the next answers to GET say that the server has failed."""
    cut: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many of the next answers to GET end in the middle."""
    refusing: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many of the next PUTs are answered with status 503."""
    halving: dict[str, int] = field(default_factory=dict)
    """End of a path -> how many of the next PUTs come there cut off, and nobody says so."""
    read_only: set[str] = field(default_factory=set)
    """Ends of paths that may be read and not written."""
    forbidden: set[str] = field(default_factory=set)
    """Ends of paths that may not be read."""
    seconds: float = 0.0
    """How long each answer takes."""

    def store(self) -> Any:
        import s3fs

        return s3fs.S3FileSystem(key=KEY, secret=KEY, endpoint_url=self.address, use_listings_cache=False)

    def put(self, folder: Path, name: str) -> str:
        """Copy a folder into the bucket; returns its address."""
        store = self.store()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            store.pipe_file(f"{BUCKET}/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"s3://{BUCKET}/{name}"

    def write(self, name: str, content: bytes) -> str:
        self.store().pipe_file(f"{BUCKET}/{name}", content)
        return f"s3://{BUCKET}/{name}"

    def read(self, name: str) -> bytes:
        return bytes(self.store().cat_file(f"{BUCKET}/{name}"))

    def names(self, folder: str) -> set[str]:
        """Names of the objects below a folder."""
        return {name.removeprefix(f"{BUCKET}/{folder}/") for name in self.store().find(f"{BUCKET}/{folder}")}

    def gets(self, end: str) -> int:
        """How often an object was fetched."""
        return sum(method == "GET" and path.endswith(end) for method, path in self.asked)


@contextmanager
def bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The server with one empty bucket; the environment has its address and the key to it."""
    for name in ("s3fs", "moto", "flask", "flask_cors"):
        pytest.importorskip(name, reason="needs the packages s3fs, moto, flask and flask-cors (extras bucket and dev)")
    from moto.moto_api._internal.models import moto_api_backend

    bucket = Bucket(f"http://127.0.0.1:{_port()}")
    _current[:] = [bucket]
    moto_api_backend.reset()  # what another test has left
    for name, value in {
        "AWS_ENDPOINT_URL": bucket.address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    bucket.store().mkdir(BUCKET)
    bucket.asked.clear()
    yield bucket


_current: list[Bucket] = []


@functools.cache
def _port() -> int:
    """The port of the server, which serves all tests of this process: clients that are made anew are slow."""
    from moto.server import create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_request(self, *_: Any) -> None:
            pass

    application = _with_faults(create_backend_app("s3"), _current)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def _with_faults(application: Callable[..., Iterable[bytes]], faults: list[Bucket]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        bucket, method, path = faults[0], environ["REQUEST_METHOD"], environ["PATH_INFO"]
        bucket.asked.append((method, path))
        time.sleep(bucket.seconds)
        if any(path.endswith(end) for end in bucket.forbidden):
            start("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        if method in ("PUT", "POST", "DELETE") and any(path.endswith(end) for end in bucket.read_only):
            start("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        if method == "PUT" and _due(bucket.refusing, path):
            start("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        if method == "PUT" and _due(bucket.halving, path):
            length = int(environ["CONTENT_LENGTH"]) // 2
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))[:length]
            headers = {key: value for key, value in environ.items() if "CHECKSUM" not in key and "MD5" not in key}
            return application(headers | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(length)}, start)
        if method == "GET" and _due(bucket.failing, path):
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        if method == "GET" and _due(bucket.cut, path):
            whole = b"".join(application(environ, start))
            return [whole[: len(whole) // 2]]
        return application(environ, start)

    return answer


def _due(faults: dict[str, int], path: str) -> bool:
    for end in faults:
        if path.endswith(end) and faults[end] > 0:
            faults[end] -= 1
            return True
    return False
