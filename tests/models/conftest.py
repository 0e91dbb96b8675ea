"""Fixtures of the tests of this folder."""

import pytest

from vergence.models import weights


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(weights, "cached_file", lambda model: None)
