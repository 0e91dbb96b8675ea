"""What people see of a running command: lines of the log, progress bars, tables."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vergence.errors import printable
from vergence.progress import Progress, terminal_bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar


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
def bar(text: str) -> Iterator[Progress]:
    """A function (done, total): a bar on a terminal while there is work, a line every quarter elsewhere."""
    bars: list[Bar | None] = []
    quarters = [0]

    def stop() -> None:
        if bars and (shown := bars.pop()):
            shown.stop()
        quarters[0] = 0

    def show(done: int, total: int) -> None:
        if not bars:
            bars.append(terminal_bar(text, total, transient=True))
        if shown := bars[0]:
            shown.start()
            shown.update(shown.task_ids[0], completed=done, total=total)
        elif 4 * done // max(total, 1) > quarters[0]:
            quarters[0] = 4 * done // max(total, 1)
            print(f"{text}: {done} of {total}", file=sys.stderr, flush=True)
        if done >= total:
            stop()

    try:
        yield show
    finally:
        stop()
