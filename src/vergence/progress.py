"""How far work is: the one bar of all commands, and the function that is told meanwhile."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is in all."""


def terminal_bar(text: str, total: int, done: int = 0, transient: bool = False) -> "Bar | None":
    """A bar with one task, to be started, on stderr; None where that is no terminal.

    Args:
        text: what is being done.
        total: how much there is in all.
        done: how much of it was done before.
        transient: whether the bar goes away when it is stopped.

    Returns:
        The bar; its task has a field ``numbers`` for words beside the count.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    words, numbers = TextColumn("{task.description}"), TextColumn("{task.fields[numbers]}")
    wide, counts, left = BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Bar(words, wide, counts, numbers, TextColumn("ETA"), left, console=console, transient=transient)
    bar.add_task(text, total=total, completed=done, numbers="")
    return bar
