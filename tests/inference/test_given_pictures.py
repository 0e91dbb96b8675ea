"""What people give as a picture: every form of one picture is the same picture, and the rest gets a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.given_pictures import as_frame, is_many

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        np.dstack([PIXELS, np.full((6, 9), 7, np.uint8)]),
        Image.fromarray(PIXELS),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        torch.from_numpy(PIXELS).permute(2, 0, 1).double() / 255,
    ],
)
def test_every_form_is_the_same_picture(given: Any) -> None:
    np.testing.assert_array_equal(np.asarray(as_frame(given, "a").image), PIXELS)
    assert as_frame(given, "a").name == "a"


def test_grey_is_repeated_and_files_are_named_by_themselves(tmp_path: Path) -> None:
    for grey in (PIXELS[..., 0], PIXELS[..., :1], torch.from_numpy(PIXELS[..., 0])[None]):
        np.testing.assert_array_equal(np.asarray(as_frame(grey).image), PIXELS[..., :1].repeat(3, axis=2))
    Image.fromarray(PIXELS).save(tmp_path / "first.png")
    found = as_frame(str(tmp_path / "first.png"))
    assert (found.name, found.camera) == ("first", None)
    np.testing.assert_array_equal(np.asarray(found.image), PIXELS)


def test_several_are_lists() -> None:
    assert is_many([PIXELS])
    assert is_many(("a.png", "b.png"))
    assert not is_many(PIXELS)
    assert not is_many("a.png")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (PIXELS / 255, r"an array of float64 is given, expected uint8"),
        (PIXELS[None], r"an array of shape \(1, 6, 9, 3\) is given"),
        (PIXELS[:0], r"an array of shape \(0, 9, 3\)"),
        (torch.zeros(2, 3, 4, 4), r"a batch of shape \(2, 3, 4, 4\).*give list\(batch\)"),
        (torch.zeros(5, 4, 3), r"a tensor of shape \(5, 4, 3\)"),
        (torch.full((3, 2, 2), 2.0), r"from 2 to 2 is given, expected values from 0 to 1"),
        (torch.full((3, 2, 2), torch.nan), r"expected values from 0 to 1"),
        (torch.zeros(3, 2, 2, dtype=torch.int64), r"a tensor of torch.int64"),
        (Image.new("I;16", (4, 4)), r"mode I;16 has more than 8 bits"),
        (Manifest([], Path()), r"is a manifest of many pictures; give it to stream"),
        (5, r"a picture is given as type int, expected a path"),
        ("nowhere.png", r"nowhere.png does not exist"),
        ("drive.mp4", r"drive.mp4 is a video, expected one picture"),
        (Path("."), r"is a folder, expected one picture"),
    ],
)
def test_what_is_no_picture(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        as_frame(given)
