"""Functions of a user's that a run calls at its events; being there they change no number."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vergence.errors import InputError, Interrupted, nearest


@dataclass(frozen=True)
class Callbacks:
    """One function an event, of the first process alone; each may be missing.

    What they draw from Python's, NumPy's and PyTorch's global generators does not change what the run draws, and they
    are given plain values only.
    """

    step: Callable[[int, dict[str, float]], Any] | None = None
    """After each step: number of steps done, losses by name. Asking for it waits for the device at every step."""
    evaluation: Callable[[int, dict[str, Any]], Any] | None = None
    """After each evaluation: number of steps done, the row of the log."""
    checkpoint: Callable[[int, Path], Any] | None = None
    """After each checkpoint: number of steps done, its folder."""
    end: Callable[[int, Path], Any] | None = None
    """When the run has ended at its last step or early: number of steps done, the run folder."""

    @classmethod
    def of(cls, given: "Callbacks | Mapping[str, Callable[..., Any]] | None") -> "Callbacks":
        """Functions by event; InputError for an unknown event, or what cannot be called."""
        if isinstance(given, Callbacks) or given is None:
            return given or cls()
        if not isinstance(given, Mapping):
            raise InputError(f"callbacks are a {type(given).__name__}; expected functions by event, such as step=...")
        events = [field.name for field in fields(cls)]
        for name, function in given.items():
            if name not in events:
                hint = nearest(str(name), events)
                raise InputError(f"callbacks know no event {name!r}{hint}; there are {', '.join(events)}.")
            if not callable(function):
                raise InputError(f"the callback of {name} is of type {type(function).__name__}; expected a function.")
        return cls(**given)

    def call(self, event: str, step: int, value: Any) -> None:
        """Call the function of an event, if there is one.

        Raises:
            InputError: it raised something; that is its cause.
        """
        function = getattr(self, event)
        if function is None:
            return
        try:
            with _randomness_untouched(), torch.no_grad():
                function(step, value)
        except (InputError, Interrupted) as error:
            raise error
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(
                f"the callback of {event} failed after step {step} ({type(error).__name__}: {reason}); correct it, "
                "or leave it out."
            ) from error


def means_of(parts: list[dict[str, Tensor]]) -> dict[str, float]:
    """Losses of a step as plain numbers, means over the batches that it took."""
    return {key: sum(float(part[key].detach()) for part in parts) / len(parts) for key in parts[0]}


@contextlib.contextmanager
def _randomness_untouched() -> Iterator[None]:
    """Put the random generators back to where they were."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)
