"""Objects of stores - buckets, web servers - through fsspec: with retries, and plain words for what is refused.

Credentials are the store's own business: its library finds them in the environment, in its files, or asks the machine.
"""

import contextlib
import errno
import hashlib
import inspect
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vergence.errors import InputError, in_bytes

Result = TypeVar("Result")
PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts: a store that is busy answers again soon."""
CONNECT, READ = 10, 30
"""Seconds that a store may take to be reached, and to go on with an answer."""
_WRAPPERS = frozenset(
    {"blockcache", "cached", "dask", "data", "dir", "file", "filecache", "generic", "git", "local", "memory",
     "reference", "simplecache", "tar", "zip", "libarchive", "asyncwrapper", "async_wrapper"}
)  # fmt: skip
"""What fsspec calls a file system and is no store: a manifest of strangers must not reach this machine's by it."""
_PACKAGES = {"s3": "vergence[bucket]", "s3a": "vergence[bucket]", "http": "vergence[bucket]",
             "https": "vergence[bucket]", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs",
             "abfss": "adlfs"}  # fmt: skip
_TELLING = ("ETag", "etag", "generation", "LastModified", "Last-Modified", "last_modified", "updated", "mtime")
"""What stores say of an object that changes with its content: the first that is there counts, in every answer."""
_log = logging.getLogger("vergence")


class Absent(InputError):
    """The store answers, and has no such object: as a file of this machine that is missing."""


class NoAnswer(InputError):
    """The store was asked again and again, and says neither what the object is nor that there is none."""


class Facts(NamedTuple):
    """What a store says of an object."""

    size: int | None
    """Bytes, None where it does not say."""
    mark: int
    """A number (32 bits) that changes with the content; 0 where the store says nothing that does."""
    folder: bool = False


def facts(uri: str, shown: str) -> Facts:
    """What a store says of an object, or that the name is one of a folder; InputError where it is refused or absent.

    Args:
        uri: the whole address.
        shown: how messages call it: without anything secret.
    """
    return _asked(uri, shown, lambda store, path: _facts(store.info(path)))


def _facts(info: dict[str, Any]) -> Facts:
    version = next((str(info[key]) for key in _TELLING if info.get(key)), "")
    mark = int.from_bytes(hashlib.sha256(version.encode()).digest()[:4], "big") if version else 0
    size = info.get("size")
    return Facts(int(size) if size is not None else None, mark, info.get("type") == "directory")


def fetch(uri: str, shown: str, target: Path, most: int, latest: Facts) -> Facts:
    """Write an object, of which the store told the ``latest`` facts, to a local file, whole; returns its facts then.

    Raises:
        InputError: refused, absent, larger than ``most`` bytes, or again and again cut off.
        OSError: the local file cannot be written.
    """
    known = [latest]

    def whole(store: Any, path: str) -> Facts:
        now = known.pop() if known else _facts(store.info(path))
        if now.size is not None and now.size > most:
            raise InputError(f"{shown} has {in_bytes(now.size)}, {_TOO_LARGE}")
        store.get_file(path, str(target), callback=_limit(most, shown))
        size = target.stat().st_size
        if now.size is not None and size != now.size:
            raise ConnectionError(f"the answer has {size} of {now.size} bytes")
        return now

    return _asked(uri, shown, whole)


def put(uri: str, shown: str, content: Path | bytes, kept: str) -> None:
    """Write a local file, or bytes, as an object, which is whole or absent.

    Args:
        kept: what becomes of the source where it cannot be written, in words.

    Raises:
        InputError: refused, or again and again no answer.
        FileNotFoundError: there is no such local file.
    """

    def whole(store: Any, path: str) -> None:
        if isinstance(content, bytes):
            store.pipe_file(path, content)
        else:
            store.put_file(str(content), path)

    try:
        _asked(uri, shown, whole, kept)
    except InputError:
        if isinstance(content, Path) and not content.exists():
            raise FileNotFoundError(str(content)) from None
        raise


def put_first(uri: str, shown: str, content: bytes, kept: str) -> bool:
    """Write an object unless there is one; whether it was written. InputError as of :func:`put`."""

    def first(store: Any, path: str) -> bool:
        if store.exists(path):
            return False
        try:
            store.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        except Exception as error:
            if _status(error) in (409, 412):
                return False
            raise
        return True

    return _asked(uri, shown, first, kept)


def remove(uri: str, shown: str) -> None:
    """Remove an object, if there is one; InputError as of :func:`put`."""

    def gone(store: Any, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            store.rm_file(path)

    _asked(uri, shown, gone, "it is left there.")


def listing(uri: str, shown: str, deep: bool = True, prefix: str = "") -> dict[str, Facts]:
    """Objects in a folder of a store, and with ``deep`` in the folders below it: relative name -> facts.

    Args:
        prefix: how the names begin; a store that cannot look for that gives others, too.
    """

    def listed(store: Any, path: str) -> dict[str, Facts]:
        store.invalidate_cache()
        looks = getattr(type(store), "_find", store.find)
        only = {"prefix": prefix} if prefix and "prefix" in inspect.signature(looks).parameters else {}
        objects = store.find(path, maxdepth=None if deep else 1, detail=True, **only)
        start = path.rstrip("/") + "/"
        names = {name.removeprefix(start): _facts(info) for name, info in objects.items()}
        return {name: one for name, one in names.items() if name and not name.endswith("/")}

    return _asked(uri, shown, listed)


def _asked(uri: str, shown: str, work: Callable[[Any, str], Result], kept: str = "") -> Result:
    """What ``work`` makes of the file system and the path in it; what may pass is tried again.

    Args:
        kept: of what is written there, what becomes of it where that cannot be.
    """
    reason = ""
    for attempt, pause in enumerate((*PAUSES, 0.0), start=1):
        try:
            store, path = _opened(uri, shown)
            return work(store, path)
        except InputError:
            raise
        except Exception as error:  # stores answer with every kind of exception there is
            if _is_local(error):
                raise
            if refusal := (_refusal_to_write(error, kept) if kept else "") or _refusal(error):
                refused = Absent if _is_absent(error, _status(error)) else InputError
                raise refused(f"{shown} {refusal}") from None  # the cause may name what is secret
            reason = _reason(error)
        if attempt <= len(PAUSES):
            _log.info("%s: %s; asking again in %g s", shown, reason, pause)
            time.sleep(pause)
    if kept:
        raise InputError(
            f"{shown} could not be sent in {len(PAUSES) + 1} attempts ({reason}); check the connection and the store: "
            f"{kept}"
        )
    raise NoAnswer(
        f"{shown} could not be fetched in {len(PAUSES) + 1} attempts ({reason}); check the connection and the store, "
        "then repeat the command: what was fetched is kept."
    )


def _opened(uri: str, shown: str) -> tuple[Any, str]:
    import fsspec  # slow to import; few inputs need it

    protocol = uri.partition("://")[0].lower()
    known = [name for name in fsspec.available_protocols() if name not in _WRAPPERS]
    if protocol not in known:
        raise InputError(f"{shown}: {protocol}:// names no store that is known; use s3://, gs://, https:// or a path.")
    try:
        store, path = fsspec.core.url_to_fs(uri, **_settings(protocol))
    except ImportError:
        package = _PACKAGES.get(protocol, f"that fsspec asks for to read {protocol}://")
        raise InputError(
            f"{shown} cannot be read without another package; install {package} (pip install '{package}')."
            if protocol in _PACKAGES
            else f"{shown} cannot be read without the package {package}; install it."
        ) from None
    if hasattr(store, "retries"):
        store.retries = 1  # its own attempts would multiply ours
    return store, path


def _settings(protocol: str) -> dict[str, Any]:
    """Time limits, where the user's configuration of fsspec says none."""
    import fsspec

    configured = fsspec.config.conf.get(protocol, {})
    if protocol in ("s3", "s3a") and "config_kwargs" not in configured:
        limits = {"connect_timeout": CONNECT, "read_timeout": READ, "retries": {"total_max_attempts": 1}}
        return {"config_kwargs": limits, "use_listings_cache": False}
    if protocol in ("http", "https") and "client_kwargs" not in configured:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=READ)
        return {"client_kwargs": {"timeout": limit}, "use_listings_cache": False}
    return {"use_listings_cache": False}


def _refusal(error: Exception) -> str:
    """What to say where asking again is of no use; "" where it may be."""
    status = _status(error)
    if _is_absent(error, status):
        return "does not exist in its store; correct the manifest or put the object there."
    if isinstance(error, PermissionError) or status in (401, 403):
        return (
            "may not be read with the credentials at hand (or is not there, which stores hide from strangers); give "
            "credentials that may read it, in the environment or the files of its store."
        )
    if "Credential" in type(error).__name__ or "credential" in str(error).lower()[:200]:
        return (
            "needs credentials, and there are none; set them in the environment or the files of its store (for s3 "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for public buckets)."
        )
    if isinstance(error, IsADirectoryError):
        return "is a folder, expected an object; correct the manifest."
    if isinstance(error, NotImplementedError):
        return "is in a store that cannot do this; give a manifest that names the objects."
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return f"is refused by its store (status {status}); correct the address."
    return ""


def _refusal_to_write(error: Exception, kept: str) -> str:
    """The same of writing."""
    status = _status(error)
    if _is_absent(error, status):
        return f"cannot be written, as its bucket does not exist; make it or correct the address: {kept}"
    if isinstance(error, PermissionError) or status in (401, 403):
        return f"may not be written with the credentials at hand; give credentials that may: {kept}"
    if isinstance(error, NotImplementedError):
        return "is in a store that takes no files; give s3://, gs:// or a folder."
    return ""


def _is_absent(error: Exception, status: int | None) -> bool:
    """Whether the store says so; what has a cause, such as a refused connection, only looks like it."""
    return status in (404, 410) or (status is None and isinstance(error, FileNotFoundError) and not error.__cause__)


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, if there is one."""
    while error is not None:
        answer = getattr(error, "response", None)
        code = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        status = code or getattr(error, "status", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None


def _is_local(error: Exception) -> bool:
    """Whether it is this machine's disk that is full or not to be written."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def _reason(error: Exception) -> str:
    """A few words without addresses, which may hold a signature."""
    if status := _status(error):
        return f"status {status}"
    wrapped = isinstance(error, FileNotFoundError)  # by fsspec, which says the address alone
    said = error.__cause__ if wrapped and error.__cause__ is not None else error
    text = re.sub(r"\S+://\S+|\?\S+", "...", " ".join(str(said).partition("<")[0].split())).strip(" :;,.")[:100]
    return text or type(said).__name__


_TOO_LARGE = "more than the local cache may hold; set VERGENCE_REMOTE_GB to more, or take it out."


def _limit(most: int, shown: str) -> Any:
    """A callback of fsspec that ends what grows too large where the store did not say the size."""
    from fsspec.callbacks import Callback

    def check(_: int | None, value: int, **__: Any) -> None:
        if value > most:
            raise InputError(f"{shown} has more than {in_bytes(most)}, {_TOO_LARGE}")

    return Callback(hooks={"limit": check})
