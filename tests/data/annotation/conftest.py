"""Fixtures of the tests of this folder."""

from pathlib import Path

import pytest

from tests.data.annotation.annotated import LABEL, world
from vergence.data.manifest import Manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return world(tmp_path, [LABEL, LABEL, LABEL])
