"""The format of pictures that are for people; what programs read is always stored without loss."""

from typing import Literal, get_args

from vergence.errors import InputError

Pictures = Literal["jpeg", "png"]
"""JPEG is a tenth of the work of PNG, and a quarter of its size."""


def suffix_of(pictures: Pictures) -> str:
    """The suffix of files in a format; InputError where it is unknown."""
    if pictures not in get_args(Pictures):
        raise InputError(f"pictures is {pictures!r}; give jpeg or png.")
    return "jpg" if pictures == "jpeg" else "png"
