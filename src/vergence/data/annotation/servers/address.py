"""Where an annotation server is, and what may be sent there: keys go over an encrypted connection, or stay here."""

from urllib.parse import SplitResult, urlsplit

from vergence.errors import InputError

_HERE = ("localhost", "127.0.0.1", "::1")


def checked_address(url: str, plain_http: bool = False) -> str:
    """The address without a slash at its end.

    Args:
        url: of the server, such as http://127.0.0.1:8080.
        plain_http: another machine may be asked without encryption.

    Raises:
        InputError: no address of a server; a name or password in it; plain http to another machine.
    """
    parts = _split(url) if url.isprintable() and " " not in url else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InputError("url is no address of a server; give one such as http://127.0.0.1:8080.")
    if "@" in parts.netloc:
        raise InputError("url has a name or password in it; take it out: they are read from the environment only.")
    if parts.scheme == "http" and not is_here(url) and not plain_http:
        raise InputError(
            f"{url} is another machine and not encrypted, so that anybody between could read your key; use https, or "
            "give --plain_http if the network is yours."
        )
    return url.rstrip("/")


def is_here(url: str) -> bool:
    """Whether an address is of this machine."""
    parts = _split(url)
    return parts is not None and parts.hostname in _HERE


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address; empty where it is none."""
    parts = _split(url)
    if parts is None:
        return "", None, None
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None where it cannot be taken apart."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # one that is no number is found when it is asked for
        return parts
    except ValueError:
        return None
