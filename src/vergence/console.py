"""What people see of a running command: lines of the log, progress bars, tables."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vergence.errors import printable

if TYPE_CHECKING:
    from rich.console import Console


def say(text: object) -> None:
    """A line on stdout; what a terminal would obey is shown instead of sent."""
    print(printable(text))


def plain_console(width: int | None = None) -> "Console":
    """A console for tables: words in brackets are words, no markup."""
    from rich.console import Console

    return Console(width=width, markup=False, emoji=False, highlight=False)


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Stderr(logging.StreamHandler[Any]):
    """Writes each message once, to what sys.stderr is at that moment: a progress bar replaces it meanwhile."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            super().emit(record)

    @property
    def stream(self) -> Any:
        return sys.stderr


def first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def messages() -> Iterator[None]:
    """Lines of the package's log on stderr, of the first process only."""
    log = logging.getLogger("vergence")
    if not first_process():
        yield
        return
    handler, level = _Stderr(), log.level
    handler.setFormatter(_Printable("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextlib.contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A function (done, total): a bar on a terminal while there is work, a line every quarter elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bars: list[Progress] = []
    quarters = [0]

    def stop() -> None:
        while bars:
            bars.pop().stop()
        quarters[0] = 0

    def show(done: int, total: int) -> None:
        if console.is_terminal:
            if not bars:
                bars.append(Progress(console=console, transient=True))
                bars[0].add_task(text, total=total)
                bars[0].start()
            bars[0].update(bars[0].task_ids[0], completed=done, total=total)
        elif 4 * done // max(total, 1) > quarters[0]:
            quarters[0] = 4 * done // max(total, 1)
            print(f"{text}: {done} of {total}", file=sys.stderr, flush=True)
        if done >= total:
            stop()

    try:
        yield show
    finally:
        stop()
