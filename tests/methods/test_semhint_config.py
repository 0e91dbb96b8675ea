"""Settings of SemHint-MD that cannot be."""

from typing import Any

import pytest

from tests.methods.toy_hints import build
from vergence.errors import InputError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ""}, "set semhint.labels"),
        ({"teacher_decay": 1.5}, "teacher_decay"),
        ({"ramp": -1}, "semhint.ramp"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build(**changes)
