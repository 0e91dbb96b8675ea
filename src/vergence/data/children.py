"""Processes that this one starts end with it, however it ends."""

import multiprocessing
import os
import threading
import time

_EVERY = 2.0
"""Seconds between looks."""


def end_with_parent() -> None:
    """Called in a child: end it soon after its parent, also where that was killed and could say nothing.

    A child that waits for work does not see it: pipes of a pool are held open by its other children.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        threading.Thread(target=_watch, args=(parent.pid,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)
