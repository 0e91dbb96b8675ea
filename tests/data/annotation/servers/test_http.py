"""Requests: again where a server is busy, nowhere else with a key, one sentence for what goes wrong."""

import socket

import pytest

from tests.data.annotation.servers.studio_answers import LEGACY, Studio
from vergence.data.annotation.servers.http import Http, Refused, Unanswered
from vergence.errors import InputError


def http(answers: Studio, seconds: float = 5.0) -> Http:
    asked = Http("Label Studio", answers.url, "KEY", seconds)
    asked.authorization = lambda anew: f"Token {LEGACY}"
    return asked


def test_it_asks_again(answers: Studio) -> None:
    answers.failing = [("GET /api/projects/", 502, False), ("GET /api/projects/", 429, False)]
    assert http(answers).json("GET", "/api/projects/")["results"] == []
    assert len(answers.seen) == 3


def test_it_asks_once_for_what_would_be_there_twice(answers: Studio) -> None:
    answers.failing = [("POST /api/projects/", 502, True)]
    with pytest.raises(Unanswered, match="status 502"):
        http(answers).json("POST", "/api/projects/", {"title": "x"}, again=False)
    assert len(answers.projects) == 1


def test_a_key_that_is_not_taken_is_not_repeated(answers: Studio) -> None:
    asked = http(answers)
    asked.authorization = lambda anew: "Token a-wrong-key"
    with pytest.raises(Refused, match=r"does not take the key of KEY \(status 401\)") as error:
        asked.json("GET", "/api/projects/")
    assert "a-wrong-key" not in str(error.value)


@pytest.mark.parametrize("place", ["http://203.0.113.1/api/projects/", "https://127.0.0.1/"])
def test_the_key_goes_nowhere_else(answers: Studio, place: str) -> None:
    answers.instead = 302, b"", {"Location": place}
    with pytest.raises(InputError, match="sends on to another address; give that one as --url"):
        http(answers).json("GET", "/api/projects/")
    assert len(answers.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>hello</html>", "is no JSON"),
        (200, b"\xff\xfe\xfd", "answers as no Label Studio does"),
        (400, b'{"detail": "too\nlong"}', 'refuses what was sent (status 400): {"detail": "too long"}'),
        (413, b"<html>nginx</html>", "refuses what was sent (status 413): it does not say why"),
        (404, b"", "does not have what was asked for (status 404); correct --url or --project"),
    ],
)
def test_answers_of_others(answers: Studio, status: int, body: bytes, said: str) -> None:
    answers.instead = status, body, {}
    with pytest.raises(InputError) as error:
        http(answers).json("GET", "/api/projects/")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Http, "waits", ())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unanswered, match=r"does not answer \(Connection refused\); start it, or correct --url"):
        Http("Label Studio", url, "KEY").json("GET", "/")


def test_somebody_who_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Http, "waits", ())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = Http("Label Studio", f"http://127.0.0.1:{silent.getsockname()[1]}", "KEY", 0.2)
        with pytest.raises(Unanswered, match=r"does not answer \(timed out\)"):
            asked.json("GET", "/")


def test_no_more_than_can_be_read(answers: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("vergence.data.structured", fromlist=["x"]).LIMITS, "annotations", 100)
    answers.instead = 200, b" " * 101, {}
    with pytest.raises(InputError, match="answers with more than 100 bytes"):
        http(answers).request("GET", "/")
