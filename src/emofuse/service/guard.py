"""Who may ask, and what every answer says to browsers."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from emofuse.service.errors import RefusedError
from emofuse.service.settings import ServiceSettings, is_loopback

OPEN: Final = ("/", "/v1/health")  # and below "/static/": without a token there is nothing to see there
HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=()",
}
HEADER_S: Final = 10.0  # in which the head of a request has to be there


class Guard:
    """Refuses requests of other sites, for other hosts or without the token; gives every answer its headers."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed. A WebSocket shows its token in its first message, as browsers can send no other."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    out.setdefault("cache-control", "no-store")
                self._allow_origin(headers.get("origin"), out)
            await send(message)

        if refusal is not None:
            await respond(refusal, send_with_headers)
        elif scope["method"] == "OPTIONS" and headers.get("origin") in self._settings.origins:
            await _plain(send_with_headers, 204, [(b"content-length", b"0")])
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> RefusedError | None:
        s = self._settings
        host = headers.get("host", "")
        if s.is_loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            # a page that had its own name lead here would else be of this site
            return RefusedError(421, "wrong_host", f"this service is not {host!r}")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host and origin not in s.origins:
            return RefusedError(403, "foreign_origin", "pages of other sites may not use this service")
        if scope["type"] == "websocket" or scope["method"] == "OPTIONS":
            return None
        path: str = scope["path"]
        if s.token is None or path in OPEN or path.startswith("/static/"):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_token(token, s.token):
            return None
        return RefusedError(401, "no_token", "this service wants its token: Authorization: Bearer TOKEN")

    def _allow_origin(self, origin: str | None, out: MutableHeaders) -> None:
        if origin in self._settings.origins and origin is not None:
            out["access-control-allow-origin"] = origin
            out["access-control-allow-methods"] = "GET, POST, DELETE"
            out["access-control-allow-headers"] = "authorization, content-type"
            out["access-control-expose-headers"] = "location, retry-after"
            out["cross-origin-resource-policy"] = "cross-origin"
            out.add_vary_header("origin")


def is_token(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return secrets.compare_digest(given.encode(), wanted.encode())


async def respond(refusal: RefusedError, send: Send) -> None:
    """Send a refusal."""
    body = json.dumps(refusal.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _plain(send, refusal.status, headers, body)


async def _plain(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


class ImpatientProtocol(H11Protocol):
    """uvicorn's, which waits for ever for the first head of a request; this one hangs up after HEADER_S."""

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._hurry = self.loop.call_later(HEADER_S, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._hurry is not None:
            self._hurry.cancel()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        is_ours = self.transport.get_protocol() is self  # and not a WebSocket's by now
        if is_ours and self.cycle is None and not self.transport.is_closing():
            self.transport.close()
