"""Fixtures of the tests of this folder."""

from pathlib import Path

import pytest

from tests.training.tiny_method import write_frames, write_recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_frames(folder, depth=True)
    write_recipe(folder)
    return folder
