"""What passes before a request is answered: names, sizes and times, by hand-made requests."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from vergence.serving.guards import Guard
from vergence.serving.limits import Limits

Message = MutableMapping[str, Any]


async def reader(scope: Message, receive: Any, send: Any) -> None:
    """An app that reads all of a body and says how much it was."""
    total, more = 0, True
    while more:
        message = await receive()
        total, more = total + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(total).encode()})


def passed(headers: dict[str, str], blocks: list[bytes], pause: float = 0, local: bool = True) -> tuple[int, Any, Any]:
    """Status, headers and body of an answer."""
    limits = Limits(megabytes=0.001, seconds=0.2)
    waiting, said = list(blocks), list[Message]()

    async def receive() -> Message:
        await asyncio.sleep(pause)
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        said.append(message)

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": named}
    asyncio.run(Guard(reader, limits, local)(scope, receive, send))
    kept = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], kept, json.loads(said[1]["body"])


def test_size_is_counted_while_it_is_read() -> None:
    assert passed({"host": "localhost"}, [b"x" * 500, b"x" * 500])[::2] == (200, 1000)
    status, headers, body = passed({"host": "localhost"}, [b"x" * 500, b"x" * 500, b"x", b"x"])
    assert (status, headers["connection"]) == (413, "close")
    assert body == {"error": "the request is larger than 0.001 MB; send less."}
    assert passed({"host": "localhost", "content-length": "1001"}, [b"x"])[0] == 413


def test_a_request_that_never_ends_is_refused() -> None:
    status, _, body = passed({"host": "localhost"}, [b"x"] * 20, pause=0.05)
    assert (status, body) == (408, {"error": "the request was not here after 0.2 seconds; send it faster."})


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "127.0.0.1:1", "[::1]:7860", "[::1]", "LOCALHOST"])
def test_names_of_this_machine(host: str) -> None:
    assert passed({"host": host}, [b"x"])[0] == 200


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example:7860", "localhost.evil", "10.0.0.1"])
def test_other_names(host: str) -> None:
    assert passed({"host": host}, [b"x"])[0] == 400
    assert passed({"host": host}, [b"x"], local=False)[0] == 200


def test_pages_of_other_sites() -> None:
    assert passed({"host": "localhost:7860", "origin": "http://localhost:7860"}, [b"x"])[0] == 200
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert passed({"host": "localhost:7860", "origin": origin}, [b"x"])[0] == 403


def test_answers_forbid_to_load_from_elsewhere() -> None:
    policy = passed({"host": "localhost"}, [b"x"])[1]["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy
    assert "*" not in policy
