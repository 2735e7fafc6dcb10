"""Who may ask, and what every answer says to browsers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emofuse.service.http_errors import RefusedError
from emofuse.service.settings import ServiceSettings

OPEN: Final = ("/", "/docs", "/v1/health")  # and below "/static/": without a token there is nothing to see there
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
MOST_REQUESTS: Final = 200  # under way at once
_log = logging.getLogger(__name__)


class SecurityMiddleware:
    """Refuses requests of other sites, for other hosts or without the token; gives every answer its headers."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings
        self._n_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed. A WebSocket shows its token in its first message, as browsers can send no other."""
        if scope["type"] == "http":
            self._n_requests += 1
            try:
                await self._http(scope, receive, send)
            finally:
                self._n_requests -= 1
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                self._add_headers(message, scope["path"], headers.get("origin"))
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await respond(refusal, send_on)
        elif scope["method"] == "OPTIONS" and headers.get("origin") in self._settings.origins:
            await _answer(send_on, 204, [])
        else:
            try:
                await self._app(scope, receive, send_on)
            except asyncio.CancelledError:  # uvicorn's, of requests that do not end when it does
                if not has_begun:
                    await respond(RefusedError(503, "ending", "the service is ending; come back later", 5.0), send_on)
            except Exception:  # here, and not further out, where the answer would have no headers
                _log.exception("a request")
                if has_begun:
                    raise
                await respond(RefusedError(500, "internal", "the service failed"), send_on)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        is_accepted = False

        async def send_on(message: Message) -> None:
            nonlocal is_accepted
            is_accepted = is_accepted or message["type"] == "websocket.accept"
            if message["type"] == "websocket.http.response.start":
                self._add_headers(message, scope["path"], headers.get("origin"))
            if message["type"] == "websocket.close" and not is_accepted:  # the router knows no such path
                await refuse(RefusedError(404, "no_such_endpoint", "there is no such WebSocket"))
            else:
                await send(message)

        async def refuse(refusal: RefusedError) -> None:
            if "websocket.http.response" in scope.get("extensions", {}):
                await respond(refusal, send_on, "websocket.http")
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.code})

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refuse(refusal)
        else:
            await self._app(scope, receive, send_on)

    def _refusal(self, scope: Scope, headers: Headers) -> RefusedError | None:
        s = self._settings
        if self._n_requests > MOST_REQUESTS:
            return RefusedError(503, "busy", "too many requests are under way; come back later", 5.0)
        host = headers.get("host", "")
        if not s.is_named(host):  # a page that had its own name lead here would else be of this site
            return RefusedError(421, "wrong_host", "this service has another name")
        origin = headers.get("origin")
        if origin is not None and not _is_of(origin, host) and origin.lower() not in s.origins:
            return RefusedError(403, "foreign_origin", "pages of other sites may not use this service")
        if scope["type"] == "websocket" or scope["method"] == "OPTIONS":
            return None
        path: str = scope["path"]
        if s.token is None or path in OPEN or path.startswith("/static/"):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_token(token.strip(), s.token):
            return None
        return RefusedError(401, "no_token", "this service wants its token: Authorization: Bearer TOKEN")

    def _add_headers(self, message: Message, path: str, origin: str | None) -> None:
        """Give the beginning of an answer its headers."""
        out = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            out.setdefault(name, value)
        if not path.startswith("/static/"):
            out.setdefault("cache-control", "no-store")
        if self._settings.origins:
            out.add_vary_header("origin")
        if origin is not None and origin.lower() in self._settings.origins:
            out["access-control-allow-origin"] = origin
            out["access-control-allow-methods"] = "GET, HEAD, POST, DELETE"
            out["access-control-allow-headers"] = "authorization, content-type, range"
            out["access-control-expose-headers"] = "location, retry-after, content-disposition, content-range"
            out["cross-origin-resource-policy"] = "cross-origin"


def _is_of(origin: str, host: str) -> bool:
    """Whether a page comes from here."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False


def is_token(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())


async def respond(refusal: RefusedError, send: Send, kind: str = "http") -> None:
    """Send a refusal. kind: "websocket.http" for a WebSocket that is not to be one."""
    headers = [(name.encode(), value.encode()) for name, value in refusal.headers().items()]
    await _answer(send, refusal.status, headers, refusal.body_bytes(), kind)


async def _answer(
    send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"", kind: str = "http"
) -> None:
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": f"{kind}.response.body", "body": body})
