"""Verbs whose runs and results may be in stores, and what the code below them asks of results that are only there.

Nothing heavy is imported before an address is given.
"""

import contextlib
import functools
import inspect
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from vergence.data.buckets.addresses import as_written, is_address
from vergence.errors import InputError

if TYPE_CHECKING:
    from vergence.data.buckets.remote_results import Results

Given = ParamSpec("Given")
Made = TypeVar("Made")
_NAMES = ("out", "json", "run")
"""Arguments of verbs that may be addresses of runs and results."""
SECONDS = 15.0
"""Between two times that what is being written is sent."""
_SAME_MOMENT = 60.0
"""Seconds for which a run that was brought here is taken as it is."""
_brought: dict[str, float] = {}
_open: dict[Path, "Results"] = {}
_log = logging.getLogger("vergence")


def results_of(path: Path) -> "Results | None":
    """The results that a path of this machine is a part of, of those that this command works on."""
    for place, results in _open.items():
        if path == place or place in path.parents:
            return results
    return None


def size_of(path: Path) -> int | None:
    """Bytes of a file of results, whether it is here or only in its store; None where there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    if _open and (results := results_of(path.absolute())) is not None:
        facts = results.there.get(path.absolute().relative_to(results.place.parent).as_posix())
        return None if facts is None else facts.size
    return None


def all_here(path: Path) -> None:
    """Bring all files of the results that a path is a part of: they are about to be read."""
    if (results := results_of(path.absolute())) is not None:
        results.bring()


def first_counts(path: Path) -> None:
    """The file that was in the store first is that of all machines that make it."""
    if (results := results_of(path.absolute())) is not None:
        results.settle(path.absolute())


@contextlib.contextmanager
def working_on(folders: "Iterable[Results]", sends: bool = True) -> Iterator[None]:
    """While entered, what changes in places of results is sent every few seconds, and all of it in the end.

    Raises:
        InputError: what was written could not be sent; where another error ends the work, that is only told.
    """
    opened = {results.place: results for results in folders if results.place not in _open}
    _open.update(opened)
    ends = threading.Event()
    sender = threading.Thread(target=_send_often, args=(list(opened.values()), ends), name="sending", daemon=True)
    if sends and opened:
        sender.start()
    failed = True
    try:
        with contextlib.ExitStack() as held:
            for results in opened.values():
                held.enter_context(results.in_use())
            yield
            failed = False
    finally:
        ends.set()
        if sender.ident is not None:
            sender.join()
        for place, results in opened.items():
            try:
                if sends and results.send(last=True):
                    _forget_copies()
            except InputError as error:
                if not failed:
                    raise
                _log.warning("%s", error)
            finally:
                _open.pop(place, None)
        if sends and opened:
            _make_room()


def _make_room() -> None:
    """Results of this machine that are in their stores, too, take no more of its disk than copies may."""
    from vergence.data.buckets.results_room import make_room

    try:
        make_room()
    except (InputError, OSError) as error:  # what was to be done is done
        _log.warning("%s", error)


def _forget_copies() -> None:
    """Objects were written: whoever reads them compares copies anew."""
    from vergence.data.buckets.remote import forget

    forget()


def _send_often(folders: "list[Results]", ends: threading.Event) -> None:
    told = False
    while not ends.wait(SECONDS):
        for results in folders:
            try:
                results.send()
            except InputError as error:  # told once: the last time says it again if it is still so
                if not told:
                    _log.warning("%s", error)
                told = True


def run_here(path: Path | str) -> Path | str:
    """A run as a folder of this machine: what has an address is brought here, without what only resuming needs.

    Args:
        path: a run, a checkpoint of one, or anything else, which is given back.
    """
    if not isinstance(path, str | Path) or not is_address(path):
        return path
    results, rest = of_run(path)
    if results.place not in _open and _brought.get(results.address, 0.0) < time.time() - _SAME_MOMENT:
        results.bring(for_use)
        _brought[results.address] = time.time()
    return results.place / rest


def of_run(address: Path | str) -> "tuple[Results, str]":
    """The run that an address is of, and which checkpoint of it, ``checkpoints/N`` or "" for none."""
    from vergence.data.buckets.remote_results import Results

    run, slash, word = as_written(address).rstrip("/").partition("/checkpoints/")
    return Results(run), f"checkpoints/{word}" if slash else ""


def for_use(name: str) -> bool:
    """Whether a file of a run is needed for more than resuming."""
    return not name.endswith("/state.safetensors")


def results_anywhere(**needed: Callable[[str], bool]) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """A verb whose arguments ``out``, ``json`` and ``run`` may be addresses: it is given folders of this machine.

    Args:
        needed: which files that are there are needed, by argument; default of ``run`` all that is not for resuming
            alone, of the others all.
    """

    def decorated(verb: Callable[Given, Made]) -> Callable[Given, Made]:
        signature, first_alone = inspect.signature(verb), verb.__name__ in ("train", "resume")

        @functools.wraps(verb)
        def anywhere(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            bound = signature.bind(*args, **kwargs)
            opened: list[Results] = []
            for name, value in [(name, value) for name, value in bound.arguments.items() if name in _NAMES]:
                wanted = needed.get(name, for_use if name == "run" else lambda _: True)
                checks = name != "run" or name in needed
                several = value if isinstance(value, list | tuple) else [value]
                places = [_opened(one, name, wanted, opened, checks) for one in several]
                bound.arguments[name] = places if isinstance(value, list | tuple) else places[0]
            sends = not first_alone or os.environ.get("RANK", "0") == "0"
            with working_on(opened, sends):
                return verb(*bound.args, **bound.kwargs)

        return anywhere

    return decorated


def _opened(value: Any, name: str, wanted: Callable[[str], bool], opened: "list[Results]", checks: bool) -> Any:
    """What a verb is given: an address as the place of its results, which are brought there."""
    if not isinstance(value, str | Path) or not is_address(value):
        return value
    from vergence.data.buckets.remote_results import Results

    results, rest = of_run(value) if name == "run" else (Results(value), "")
    if name != "run" and "/" not in results.address.partition("://")[2]:
        raise InputError(f"{results.address} is a whole bucket; give a place in it, such as {results.address}/results.")
    if results.place not in _open:
        if checks and os.environ.get("RANK", "0") == "0":
            results.check()
        results.bring(wanted)
        opened.append(results)
    return results.place / rest
