"""What is settled before torch is imported."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [("", None, "PASSIVE"), ("", "ACTIVE", "ACTIVE"), ("import torch; ", None, "None")],
    ids=["default", "the user's own", "torch is there already"],
)
def test_threads_sleep_at_barriers_unless_somebody_decided(before: str, given: str | None, expected: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    program = f"{before}import vergence, os; print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
