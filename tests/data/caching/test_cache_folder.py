"""Where the cache lies."""

from pathlib import Path

import pytest

from vergence.data.caching.cache_folder import default_cache_folder


def test_the_users_folder_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERGENCE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache_folder() == Path("/somewhere/vergence/frames")
    monkeypatch.setenv("VERGENCE_CACHE", "/fast")
    assert default_cache_folder() == Path("/fast")
