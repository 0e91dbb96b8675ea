"""Pages. The room has the name of its verb, so it can be called: ``vergence.report(RUN)`` writes the page of a run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vergence.errors import InputError


def report(
    run: str | Path | Sequence[str | Path], out: str | Path | None = None, data: Any = None, images: int = 4
) -> Path:
    """See :func:`vergence.api.report`."""
    from vergence.flywheel.settings import is_flywheel_folder
    from vergence.report.flywheel_page import write_flywheel_page
    from vergence.report.page import write_report

    if isinstance(run, list | tuple):
        if not run or not all(isinstance(one, str | Path) for one in run):
            raise InputError("report: run is a list, expected the paths of run folders in it.")
        if len(run) > 1:
            from vergence.report.comparison_page import write_comparison

            return write_comparison(run, out, data, images)
        run = run[0]
    for name, value in (("run", run), ("out", out)):
        if not isinstance(value, str | Path) and not (value is None and name == "out"):
            raise InputError(f"report: {name} is of type {type(value).__name__}, expected a path.")
    folder: Any = run
    if is_flywheel_folder(Path(folder)):
        return write_flywheel_page(Path(folder), out, images)
    return write_report(folder, out, data, images)


class _Room(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Path:
        return report(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
