"""The door for Python: every name is there, and what is no path gets a sentence."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import vergence
from vergence import api, door
from vergence.errors import InputError


def test_every_verb_is_that_of_the_program() -> None:
    assert set(door.VERBS) <= set(vergence.__all__)
    for name, function in door.VERBS.items():
        verb = getattr(vergence, name)
        assert verb.__wrapped__ is function
        assert verb.__doc__ == function.__doc__


def test_arguments_that_are_no_paths() -> None:
    with pytest.raises(InputError, match=r"evaluate: run is of type int, expected a path"):
        vergence.evaluate(5)
    with pytest.raises(InputError, match=r"train: out is of type NoneType, expected a path\."):
        vergence.train("depth-video", None)
    with pytest.raises(AttributeError):
        vergence.no_such_name  # noqa: B018


def test_one_several_or_none_as_the_signature_says() -> None:
    calls = []

    def verb(one: str | Path, many: Sequence[str | Path] = (), maybe: Path | None = None, count: int = 0) -> None:
        calls.append((one, many, maybe, count))

    call = door.checked(verb)
    call("a", ["b", Path("c")], None, 3)
    call(Path("a"), many="b", maybe=Path("d"))
    assert calls == [("a", ["b", Path("c")], None, 3), (Path("a"), "b", Path("d"), 0)]
    for bad, said in (({"many": ["b", 5]}, "many is of type list, expected a path or a list of paths"),
                      ({"maybe": 1}, "maybe is of type int, expected a path or None")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            call("a", **bad)


def test_settings_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(api, "train", lambda *words: seen.append(words) or Path("run"))
    assert door.train("depth-video", "out", "video.mp4", train={"steps": 3}) == Path("run")
    assert seen == [("depth-video", "out", "video.mp4", {"train": {"steps": 3}}, None)]
