"""Addresses of objects in buckets and on web servers, and the places on this machine that stand for them.

``s3://bucket/a/1.png`` has the place ``$VERGENCE_CACHE/vergence-remote/s3/bucket/a/1.png`` in the mirror, whether a
copy is there or not. What opens a door - a signature, a password - is no part of a place, and is kept in memory only.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from vergence.data.caching.cache_folder import default_cache_folder
from vergence.errors import InputError, say_addresses_of

MIRROR, RESULTS = "vergence-remote", "vergence-results"
"""Folders of the cache: copies of what is read, and what is written before it goes to its store."""
INSIDE = f"/{MIRROR}/"
_WRITTEN = f"/{RESULTS}/"
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//?)(.*)", re.DOTALL)
_HERE = "file"
"""The scheme of this machine's files: an address that is refused."""
_STORES = frozenset({"s3", "s3a", "gs", "gcs", "http", "https", "az", "abfs", "abfss", "oci", "sftp", "hdfs", _HERE})
"""Schemes that are known with one slash too, which is left of two where a path was made of an address."""
_SIGNATURE = re.compile(
    r"(?i)x-(amz|goog|ms|oss)-.*|signature|expires|key-pair-id|policy|awsaccesskeyid|googleaccessid|ossaccesskeyid"
    r"|sv|se|sr|sp|st|ss|srt|spr|sip|sig|skoid|sktid|skt|ske|sks|skv|.*token.*|.*secret.*|.*passw.*|.*(api|access)_?key.*"
)
"""Parameters of an address that open a door: they are no part of an object's name."""
_addresses: dict[str, str] = {}
"""Place -> whole address, of those whose place does not say it; never written anywhere."""


def is_remote(path: Path | str) -> bool:
    """Whether a path is a place in the mirror."""
    return INSIDE in os.fspath(path)


def is_result(path: Path | str) -> bool:
    """Whether a path is where results are written before they go to their store."""
    return _WRITTEN in os.fspath(path)


def is_address(text: Path | str) -> bool:
    """Whether a text is an address such as ``s3://bucket/key``, or what ``Path`` makes of one.

    So is what only looks like one (``s3:///key``), which :func:`place_of` refuses: it would be a folder called ``s3:``.
    """
    match = _URI.fullmatch(os.fspath(text))
    return match is not None and (match[2] == "//" or match[1].lower() in _STORES)


def as_written(address: Path | str) -> str:
    """An address with both slashes, of which ``Path`` leaves one."""
    return re.sub(r"^([^:/]+):/(?!/)", r"\1://", os.fspath(address))


def place_of(uri: str) -> Path:
    """The place in the mirror of an object's address, perhaps with nothing there yet; InputError where it is none."""
    return _place(uri, default_cache_folder().absolute() / MIRROR)


def results_root() -> Path:
    """The folder of what is written before it goes to its store."""
    return default_cache_folder().absolute() / RESULTS


def result_place(uri: str) -> Path:
    """The folder or file of this machine that results with this address are written to; as of :func:`place_of`."""
    return _place(uri, results_root())


def _place(uri: str, root: Path) -> Path:
    scheme, rest, query = _split(uri)
    steps = rest.split("/")
    if any(step in ("", ".", "..") or "\0" in step or len(step.encode(errors="replace")) > 200 for step in steps):
        raise InputError(f"{scheme}://{rest} has a step that is empty, '.', '..' or too long; give the object's name.")
    if query:
        name = Path(steps[-1])
        steps[-1] = f"{name.stem}~{hashlib.sha256(query.encode()).hexdigest()[:10]}{name.suffix}"
    place = root.joinpath(scheme, *steps)
    say_addresses_of(f"{root}/")
    if uri.partition("://")[2] != rest:
        _addresses[str(place)] = uri
    return place


def _split(uri: str) -> tuple[str, str, str]:
    """Scheme, host or bucket with the name in it, and those parameters that name the object; nothing secret."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(f"{uri!r} is no address of an object; give one such as s3://bucket/folder/name.png.")
    scheme, rest = match[1].lower(), match[3].rstrip("/")
    if scheme == _HERE:
        raise InputError(f"{uri} is an address of this machine's own files; give the plain path, without {scheme}:.")
    if match[3][:1] in ("", "/"):
        shown = uri.partition("?")[0]
        raise InputError(f"{shown} names no bucket or server; give an address such as s3://bucket/folder/name.png.")
    if scheme not in ("http", "https"):
        return scheme, rest, ""
    rest, _, query = rest.partition("#")[0].partition("?")
    pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if not _SIGNATURE.fullmatch(pair[0])]
    host, slash, name = rest.partition("/")
    return scheme, host.rpartition("@")[2] + slash + name, urlencode(pairs)


def open_address(address: Path | str) -> str:
    """The address of data as runs keep it; InputError where it has a signature or a password, which nothing keeps."""
    text = as_written(address)
    scheme, rest, query = _split(text)
    whole = text.partition("#")[0].partition("://")[2].rstrip("/")
    if "@" in whole.partition("/")[0] or len(parse_qsl(whole.partition("?")[2], True)) > len(parse_qsl(query, True)):
        raise InputError(
            f"{scheme}://{rest} comes with a signature or a password, which would be kept with the run; give an "
            "address such as s3://bucket/key, and credentials in the environment."
        )
    return text


def named(path: Path | str) -> str:
    """How messages, results and manifests call a path: what is in a store by its address, without a signature."""
    text = os.fspath(path)
    if _WRITTEN in text:
        scheme, _, name = os.path.normpath(text).partition(_WRITTEN)[2].partition("/")
        return f"{scheme}://{name}"
    if not is_remote(text):
        return text
    text = os.path.normpath(text)
    if text in _addresses:
        scheme, rest, query = _split(_addresses[text])
        return f"{scheme}://{rest}" + (f"?{query}" if query else "")
    scheme, _, name = text.partition(INSIDE)[2].partition("/")
    return f"{scheme}://{name}"


def place_address(place: Path) -> str:
    """The whole address of a place, with what is secret in it: for the store alone."""
    return _addresses.get(str(place)) or named(place)


def has_parameters(place: Path) -> bool:
    """Whether an address says more than its place does."""
    return str(place) in _addresses


def places(values: Iterable[str], origin: str) -> list[str]:
    """Paths of a manifest or a list, with places in the mirror instead of addresses.

    Raises:
        InputError: one is no address of an object; it begins with ``origin``, which says where they stand.
    """
    try:
        return [str(place_of(value)) if "://" in value else value for value in values]
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None


def secrets() -> dict[str, str]:
    """What a process that is not forked must be told (:func:`take_secrets`); never to be written anywhere."""
    return dict(_addresses)


def take_secrets(addresses: dict[str, str]) -> None:
    """Take over the :func:`secrets` of the process that started this one."""
    _addresses.update(addresses)
