"""The two formats of pictures for people."""

import pytest

from vergence.errors import InputError
from vergence.inference.picture_format import suffix_of


def test_each_format_has_the_suffix_that_viewers_know() -> None:
    assert (suffix_of("jpeg"), suffix_of("png")) == ("jpg", "png")


def test_other_formats_are_refused() -> None:
    with pytest.raises(InputError, match="pictures is 'webp'; give jpeg or png"):
        suffix_of("webp")  # type: ignore[arg-type]
