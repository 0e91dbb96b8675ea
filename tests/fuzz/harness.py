"""One malformed input in a process of its own: what it may use, what is watched, and the verdict.

The parent imports the package once and forks a child for each input, so that a thousand of them take minutes. A child
gets a folder with copies of sound data, damages something in it, gives up most of its rights to memory and time, and
runs a command line. The parent then judges the exit code, what was printed, the files that changed anywhere below or
outside the folder, and the programs and connections that were started.
"""

import contextlib
import fnmatch
import json
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import sound

REFUSED, ACCEPTED, EITHER = "refused", "accepted", "either"
"""What must become of an input; "either" is for damage that may or may not matter: one sentence, or sound results."""
MEMORY = 3 << 30
"""Bytes of address space beside that of the parent."""
CPU_SECONDS, WALL_SECONDS = 40, 120
CANARIES = ("gs", "gswin64c", "ffmpeg", "ffprobe", "convert", "magick", "inkscape", "rsvg-convert", "sh", "bash", "id")
"""Programs that the search path of a child has in place of the real ones; each notes that it was started."""
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.bind")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
_TRACE = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Case:
    """A malformed input: how it is made in a folder of sound data, the command that meets it, what must become of it.

    needs: parts of the world that are copied; argv: words of ``vergence``; may_write: patterns, relative to the folder,
    of what the command may write; beside: what runs beside the command in its process and may talk to it on this
    machine, given the folder; it yields words that stand in braces in ``argv``; addressed: whether the input has an
    address on this machine, which may be asked.
    """

    name: str
    argv: Sequence[str]
    prepare: Callable[[Path, np.random.Generator], None]
    expect: str = REFUSED
    needs: Sequence[str] = ()
    may_write: Sequence[str] = ("out", "out/*", "out.*", "out_labels", "out_labels/*")
    quick: bool = False
    beside: Callable[[Path], AbstractContextManager[dict[str, str]]] | None = None
    addressed: bool = False


@dataclass
class Outcome:
    """What became of a case; ``faults`` is empty where all is as it should be."""

    case: Case
    code: int | None
    seconds: float
    err: str
    faults: list[str] = field(default_factory=list)


def start(case: Case, world: Path, folder: Path) -> int:
    """Fork the child of a case; returns its process id. ``folder`` must not exist."""
    folder.mkdir(parents=True)
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.setsid()
        _quiet(folder)
        work = _laid_out(case, world, folder)
        (folder / "before.json").write_text(json.dumps(_snapshot(folder)))
        code = _run(case, work, folder)
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code & 0xFF)


def judge(case: Case, folder: Path, status: int | None, seconds: float) -> Outcome:
    """The verdict; ``status`` as of ``os.waitpid``, None where the child ran out of wall time."""
    err = (folder / "stderr").read_text(errors="replace")
    out = (folder / "stdout").read_text(errors="replace")
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    found = Outcome(case, code, seconds, err)
    if code is None or code == -signal.SIGXCPU:
        found.faults.append("hang")
    elif code < 0:
        found.faults.append(f"crash by signal {-code}")
    if _TRACE in err + out or code in (98, 99):
        found.faults.append("traceback")
    if not found.faults:
        found.faults += _answer(case, code, err, folder)
    if any(mark in err + out for mark in ("\x1b", "\x07", "\x00")):
        found.faults.append("sends control characters to the terminal")
    events = folder / "events"
    found.faults += sorted(set(events.read_text().splitlines())) if events.exists() else []
    found.faults += _files(case, folder)
    return found


def _answer(case: Case, code: int | None, err: str, folder: Path) -> list[str]:
    if code == 0:
        return ["accepted nonsense"] if case.expect == REFUSED else sound.faults(case.argv, folder / "work")
    if case.expect == ACCEPTED:
        return [f"refused what can be used (exit code {code})"]
    lines = err.splitlines()
    said = [number for number, line in enumerate(lines) if line.startswith("vergence: ")]
    if code != 2:
        return [f"exit code {code}, expected 2"]
    if len(said) != 1:
        return [f"{len(said)} sentences on stderr, expected one"]
    tail = lines[said[0] + 1 :]
    if any(not line.startswith("  ") for line in tail):
        return ["more than a sentence on stderr"]
    return ["an endless sentence on stderr"] if len(lines[said[0]]) > 4000 else []


def _files(case: Case, folder: Path) -> list[str]:
    before = json.loads((folder / "before.json").read_text()) if (folder / "before.json").exists() else {}
    after = _snapshot(folder)
    own = ("home/*", "stdout", "stderr", "events", "before.json")
    allowed = [*own, *(f"work/{pattern}" for pattern in case.may_write)]
    faults = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) == after.get(name):
            continue
        if not any(fnmatch.fnmatch(name, pattern) for pattern in allowed):
            faults.append(f"{'writes' if name in after else 'removes'} {name}")
        if name in after and name not in before and name.endswith((".partial", ".tmp")):
            faults.append(f"leaves {name}")
    return faults


def _quiet(folder: Path) -> None:
    """Standard streams of the child are files, and its input is empty."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))


def _laid_out(case: Case, world: Path, folder: Path) -> Path:
    work = folder / "work"
    for part in ("work", "home", "tmp", "bin"):
        (folder / part).mkdir()
    for part in case.needs:
        source = world / part
        shutil.copytree(source, work / part) if source.is_dir() else shutil.copyfile(source, work / part)
    for name in CANARIES:
        canary = folder / "bin" / name
        canary.write_text(f"#!/bin/sh\necho 'starts {name}' >> {folder}/events\n")
        canary.chmod(0o755)
    os.chdir(work)
    os.environ.update(
        PATH=str(folder / "bin"), HOME=str(folder / "home"), TMPDIR=str(folder / "tmp"), XDG_CACHE_HOME=f"{folder}/home"
    )
    # PyTorch's compiler makes this folder when timm's optimisers are imported
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{folder}/home/compiled"
    tempfile.tempdir = None
    case.prepare(work, np.random.default_rng(zlib.crc32(case.name.encode())))
    return work


def _run(case: Case, work: Path, folder: Path) -> int:
    from vergence.cli import main

    sys.addaudithook(_watch(folder, case.addressed or case.beside is not None))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    try:
        with contextlib.nullcontext({}) if case.beside is None else case.beside(work) as words:
            return main([_filled(word, {"here": str(work), **words}) for word in case.argv])
    except BaseException:
        traceback.print_exc()
        return 98


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _watch(folder: Path, here: bool) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that notes programs, connections, and changes to files outside the folder of the case.

    With ``here`` connections to this machine are no matter.
    """
    notes = os.open(folder / "events", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    root = os.path.realpath(folder) + os.sep

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        place = os.path.realpath(os.fsdecode(path))
        return not (place + os.sep).startswith((root, "/dev/", "/proc/self/"))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        note = ""
        if event.startswith(_PROGRAMS):
            note = f"starts a program: {event} {arguments[:2]!r:.200}"
        elif event in _NETWORK and not (here and _of_this_machine(arguments)):
            note = f"reaches for the network: {event} {arguments[1:]!r:.100}"
        elif event == "open" and len(arguments) > 2 and isinstance(arguments[2], int):
            if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and outside(arguments[0]):
                note = f"opens for writing: {arguments[0]!r}"
        elif event in _CHANGES:
            places = arguments[:2] if event in ("os.rename", "os.link") else arguments[1:2] or ()
            places = places if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]
            note = next((f"changes {place!r} ({event})" for place in places if outside(place)), "")
        if note:
            os.write(notes, (note.replace("\n", " ") + "\n").encode(errors="replace"))

    return hook


def _of_this_machine(arguments: tuple[Any, ...]) -> bool:
    """Whether an event of a socket speaks of no other machine: (socket, (host, port)) or (host, port, ...)."""
    address = arguments[1] if arguments and isinstance(arguments[0], socket.socket) else arguments
    return isinstance(address, tuple) and address[0] in ("127.0.0.1", "localhost")


def _snapshot(folder: Path) -> dict[str, str]:
    """Path below the folder -> what would change with its content; folders are named, links are not followed."""
    found = {}
    for place in _walk(str(folder)):
        name = os.path.relpath(place, folder)
        status = os.lstat(place)
        found[name] = "folder" if os.path.isdir(place) else f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
    return found


def _walk(place: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def run_all(
    cases: Sequence[Case], world: Path, place: Path, jobs: int, done: Callable[[Outcome], None], keep: bool = False
) -> None:
    """Run cases, ``jobs`` at a time; each is told when it has ended. Folders of sound ones are removed."""
    waiting = list(enumerate(cases))[::-1]
    running: dict[int, tuple[Case, Path, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, case = waiting.pop()
            folder = place / f"{number:05d}"
            running[start(case, world, folder)] = (case, folder, time.monotonic())
        ended: list[tuple[int, int | None]] = []
        for child, (_, _, began) in running.items():
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                ended.append((child, status))
            elif time.monotonic() - began > WALL_SECONDS:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                ended.append((child, None))
        for child, status in ended:
            case, folder, began = running.pop(child)
            outcome = judge(case, folder, status, time.monotonic() - began)
            if not outcome.faults and not keep:
                shutil.rmtree(folder, ignore_errors=True)
            done(outcome)
        if not ended:
            time.sleep(0.01)
