"""The interface for machines, by a real client, of a real server."""

import base64
import concurrent.futures
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vergence
from tests.serving.served import Server, ask, form, noise, png, served
from vergence.runs.run_lock import LOCK
from vergence.serving.limits import Refusal

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")
PICTURE = {"content_type": "image/png"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = ("--page", "false", "--max_megapixels", "2", "--max_megabytes", "4", "--max_waiting", "20")
    with served(tmp_path_factory.mktemp("server"), *limits) as running:
        yield running


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What Python says of the same picture."""
    path = tmp_path_factory.mktemp("picture") / "frame.png"
    path.write_bytes(png(noise()))
    return vergence.load(server.run, "cpu").predict(path)


def test_npz_is_what_python_says(server: Server, seen: Any) -> None:
    answer = ask(f"{server.address}/predict?format=npz", png(noise()), **PICTURE)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-npz")
    maps = np.load(io.BytesIO(answer.body), allow_pickle=False)
    for name in ("depth", "inverse_depth", "classes", "confidence"):
        np.testing.assert_array_equal(maps[name], getattr(seen, name))
        assert maps[name].dtype == getattr(seen, name).dtype
    assert str(maps["unit"]) == "unscaled"
    assert tuple(maps["class_names"]) == seen.class_names


def test_png_holds_depth_and_classes(server: Server, seen: Any) -> None:
    body, kind = form(png(noise()))
    depth = ask(f"{server.address}/predict", body, content_type=kind, accept="image/png")
    factor = float(depth.headers["x-vergence-depth-factor"])
    stored = np.asarray(Image.open(io.BytesIO(depth.body)))
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / factor, seen.depth, atol=0.51 / factor)
    classes = ask(f"{server.address}/predict?format=png&map=classes", body, content_type=kind)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(classes.body))), seen.classes)
    sure = ask(f"{server.address}/predict?format=png&map=confidence", body, content_type=kind)
    np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(sure.body))) / 255, seen.confidence, atol=0.51 / 255)
    for shown in ("colour", "overlay"):
        answer = ask(f"{server.address}/predict?format=png&map={shown}", body, content_type=kind)
        assert Image.open(io.BytesIO(answer.body)).size == (96, 48)


def test_json_says_it_in_numbers(server: Server, seen: Any) -> None:
    said = ask(f"{server.address}/predict?data=true", png(noise()), **PICTURE).json
    assert (said["width"], said["height"], said["depth"]["unit"]) == (96, 48, "unscaled")
    assert said["depth"]["median"] == pytest.approx(float(np.median(seen.depth)))
    shares = {entry["name"]: entry["share"] for entry in said["classes"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[seen.class_names[seen.classes[0, 0]]] == pytest.approx((seen.classes == seen.classes[0, 0]).mean())
    for name, found in said["maps"].items():
        values = np.frombuffer(base64.b64decode(found["base64"]), found["dtype"]).reshape(found["shape"])
        np.testing.assert_array_equal(values, getattr(seen, name))
    assert "maps" not in ask(f"{server.address}/predict", png(noise()), **PICTURE).json


def test_what_the_model_is(server: Server) -> None:
    assert ask(f"{server.address}/health").json == {"status": "UP", "waiting": 0}
    said = ask(f"{server.address}/model").json
    assert said["name"] == "run"
    assert set(said["tasks"]) == {"depth", "segmentation"}
    assert (said["unit"], said["scale"], said["step"], len(said["classes"])) == ("unscaled", "unscaled", 3, 19)
    assert "licence" in said["licence"]
    assert len(said["digest"]) == 32
    assert said["limits"]["megapixels"] == 2
    described = ask(f"{server.address}/openapi.json").json
    assert "image/*" in described["paths"]["/predict"]["post"]["requestBody"]["content"]
    page = ask(f"{server.address}/docs").body.decode()
    assert "/predict" in page
    assert "https://" not in page


BROKEN = {
    "half": png(noise())[:200], "empty": b"", "text": b"hello", "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures(server: Server, name: str) -> None:
    answer = ask(f"{server.address}/predict", BROKEN[name], **PICTURE)
    assert answer.status == 422
    assert answer.error.startswith("picture.png is ")


def test_a_picture_of_100_megapixels(server: Server) -> None:
    body = png(Image.new("1", (10_000, 10_000)))
    answer = ask(f"{server.address}/predict", body, **PICTURE)
    assert answer.status == 422
    assert "picture.png is 10000x10000, more than 2 million pixels" in answer.error


def test_bodies_that_are_too_large(server: Server) -> None:
    large = bytes(6_000_000)
    said = "the request is larger than 4 MB; send less."
    known = ask(f"{server.address}/predict", large, **PICTURE)
    assert (known.status, known.error) == (413, said)
    blocks = (large[:100_000] for _ in range(60))  # of a length that nobody states
    unknown = ask(f"{server.address}/predict", blocks, **PICTURE)
    assert (unknown.status, unknown.error) == (413, said)
    in_form, kind = form(large)
    assert ask(f"{server.address}/predict", in_form, content_type=kind).status == 413
    assert list((next(server.temporary.iterdir()) / "requests").iterdir()) == []


def test_twenty_at_once(server: Server, seen: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        jobs = [
            pool.submit(ask, f"{server.address}/predict?format=npz", png(noise(96 + n % 2)), **PICTURE)
            for n in range(20)
        ]
        answers = [job.result() for job in jobs]
    assert [answer.status for answer in answers] == [200] * 20
    for n, answer in enumerate(answers):
        depth = np.load(io.BytesIO(answer.body))["depth"]
        assert depth.shape == (48, 96 + n % 2)
        if n % 2 == 0:
            np.testing.assert_array_equal(depth, seen.depth)


def test_more_than_may_wait_are_told_to_come_back(server: Server) -> None:
    picture = png(Image.new("RGB", (600, 600), "tan"))
    with concurrent.futures.ThreadPoolExecutor(36) as pool:
        answers = list(pool.map(lambda _: ask(f"{server.address}/predict", picture, **PICTURE), range(36)))
    late = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {200, 503}
    assert "come back" in late[0].error
    assert int(late[0].headers["retry-after"]) >= 1
    assert ask(f"{server.address}/health").json["waiting"] == 0


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..\\..\\x.png", "%2e%2e%2fx", "a\u0000.png"])
def test_names_of_files_are_names_only(server: Server, name: str) -> None:
    body, kind = form(png(noise()), name)
    assert ask(f"{server.address}/predict", body, content_type=kind).status in (200, 400)
    assert {path.name for path in next(server.temporary.iterdir()).iterdir()} == {LOCK, "requests", "results"}


@pytest.mark.parametrize(
    "path", ["../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "a/..%2f..%2frun", "x/y"]
)
def test_addresses_lead_to_results_only(server: Server, path: str) -> None:
    answer = ask(f"{server.address}/results/{path}")
    assert answer.status == 404
    assert answer.error


def test_what_is_no_picture(server: Server) -> None:
    answer = ask(f"{server.address}/predict", b"{}", content_type="application/json")
    assert answer.status == 415
    assert answer.error == "the content is application/json; send a picture as image/png, image/jpeg or a form."
    words = b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\nhello\r\n--edge--\r\n'
    assert ask(f"{server.address}/predict", words, content_type="multipart/form-data; boundary=edge").status == 415
    torn = ask(f"{server.address}/predict", b"--edge", content_type="multipart/form-data")
    assert torn.status == 400
    assert torn.error == "Missing boundary in multipart; see /docs."
    assert ask(f"{server.address}/predict", png(noise()), accept="text/html", **PICTURE).status == 406
    assert "gif" in ask(f"{server.address}/predict?format=gif", png(noise()), **PICTURE).error
    assert "did" in ask(f"{server.address}/predict?format=png&map=did", png(noise()), **PICTURE).error
    assert ask(f"{server.address}/predict").error == "Method Not Allowed; see /docs."
    assert ask(f"{server.address}/nothing").error == "Not Found; see /docs."


def test_other_sites_may_not_ask(server: Server) -> None:
    assert ask(f"{server.address}/model", host="evil.example").status == 400
    assert ask(f"{server.address}/model", host="localhost:1").status == 200
    foreign = ask(f"{server.address}/predict", png(noise()), origin="http://evil.example", **PICTURE)
    assert (foreign.status, foreign.error) == (403, "pages of other sites may not ask this server.")


def test_a_killed_worker_is_started_again(server: Server, seen: Any) -> None:
    first = server.worker()
    answers: list[Any] = []
    large = png(Image.new("RGB", (1400, 1400), "tan"))
    asked = [
        threading.Thread(target=lambda: answers.append(ask(f"{server.address}/predict", large, **PICTURE)))
        for _ in range(4)
    ]
    for thread in asked:
        thread.start()
    time.sleep(0.15)
    os.kill(first, signal.SIGKILL)
    for thread in asked:
        thread.join()
    broken = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in broken} <= {500, 503}
    for answer in broken:
        assert "worker" in answer.error
    assert server.worker() != first
    again = ask(f"{server.address}/predict?format=npz", png(noise()), **PICTURE)
    np.testing.assert_array_equal(np.load(io.BytesIO(again.body))["depth"], seen.depth)
    os.kill(server.worker(), signal.SIGKILL)  # nobody asks meanwhile
    while (state := ask(f"{server.address}/health")).status == 200:
        time.sleep(0.05)
    assert (state.status, state.json["status"]) == (503, "STARTING")
    assert ask(f"{server.address}/predict", png(noise()), **PICTURE).status == 200


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ([], "json"), (["*/*"], "json"), (["image/png"], "png"), (["text/html, image/*;q=0.5"], "png"),
        (["application/json;q=0.1, application/x-npz"], "npz"), (["image/png;q=0, */*;q=0.1"], "json"),
        (["image/png;q=x, application/octet-stream"], "npz"),
    ],
)  # fmt: skip
def test_the_header_accept(headers: list[str], form: str) -> None:
    from vergence.serving.routes import accepted

    assert accepted(headers) == form
    with pytest.raises(Refusal) as refused:
        accepted(["text/html"])
    assert refused.value.status == 406


def test_a_request_writes_below_the_servers_folder_only(server: Server, tmp_path: Path) -> None:
    before = set(server.run.rglob("*"))
    ask(f"{server.address}/predict", png(noise()), **PICTURE)
    assert set(server.run.rglob("*")) == before
    assert len(list(server.temporary.iterdir())) == 1
