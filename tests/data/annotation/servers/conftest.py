"""Fixtures of the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.data.annotation.servers.studio_answers import LEGACY, Studio, answering
from vergence.data.annotation.servers.http import Http
from vergence.data.annotation.servers.label_studio import KEY


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A server that answers as Label Studio does, to a key that is set, asked again at once."""
    monkeypatch.setenv(KEY, LEGACY)
    monkeypatch.setattr(Http, "waits", (0.0, 0.0))
    with answering() as studio:
        yield studio
