"""What a run leaves behind as it goes: metrics.jsonl always, TensorBoard and W&B on request, a progress line."""

import importlib.util
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vergence.errors import InputError

EXTRAS = {"tensorboard": "tensorboard", "wandb": "wandb"}


def check_trackers(names: tuple[str, ...]) -> None:
    """InputError for unknown or missing trackers, before anything starts."""
    for name in names:
        if name not in EXTRAS:
            raise InputError(f"train.trackers: {name!r} is unknown; use {', '.join(EXTRAS)} (metrics.jsonl is always written).")
        if importlib.util.find_spec(name) is None:
            raise InputError(f"train.trackers: {name} is not installed; run: pip install 'vergence[{EXTRAS[name]}]'.")


class MetricsFile:
    """``metrics.jsonl``: a line a record, whole lines only, flushed at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def drop_after(self, step: int) -> None:
        """Forget records beyond a checkpoint that is resumed from, and half a line if there is one."""
        if not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if json.loads(line).get("step", 0) <= step:
                    kept.append(line)
            except (ValueError, AttributeError):
                continue
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        os.replace(temporary, self.path)

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        record = {"step": step, "kind": kind, "time": datetime.now(UTC).isoformat(timespec="seconds"), **values}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}); free some space and resume.") from error


class ProgressLine:
    """A live bar in a terminal, a plain line at each logged step elsewhere; silent on all processes but the first."""

    def __init__(self, steps: int, start: int, quiet: bool = False) -> None:
        self.steps, self.start, self.quiet = steps, start, quiet
        self.began = time.monotonic()
        self.console = Console(file=sys.stderr)
        self.bar: Progress | None = None
        if not quiet and self.console.is_terminal:
            columns = (
                TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("eta"),
                TimeRemainingColumn(), TextColumn("{task.fields[text]}"),
            )  # fmt: skip
            self.bar = Progress(*columns, console=self.console)
            self.task = self.bar.add_task("training", total=steps, completed=start, text="")
            self.bar.start()

    def logged(self, step: int, values: dict[str, float]) -> None:
        loss, rate = values["loss"], values["images_per_second"]
        text = f"loss {loss:.4f}  lr {values['lr']:.1e}  {rate:.1f} images/s  data wait {values['data_wait']:.0%}"
        if self.bar is not None:
            self.bar.update(self.task, completed=step, text=text)
        elif not self.quiet:
            left = (time.monotonic() - self.began) / max(step - self.start, 1) * (self.steps - step)
            self.say(f"step {step}/{self.steps}  {text}  eta {int(left) // 60}:{int(left) % 60:02d}")

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
