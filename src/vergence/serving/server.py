"""Starting and stopping: the port, the folder, the worker, the server."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vergence.errors import InputError
from vergence.runs.run_lock import LOCK, locked
from vergence.serving.limits import Limits

_PREFIX = "vergence-serve-"
_NEEDED = ("fastapi", "uvicorn", "python_multipart")


def serve(
    model: str,
    options: Mapping[str, Any],
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    page: bool = True,
    limits: Limits,
    label_studio: str | None = None,
    started: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve a model until SIGINT or SIGTERM.

    Args:
        model: what :func:`vergence.load` takes.
        options: its settings.
        host: address to listen at.
        port: to listen at; 0 for any that is free.
        page: whether there is a page for people.
        limits: of requests.
        label_studio: address of the Label Studio whose tasks may be answered.
        started: called with the address when the server is about to answer.

    Raises:
        InputError: a library is missing, the port is taken, or the model cannot be loaded.
    """
    _check_libraries(page)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port))
        folder = stack.enter_context(own_folder())
        stack.enter_context(_temporary_files(folder))
        stack.enter_context(_terminated_like_interrupted())
        with contextlib.suppress(KeyboardInterrupt):
            _run(model, options, listening, host, page, limits, label_studio, started, folder)


def _run(
    model: str, options: Mapping[str, Any], listening: socket.socket, host: str, page: bool, limits: Limits,
    label_studio: str | None, started: Callable[[str], None], folder: Path,
) -> None:  # fmt: skip
    from vergence.serving.page import add_page, quiet

    quiet(folder)
    import uvicorn

    from vergence.serving.documents import add_documents
    from vergence.serving.guards import LOOPBACK, Guard
    from vergence.serving.label_studio import Pictures, add_label_studio
    from vergence.serving.routes import interface
    from vergence.serving.service import Service
    from vergence.serving.worker import Worker

    environment = limits.environment() | {"TMPDIR": str(folder)}
    if label_studio is not None:
        Pictures(label_studio, limits)  # what is wrong with it is said before anything is loaded
    service = Service(Worker(model, options, environment), limits, folder)
    try:
        app = interface(service)
        if label_studio is not None:
            add_label_studio(app, service, label_studio)
        add_documents(app)
        if page:
            add_page(app, service)
        guarded = Guard(app, limits, local=host in LOOPBACK)
        config = uvicorn.Config(
            guarded, log_level="warning", access_log=False, server_header=False, ws="none", limit_concurrency=512,
            timeout_graceful_shutdown=3, proxy_headers=False,
        )  # fmt: skip
        name = f"[{host}]" if ":" in host else host
        started(f"http://{name}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        service.close()


def _check_libraries(page: bool) -> None:
    missing = [name for name in (*_NEEDED, *(("gradio",) if page else ())) if find_spec(name) is None]
    if missing:
        raise InputError(f"serve needs {', '.join(missing)}; install with pip install 'vergence[serve]'.")


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that is bound before anything slow begins."""
    if not 0 <= port <= 65535:
        raise InputError(f"serve: port is {port}; give 1 to 65535, or 0 for any that is free.")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"serve: host {host!r} is no address of this machine; give one such as 127.0.0.1.") from None
    family, kind, protocol, _, address = addresses[0]
    with socket.socket(family, kind, protocol) as listening:
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(128)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                trouble = f"port {port} of {host} is taken; stop what uses it, or give another with --port"
            else:
                trouble = f"port {port} of {host} cannot be used ({error.strerror}); give another with --port or --host"
            raise InputError(f"serve: {trouble}.") from None
        yield listening


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder for what strangers send and what they get; those of servers that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(InputError, OSError):  # its server lives, or another clears it away
            if _may_be_left(left):
                with locked(left):
                    shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, locked(Path(name)):
        yield Path(name).resolve()


def _may_be_left(folder: Path) -> bool:
    """Whether a folder was made by a server of this user; a link, or what others can write to, might be a trap.

    Its lock has no number where the disk has no locks, so that nobody can know whether the server lives.
    """
    if not hasattr(os, "getuid"):  # nor are there locks
        return False
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return own and (folder / LOCK).read_text("ascii", "replace").strip().isdecimal()


@contextlib.contextmanager
def _temporary_files(folder: Path) -> Iterator[None]:
    """Uploads that libraries put into temporary files lie below the folder too."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the server as SIGINT does, so that its folder is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
