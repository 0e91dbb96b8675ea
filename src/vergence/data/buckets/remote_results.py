"""Run folders and results in buckets: written into a folder of this machine, which is copied to its address.

What has the address ``s3://bucket/runs/x`` is worked on in ``$VERGENCE_CACHE/vergence-results/s3/bucket/runs/x``, by
code that knows paths only. A verb that is given such an address first brings here what is there and needed
(:meth:`Results.bring`); meanwhile and at its end what has changed is sent (:meth:`Results.send`): files first, then
what says that they are there. A file is whole or absent in a store, too. When is said by
:mod:`vergence.data.buckets.anywhere`.

A list beside the folder says which files are as they are in the store; all others are newer here, and sent before
anything replaces them. So a call whose store did not answer loses nothing: the next one sends what it has left.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from vergence.data.atomic import appending
from vergence.data.buckets import remote_store
from vergence.data.buckets.addresses import open_address, result_place, results_root
from vergence.data.buckets.remote_store import Facts
from vergence.data.caching.cache_folder import no_room
from vergence.data.structured import iter_json_lines
from vergence.errors import InputError

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

LISTS, _THREADS = ".lists", 8
_PASSING = re.compile(r"\.(lock|.+\.tmp(\..*)?|.+\.\d+\.json|partial-.*)")
"""What is written or held at this moment, and is nobody's result."""
_FILES = frozenset({".parquet", ".csv", ".json", ".onnx", ".pt2", ".xml", ".html", ".zip"})
"""Suffixes of results that are a file: what begins with its name belongs to it."""
_SAYING = 64 * 1024 * 1024
"""Bytes of a file that says what is there, at the most: it is taken as it was before the others were looked for."""
_log = logging.getLogger("vergence")


class _State(NamedTuple):
    """A file that is as it is in the store."""

    size: int
    time: int
    """When it was last changed here, nanoseconds."""
    mark: int
    """What the store says of it, 0 where that was not asked yet."""


class Results:
    """A run folder, a folder of results or a file with what belongs to it (of the same name) in a store.

    Args:
        address: such as ``s3://bucket/runs/x``.

    Raises:
        InputError: the address has a signature or a password in it, or is of a store that takes nothing.
    """

    def __init__(self, address: Path | str) -> None:
        self.address = open_address(address).rstrip("/")
        if self.address.partition("://")[0].lower() in ("http", "https"):
            raise InputError(f"{self.address} is on a web server, which takes no files; give s3://, gs:// or a folder.")
        self.place = result_place(self.address)
        self.there: dict[str, Facts] = {}
        """What the store had when it was last asked, by path below :attr:`place`."""
        self._list = results_root() / LISTS / f"{hashlib.sha256(self.address.encode()).hexdigest()[:20]}.jsonl"
        self._seen: set[str] = set()
        """Files that were here during this command: only these are removed there when they are gone here."""
        self._file = self.place.suffix.lower() in _FILES

    def check(self) -> None:
        """InputError where nothing may be written there."""
        name = f"{self.place.name}/.writable.tmp" if not self._file else f".{self.place.stem}.writable.tmp"
        remote_store.put(self._uri(name), self.address, b"", "nothing was done yet.")
        with contextlib.suppress(InputError):
            remote_store.remove(self._uri(name), self.address)

    # -- here -> there -------------------------------------------------------------------------------------------------

    def send(self, last: bool = False) -> int:
        """Make the store's files those of this machine, what says that others are there last; how many were sent.

        Args:
            last: also ask the store whether it has all of them as they are here.

        Raises:
            InputError: refused, or no answer again and again; what is here stays, and is sent by the next call.
        """
        with self._held():
            listed = self._listed()
            sent = self._send(listed)
            if last and (sent or any(not state.mark for state in listed.values())):
                if self._not_there(listed):
                    self._send(listed)  # what came there cut off
                if lacking := self._not_there(listed):
                    raise InputError(f"{self._shown(lacking[0])} is not in its store as it was sent: {self._kept}")
                self._write_list(listed)
            return sent

    def _not_there(self, listed: dict[str, _State]) -> list[str]:
        """Files that the store has not as they were sent, which are taken out of the list; marks of all others."""
        self._look()
        lacking = []
        for name, state in list(listed.items()):
            facts = self.there.get(name)
            if facts is not None and facts.size in (None, state.size):
                listed[name] = state._replace(mark=facts.mark)
            elif name in self._seen:
                lacking.append(name)
                del listed[name]
        return lacking

    def _send(self, listed: dict[str, _State]) -> int:
        here = self._here()
        changed = [name for name, state in here.items() if (listed.get(name) or _State(-1, 0, 0))[:2] != state[:2]]
        saying = {name: self._read(name) for name in changed if _says(name) and here[name].size <= _SAYING}
        self._seen.update(here)
        self._each(self._put, [(name, here[name], None) for name in changed if name not in saying], listed)
        self._each(self._put, [(name, here[name], content) for name, content in saying.items()], listed)
        gone = [name for name in listed if name in self._seen and name not in here]
        self._each(self._take_away, gone, listed)
        return len(changed)

    def _each(
        self, work: Callable[..., tuple[str, _State | None]], items: list[Any], listed: dict[str, _State]
    ) -> None:
        """Do the work for each in a few threads, and note in the list what is done."""
        if not items:
            return
        self._list.parent.mkdir(parents=True, exist_ok=True)
        with (
            _room_for(self.address),
            appending(self._list) as file,
            ThreadPoolExecutor(_THREADS, thread_name_prefix="send") as pool,
        ):
            try:
                if not file.tell():
                    file.write(self._heading)
                for name, state in pool.map(work, items):
                    listed.pop(name, None)
                    if state is not None:
                        listed[name] = state
                    file.write(_line(name, state))
                    file.flush()
            finally:
                pool.shutdown(cancel_futures=True)

    def _put(self, item: tuple[str, _State, bytes | None]) -> tuple[str, _State | None]:
        name, state, content = item
        content_or_file: Path | bytes = self.place.parent / name if content is None else content
        try:
            remote_store.put(self._uri(name), self._shown(name), content_or_file, self._kept)
        except FileNotFoundError:  # replaced or removed meanwhile: the next time says what became of it
            return name, None
        if content is not None and len(content) != state.size:
            return name, None
        return name, state

    def _take_away(self, name: str) -> tuple[str, None]:
        try:
            remote_store.remove(self._uri(name), self._shown(name))
        except InputError as error:  # a bucket may forbid it: an old file more
            _log.warning("%s", error)
        return name, None

    def settle(self, path: Path) -> None:
        """Send a file now, unless another machine was first: then take that one. InputError as of :meth:`send`."""
        name = path.relative_to(self.place.parent).as_posix()
        with self._held():
            listed = self._listed()
            if remote_store.put_first(self._uri(name), self._shown(name), path.read_bytes(), self._kept):
                status = path.stat()
                self._each(lambda item: item, [(name, _State(status.st_size, status.st_mtime_ns, 0))], listed)
            else:
                facts = remote_store.facts(self._uri(name), self._shown(name))
                self._each(self._get, [(name, facts)], listed)
            self._seen.add(name)

    # -- there -> here -------------------------------------------------------------------------------------------------

    def bring(self, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Make the files of this machine those of the store, but for what was not sent yet.

        Args:
            wanted: which files are needed, by their path below the address; of the others it is only known that they
                are there (:func:`size_of`).

        Raises:
            InputError: refused, or no answer; a file was changed both here and there.
        """
        with self._held():
            listed = self._listed() if self.place.parent.exists() else {}
            self._look()
            here = self._here()
            fetched = []
            for name, facts in self.there.items():
                state, mine = listed.get(name), here.get(name)
                if mine is not None and (state is None or mine[:2] != state[:2]):  # not sent yet
                    if state is not None and state.mark not in (0, facts.mark):
                        raise InputError(
                            f"{self._shown(name)} was changed there, and what was written here before was not sent; "
                            f"remove the one that is worth less ({self._kept})"
                        )
                elif (
                    mine is not None
                    and state is not None
                    and state.mark in (0, facts.mark)
                    and state.size == facts.size
                ):
                    listed[name] = state._replace(mark=facts.mark)
                elif wanted(self._below(name)):
                    fetched.append((name, facts))
                elif mine is not None:  # an old one, which is not needed
                    (self.place.parent / name).unlink(missing_ok=True)
                    listed.pop(name, None)
                else:
                    (self.place.parent / name).parent.mkdir(parents=True, exist_ok=True)
            for name in [name for name in listed if name not in self.there]:
                if name in here and here[name][:2] == listed[name][:2]:
                    (self.place.parent / name).unlink(missing_ok=True)
                del listed[name]
            self._write_list(listed)
            self._each(self._get, fetched, listed)
            self._seen = set(self._here())

    def _get(self, item: tuple[str, Facts]) -> tuple[str, _State | None]:
        name, facts = item
        file = self.place.parent / name
        with _room_for(self._shown(name)), contextlib.ExitStack() as held:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=file.parent)
            held.callback(Path(part).unlink, missing_ok=True)
            os.close(descriptor)
            facts = remote_store.fetch(self._uri(name), self._shown(name), Path(part), 1 << 62, facts)
            Path(part).chmod(0o644)
            os.replace(part, file)
        status = file.stat()
        return name, _State(status.st_size, status.st_mtime_ns, facts.mark)

    # -- room ----------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While entered, no process of this machine takes files away to make room."""
        self._list.parent.mkdir(parents=True, exist_ok=True)
        with self._list.with_suffix(".open").open("a") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def remove_sent(self) -> bool:
        """Remove files of this machine that are as they are in the store; False, and none, where they are in use."""
        if fcntl is None:
            return False
        with self._list.with_suffix(".open").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            with self._held():
                listed, here = self._listed(), self._here()
                for name in [name for name, state in here.items() if _is_sent(state, listed.get(name))]:
                    (self.place.parent / name).unlink(missing_ok=True)
                    del listed[name]
                self._write_list(listed)
        return True

    def sent_bytes(self) -> int:
        """Bytes of files that are as they are in the store."""
        listed = self._listed()
        return sum(state.size for name, state in self._here().items() if _is_sent(state, listed.get(name)))

    # -- both ----------------------------------------------------------------------------------------------------------

    @property
    def _heading(self) -> str:
        return json.dumps({"address": self.address}) + "\n"

    @property
    def _kept(self) -> str:
        return f"what was written stays in {results_root()} and is sent by the next command with this address."

    def _uri(self, name: str) -> str:
        return f"{self.address.rpartition('/')[0]}/{name}"

    _shown = _uri

    def _below(self, name: str) -> str:
        """A name below the address, or the name of a file."""
        return name if self._file else name.partition("/")[2]

    def _is_ours(self, name: str) -> bool:
        """Whether a path beside the place belongs to it."""
        first, slash, _ = name.partition("/")
        if not self._file:
            return first == self.place.name and bool(slash)
        return first == self.place.stem or first.startswith(f"{self.place.stem}.")

    def _look(self) -> None:
        """Ask the store what there is."""
        folder = self.address.rpartition("/")[0] if self._file else self.address
        objects = remote_store.listing(folder, folder, prefix=self.place.stem if self._file else "")
        prefix = "" if self._file else f"{self.place.name}/"
        there = {prefix + name: facts for name, facts in objects.items()}
        self.there = {name: facts for name, facts in there.items() if self._is_ours(name) and _is_result(name)}

    def _here(self) -> dict[str, _State]:
        """Files of this machine, by their path below the place's folder."""
        parent, states = self.place.parent, {}
        for top in sorted(parent.iterdir()) if parent.is_dir() else ():
            if not self._is_ours(f"{top.name}/" if top.is_dir() else top.name):
                continue
            walk = ((folder, names) for folder, _, names in os.walk(top)) if top.is_dir() else [(parent, [top.name])]
            for folder, names in walk:
                for path in (Path(folder) / name for name in names):
                    name = path.relative_to(parent).as_posix()
                    with contextlib.suppress(OSError):
                        if _is_result(name) and path.is_file():
                            status = path.stat()
                            states[name] = _State(status.st_size, status.st_mtime_ns, 0)
        return states

    def _read(self, name: str) -> bytes:
        with contextlib.suppress(OSError):
            return (self.place.parent / name).read_bytes()
        return b""

    def _listed(self) -> dict[str, _State]:
        listed: dict[str, _State] = {}
        for row in iter_json_lines(self._list) if self._list.is_file() else ():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                name = str(row["name"])
                listed.pop(name, None)
                if row["state"] is not None:
                    listed[name] = _State(*map(int, row["state"]))
        return listed

    def _write_list(self, listed: dict[str, _State]) -> None:
        self._list.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._list.with_suffix(f".{os.getpid()}.tmp")
        lines = "".join(_line(name, state) for name, state in listed.items())
        with _room_for(self.address):
            temporary.write_text(self._heading + lines, encoding="utf-8")
            os.replace(temporary, self._list)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """One process of this machine at a time."""
        self._list.parent.mkdir(parents=True, exist_ok=True)
        with _thread_lock, self._list.with_suffix(".lock").open("a") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_UN)


_thread_lock = threading.Lock()


@contextlib.contextmanager
def _room_for(shown: str) -> Iterator[None]:
    """While entered, files of the cache that cannot be written are told as such."""
    try:
        yield
    except OSError as error:
        raise no_room(shown, error) from None


def _is_sent(here: _State, listed: _State | None) -> bool:
    return listed is not None and listed.mark != 0 and here[:2] == listed[:2]


def _is_result(name: str) -> bool:
    return not any(_PASSING.fullmatch(step) or step in ("", ".", "..") for step in name.split("/"))


def _says(name: str) -> bool:
    """Whether a file says that others are there."""
    last = name.rpartition("/")[2]
    return last == "LATEST" or last.endswith(".json")


def _line(name: str, state: _State | None) -> str:
    return json.dumps({"name": name, "state": state}) + "\n"
