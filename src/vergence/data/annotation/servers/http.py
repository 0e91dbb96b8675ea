"""Requests to one annotation server: within time, again where it is busy, never with a key to another place."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from vergence.data.annotation.servers.address import is_here, origin
from vergence.data.structured import LIMITS, parse_json
from vergence.errors import InputError

SECONDS = 120.0
_PIECE = 1 << 20


class Unanswered(InputError):
    """No answer, or that of a server in trouble (status 5xx): what was asked may be done or not."""


class Refused(InputError):
    """The server understood and said no."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class SameServer(urllib.request.HTTPRedirectHandler):
    """Follows no address to another place: it would carry the key along.

    Args:
        refuse: the error that says so.
    """

    def __init__(self, refuse: Callable[[], Exception]) -> None:
        self._refuse = refuse

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if origin(newurl) != origin(req.full_url):
            fp.close()
            raise self._refuse()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener(address: str, refuse: Callable[[], Exception]) -> urllib.request.OpenerDirector:
    """Opens addresses of one server: this machine without a proxy, and no redirect to elsewhere."""
    proxies = [urllib.request.ProxyHandler({})] if is_here(address) else []
    return urllib.request.build_opener(*proxies, SameServer(refuse))


class Http:
    """Requests to a server.

    Args:
        tool: its name for people, such as "Label Studio".
        address: checked.
        variable: environment variable with the key, for messages.
        seconds: for one request.
    """

    waits: tuple[float, ...] = (0.5, 2.0, 5.0)
    """Seconds before a request is made again that the server did not answer."""

    def __init__(self, tool: str, address: str, variable: str, seconds: float = SECONDS) -> None:
        self.tool, self.address, self.variable, self._seconds = tool, address, variable, seconds
        self.authorization: Callable[[bool], str] = lambda anew: ""
        """Gives the header of that name; a new one where the last was not taken."""
        self._opener = opener(
            address, lambda: InputError(f"{tool} at {address} sends on to another address; give that one as --url.")
        )

    def json(self, method: str, path: str, value: Any = None, again: bool = True) -> Any:
        """The value of an answer; see :meth:`request`."""
        body = None if value is None else json.dumps(value).encode()
        return self._value(self.request(method, path, body, again=again))

    def post(self, path: str, body: bytes, kind: str) -> Any:
        """The value of the answer to a form; see :meth:`request`."""
        return self._value(self.request("POST", path, body, kind))

    def exchange(self, path: str, value: Any) -> Any:
        """The value of an answer to what needs no key, because it has one."""
        return self._value(self._once("POST", path, json.dumps(value).encode(), "application/json", ""))

    def _value(self, answer: bytes) -> Any:
        try:
            return parse_json(answer.decode("utf-8"), f"the answer of {self.address}", f"see whether it is {self.tool}")
        except UnicodeDecodeError:
            raise InputError(f"{self.address} answers as no {self.tool} does; correct --url.") from None

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json", again: bool = True
    ) -> bytes:
        """The body of an answer.

        Args:
            again: ask again where there was no answer; not for what would then be there twice.

        Raises:
            Unanswered: not even then.
            Refused: the key, the address or what was sent is wrong.
        """
        for wait in (*(self.waits if again else ()), None):
            try:
                return self._authorized(method, path, body, kind)
            except Unanswered:
                if wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError("the last wait is None")

    def _authorized(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        try:
            return self._once(method, path, body, kind, self.authorization(False))
        except Refused as error:
            if error.status != 401:
                raise
            return self._once(method, path, body, kind, self.authorization(True))

    def _once(self, method: str, path: str, body: bytes | None, kind: str, authorization: str) -> bytes:
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)
        if kind and body is not None:
            request.add_header("Content-Type", kind)
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._error(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            text = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
            raise Unanswered(
                f"{self.tool} at {self.address} does not answer ({text}); start it, or correct --url."
            ) from None

    def _read(self, answer: Any) -> bytes:
        pieces, size = list[bytes](), 0
        while piece := answer.read(_PIECE):
            size += len(piece)
            if size > LIMITS["annotations"]:
                raise InputError(
                    f"{self.tool} at {self.address} answers with more than {LIMITS['annotations']:,} bytes; split the "
                    "project."
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _error(self, error: urllib.error.HTTPError) -> InputError:
        where = f"{self.tool} at {self.address}"
        if error.code >= 500 or error.code == 429:
            return Unanswered(f"{where} is in trouble (status {error.code}); the same command goes on later.")
        if error.code in (401, 403):
            refusal = f"does not take the key of {self.variable} (status {error.code})"
            return Refused(f"{where} {refusal}; copy it again from your account there.", error.code)
        if error.code == 404:
            return Refused(f"{where} does not have what was asked for (status 404); correct --url or --project.", 404)
        return Refused(f"{where} refuses what was sent (status {error.code}): {_said(error)}.", error.code)


def _said(error: urllib.error.HTTPError) -> str:
    """The beginning of what a server says of an error."""
    try:
        text = error.read(2000).decode("utf-8", errors="replace")
    except (OSError, HTTPException):
        return "it does not say why"
    message = " ".join(text.split())[:300].rstrip(".")
    return "it does not say why" if not message or message.startswith("<") else message
