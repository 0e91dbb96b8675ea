"""The door for Python: what ``vergence.NAME`` gives, each imported when it is first asked for.

The verbs are those of :mod:`vergence.api`; here what is no path where a path is expected gets a sentence.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vergence import api
from vergence.errors import InputError


def train(
    recipe: str | Path,
    out: str | Path,
    data: str | Path | None = None,
    callbacks: Mapping[str, Callable[..., Any]] | None = None,
    **settings: Any,
) -> Path:
    """Train a recipe into a new run folder.

    Args:
        recipe: name of a recipe, or path of a YAML file.
        out: the run folder, which must not exist yet.
        data: manifest, folder or video.
        callbacks: functions that are called meanwhile, by event: ``step(steps, losses)`` after each step,
            ``evaluation(steps, scores)``, ``checkpoint(steps, path)``, ``end(steps, run)``. They change no number.
        settings: settings that differ from the recipe's, nested (``train={"steps": 100}``) or by full name
            (``**{"train.steps": 100}``).

    Returns:
        The run folder: what ``vergence.load`` takes.

    Raises:
        InputError: something given cannot be used.
        Interrupted: SIGINT or SIGTERM came; a checkpoint is written.
    """
    return api.train(recipe, out, data, settings, callbacks)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with an InputError for arguments that are no paths where its signature wants paths."""
    signature = inspect.signature(function)
    wanted = {
        name: _kinds(str(parameter.annotation))
        for name, parameter in signature.parameters.items()
        if "Path" in str(parameter.annotation)
    }

    @functools.wraps(function)
    def verb(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            if name in wanted and not _is_one(value, wanted[name]):
                raise InputError(
                    f"{function.__name__}: {name} is of type {type(value).__name__}, expected {_said(wanted[name])}."
                )
        return function(*args, **kwargs)

    return verb


def _kinds(annotation: str) -> tuple[bool, bool]:
    """Whether None will do, and whether several will."""
    return "None" in annotation, "Sequence[" in annotation


def _is_one(value: Any, kinds: tuple[bool, bool]) -> bool:
    optional, several = kinds
    if value is None:
        return optional
    if several and isinstance(value, list | tuple):
        return all(isinstance(one, str | Path) for one in value)
    return isinstance(value, str | Path)


def _said(kinds: tuple[bool, bool]) -> str:
    optional, several = kinds
    return "a path" + (" or a list of paths" if several else "") + (" or None" if optional else "")


VERBS: Mapping[str, Callable[..., Any]] = {
    "convert": api.convert, "evaluate": api.evaluate, "export": api.export, "index": api.index, "predict": api.predict,
    "propagate": api.labels_propagate, "resume": api.resume, "scan": api.scan,
    "select": api.select, "serve": api.serve, "train": train,
}  # fmt: skip


@functools.cache
def verb(name: str) -> Callable[..., Any]:
    """A verb by name, checked."""
    return checked(VERBS[name])
