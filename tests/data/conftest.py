"""Fixtures of the tests of this folder."""

import pytest

from tests.data.loaded import OPTIONS
from tests.data.small_world import video
from vergence.data.dataset import FrameDataset
from vergence.data.manifest import Manifest


@pytest.fixture
def dataset(tmp_path):
    rows = [*video(tmp_path, 4), *video(tmp_path, 3, "b", height=30, width=30)]
    return FrameDataset(Manifest(rows, tmp_path), OPTIONS, train=True, seed=2)
