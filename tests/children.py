"""Children of a process, as /proc lists them: which there are, and whether they have ended."""

import os
import time
from collections.abc import Callable
from pathlib import Path

LISTED = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def children(process: int) -> list[int]:
    """Those of all threads of a process."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def ended(process: int) -> bool:
    """Whether a process is gone, or waits only for somebody to ask how it ended."""
    place = Path(f"/proc/{process}/status")
    return not place.exists() or "(zombie)" in place.read_text()


def waited_for(condition: Callable[[], object], seconds: float) -> bool:
    """Whether something came true in so many seconds."""
    end = time.monotonic() + seconds
    while not (true := bool(condition())) and time.monotonic() < end:
        time.sleep(0.1)
    return true
