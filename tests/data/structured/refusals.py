"""How a malformed file must be refused."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from vergence.errors import InputError

SECONDS = 5.0
"""Of processor time, for malformed files that took minutes; the measured times are below one."""


def refused(call: Callable[[], Any]) -> str:
    start = time.process_time()
    with pytest.raises(InputError) as error:
        call()
    assert time.process_time() - start < SECONDS
    said = str(error.value)
    assert len(said) < 500
    assert said.endswith(".")
    return said
