"""What a prediction looks at, and what its results are called."""

from pathlib import Path

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow


@pytest.mark.parametrize(
    "images", [("a.jpg", "a.png"), ("A.png", "a.png"), ("../s/a.png", "../t/a.png"), ("a b/c.png", "a_b/c.png")]
)
def test_two_frames_never_share_a_name(images):
    from vergence.inference.frame_streams import ManifestStream

    rows = [FrameRow(image, sequence, 0) for image, sequence in zip(images, ("a b", "a_b"), strict=True)]
    names = ManifestStream(Manifest(rows, Path("/data"))).names
    assert len({name.casefold() for name in names}) == 2
    assert not any(name.startswith(("/", "..")) for name in names)
