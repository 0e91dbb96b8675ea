"""What every request passes: its size and time are counted while it is read, and it asks this server by its name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from vergence.serving.limits import Limits, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DRAINED = 4
"""A body that is too large is read on, and dropped, to so many times the limit: a client that still sends does not hear
the answer."""
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "font-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
)
"""The browser loads nothing from elsewhere and sends nothing there."""


class Guard:
    """An ASGI layer around everything.

    Args:
        app: what is guarded.
        limits: size and time of a request.
        local: whether only this machine may ask, by one of the names in :data:`LOOPBACK`: pages of other sites, whose
            names may be made to point here, may not.
    """

    def __init__(self, app: App, limits: Limits, local: bool) -> None:
        self.app, self.limits, self.local = app, limits, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(headers)
        if refused is not None:
            if refused.status == 413:
                await self._drain(receive)
            await _say(refused, scope, receive, send)
            return
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message.setdefault("headers", []).extend(
                    [
                        (b"content-security-policy", POLICY.encode()),
                        (b"x-content-type-options", b"nosniff"),
                        (b"referrer-policy", b"no-referrer"),
                    ]
                )
            await send(message)

        counted = self._counted(receive)
        try:
            await self.app(scope, counted, marked)
        except Refusal as error:
            if started:
                raise
            await _say(error, scope, receive, send)

    def _refused(self, headers: dict[bytes, str]) -> Refusal | None:
        host = headers.get(b"host", "").strip().lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
        if self.local and name.strip("[]") not in LOOPBACK:
            return Refusal(400, "this server answers to 127.0.0.1 and localhost only.")
        origin = headers.get(b"origin", "")
        if origin and origin.partition("://")[2] != host:
            return Refusal(403, "pages of other sites may not ask this server.")
        length = headers.get(b"content-length", "0")
        if length.isdecimal() and int(length) > self.limits.bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the request is larger than {self.limits.megabytes:g} MB; send less.")

    def _counted(self, receive: Receive) -> Receive:
        seen, whole, end = 0, False, time.monotonic() + self.limits.seconds

        async def counted() -> Message:
            nonlocal seen, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                sentence = f"the request was not here after {self.limits.seconds:g} seconds; send it faster."
                raise Refusal(408, sentence) from None
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > self.limits.bytes:
                if not whole:
                    await self._drain(receive)
                raise self._too_large()
            return message

        return counted

    async def _drain(self, receive: Receive) -> None:
        dropped, end = 0, time.monotonic() + min(10.0, self.limits.seconds)
        while dropped < _DRAINED * self.limits.bytes and (left := end - time.monotonic()) > 0:
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                return
            dropped += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


async def _say(error: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    headers = error.headers | {"Connection": "close"}
    await JSONResponse({"error": error.sentence}, error.status, headers)(scope, receive, send)
