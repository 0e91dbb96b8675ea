"""What a run writes and shows while it trains: its log, trackers, progress."""

import contextlib
import importlib.util
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import torch
from torch import Tensor

from vergence.data.atomic import write_text
from vergence.data.structured import iter_json_lines
from vergence.errors import InputError, nearest, printable
from vergence.progress import terminal_bar
from vergence.runs.folder import RunFolder
from vergence.runs.processes import Processes


class RunLog:
    """The log of a run folder, one JSON object a line, and the trackers asked for; silent where not ``active``.

    Args:
        run: its folder.
        trackers: checked names, see :func:`check_trackers`.
        settings: of the run, for trackers that show them.
        active: on the main process.
    """

    def __init__(
        self, run: RunFolder, trackers: tuple[str, ...], settings: Mapping[str, Any], active: bool = True
    ) -> None:
        self.path = run.log
        self._file: TextIO | None = None
        self._trackers: list[Any] = []
        if not active:
            return
        if (self.path.is_symlink() and not self.path.exists()) or self.path.is_fifo():
            raise InputError(f"{self.path} is a link to nowhere or a pipe; remove it, or give another --out.")
        try:
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}); give another --out.") from error
        self._trackers = [_TRACKERS[name](run.path, settings) for name in trackers]

    def write(self, step: int, kind: str, values: Mapping[str, Any]) -> None:
        """Append a row, readable by others at once; numbers that are not finite become null."""
        if self._file is None:
            return
        row = {"step": step, "kind": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        row.update({key: _finite(value) for key, value in values.items()})
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            remedy = f"free some space, then vergence train --resume {self.path.parent} goes on."
            raise InputError(f"{self.path} cannot be written ({error.strerror}); {remedy}") from error
        numbers = {f"{kind}/{key}": value for key, value in values.items() if isinstance(value, int | float)}
        for tracker in self._trackers:
            tracker.log(numbers, step=step)

    def close(self) -> None:
        """Close the file and the trackers."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        for tracker in self._trackers:
            tracker.finish()
        self._trackers = []


def drop_rows_after(path: Path, step: int) -> None:
    """Cut a log back to a checkpoint: later rows, and a line that a killed write left unfinished."""
    if not path.exists():
        return
    lines = []
    for row in iter_json_lines(path):
        if isinstance(row.get("step"), int) and row["step"] <= step:
            lines.append(json.dumps(row) + "\n")
    write_text(path, "".join(lines))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Window:
    """Sums of losses since the last logging, kept on their device: nothing waits until :meth:`means`.

    Values that are only logged ("_") may be NaN in steps that have none, such as the share of a class that is not in
    the batch: those steps do not count.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()
        self._totals = torch.zeros(2, 0)
        """Sums and counts of the keys."""
        self.start = 0
        """Step after which the window began."""

    @property
    def sums(self) -> dict[str, Tensor]:
        """Scalars by name."""
        return dict(zip(self._keys, self._totals[0].unbind(), strict=True))

    @property
    def counts(self) -> dict[str, Tensor]:
        """How many values each sum is of, scalars by name."""
        return dict(zip(self._keys, self._totals[1].unbind(), strict=True))

    def restore(self, sums: Mapping[str, Tensor], counts: Mapping[str, float], start: int, device: Any) -> None:
        """Go on from stored sums; KeyError where a count is missing."""
        self._keys, self.start = tuple(sorted(sums, key=_only_logged)), start
        stored = [[float(sums[key]) for key in self._keys], [float(counts[key]) for key in self._keys]]
        self._totals = torch.tensor(stored).view(2, -1).to(device)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in the scalars of a step: a few operations, however many there are."""
        keys = tuple(sorted(values, key=_only_logged))
        added = torch.stack([values[key].detach().float() for key in keys])
        summed = sum(not _only_logged(key) for key in keys)
        missing = added.isnan()
        missing[:summed] = False
        totals = torch.stack([added.masked_fill(missing, 0), missing.logical_not().float()])
        if keys != self._keys:
            every = tuple(sorted({**dict.fromkeys(self._keys), **dict.fromkeys(keys)}, key=_only_logged))
            self._totals = _spread(self._totals, self._keys, every) if self._keys else torch.zeros_like(totals)
            self._keys, totals = every, _spread(totals, keys, every)
        self._totals = self._totals + totals

    def means(self, accelerator: Any) -> dict[str, float]:
        """Means over the window and all processes, in one transfer from the device.

        A value that only some processes have (of a class that only their frames show) is the mean of theirs.
        """
        keys, totals = list(self._keys), self._totals
        if accelerator.num_processes > 1:
            keys = sorted(set().union(*Processes.of(accelerator).gather(keys)))
            totals = accelerator.reduce(_spread(totals, self._keys, keys), "sum")
        means = dict(zip(keys, (totals[0] / totals[1]).tolist(), strict=True))
        return {key: value for key, value in means.items() if not (key.startswith("_") and math.isnan(value))}

    def clear(self, step: int) -> None:
        self._keys, self._totals, self.start = (), torch.zeros(2, 0), step


def _only_logged(key: str) -> bool:
    return key.startswith("_")


def _spread(totals: Tensor, keys: Sequence[str], every: Sequence[str]) -> Tensor:
    """Columns (2, K) of keys in the places that they have among more keys, zeros in the others."""
    columns, none = dict(zip(keys, totals.unbind(1), strict=True)), totals.new_zeros(2)
    return torch.stack([columns.get(key, none) for key in every], dim=1)


class Pace:
    """Images per second and the share of time spent waiting for data, without the time of evaluations."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start a new measurement."""
        self._start, self._paused, self._waited, self._images = time.perf_counter(), 0.0, 0.0, 0

    def waited(self, seconds: float) -> None:
        """Count time in which there was nothing to compute on."""
        self._waited += seconds

    def count(self, images: int) -> None:
        """Count images that were trained on."""
        self._images += images

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Leave out what is done meanwhile."""
        start = time.perf_counter()
        yield
        self._paused += time.perf_counter() - start

    def read(self) -> dict[str, float]:
        """The rates since the last :meth:`reset`."""
        elapsed = max(time.perf_counter() - self._start - self._paused, 1e-9)
        return {
            "images_per_second": round(self._images / elapsed, 3),
            "data_wait": round(self._waited / elapsed, 4),
            "seconds": round(elapsed, 3),
        }


def check_trackers(names: tuple[str, ...]) -> None:
    """InputError for a tracker that is unknown or not installed."""
    for name in names:
        if name not in _TRACKERS:
            raise InputError(f"tracker {name!r} is unknown{nearest(name, list(_TRACKERS))}; use tensorboard or wandb.")
        if importlib.util.find_spec(name) is None:
            raise InputError(f"tracker {name} is not installed; run: pip install 'vergence[{name}]'.")


def _tensorboard(run: Path, settings: Mapping[str, Any]) -> Any:
    from accelerate.tracking import TensorBoardTracker

    tracker = TensorBoardTracker("tensorboard", run)
    tracker.start()
    return tracker


def _wandb(run: Path, settings: Mapping[str, Any]) -> Any:
    from accelerate.tracking import WandBTracker

    tracker = WandBTracker("vergence", dir=str(run), name=run.name, config=dict(settings))
    tracker.start()
    return tracker


_TRACKERS = {"tensorboard": _tensorboard, "wandb": _wandb}


class ProgressLine:
    """A progress bar on a terminal, plain lines elsewhere; silent on all but the main process."""

    def __init__(self, steps: int, start: int, active: bool = True) -> None:
        self.steps, self.start, self.active = steps, start, active
        self._began = time.monotonic()
        self._bar = terminal_bar("training", steps, start) if active else None

    def __enter__(self) -> "ProgressLine":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)

    def show(self, done: int, row: Mapping[str, Any]) -> None:
        """Numbers of a logging step."""
        numbers = (
            f"loss {row['loss']:.4f}  lr {row['lr']:.2g}  {row['images_per_second']:.1f} images/s  "
            f"data {row['data_wait']:.0%}"
        )
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, numbers=numbers)
        elif self.active:
            left = (time.monotonic() - self._began) / max(done - self.start, 1) * (self.steps - done)
            print(f"step {done}/{self.steps}  {numbers}  ETA {_clock(left)}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line above the bar; nothing for an empty text."""
        if not text:
            return
        text = printable(text)
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        elif self.active:
            print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, remainder = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{remainder:02d}"
