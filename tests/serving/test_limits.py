"""Bounds of a server, and how a refusal is told."""

import pytest

from vergence.errors import InputError
from vergence.serving.limits import Limits, Refusal


def test_limits_that_make_no_sense() -> None:
    assert Limits(megabytes=1.5).bytes == 1_500_000
    assert Limits(megapixels=12.5).environment() == {"VERGENCE_MAX_MEGAPIXELS": "12.5"}
    for wrong in ({"megabytes": 0}, {"megapixels": -1}, {"seconds": float("nan")}, {"waiting": 0}, {"frames": 10**9}):
        with pytest.raises(InputError, match=f"serve: {next(iter(wrong))} is "):
            Limits(**wrong)


def test_a_refusal_says_when_to_come_back() -> None:
    assert Refusal(503, "full.", 2).headers == {"Retry-After": "2"}
    assert Refusal(422, "broken.").headers == {}
