"""The server under the application: uvicorn, less patient with those who only hold a connection."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from emofuse.errors import UsageError
from emofuse.service.app import create_app
from emofuse.service.http_errors import RefusedError
from emofuse.service.security import HEADERS
from emofuse.service.settings import ServiceSettings
from emofuse.service.wire_format import MOST_BYTES

HEADER_S: Final = 10.0  # in which the head of a request has to be there, and what is left of it after the answer
UNREAD_S: Final = 60.0  # after which a client that takes nothing of its answer is given up
MOST_CONNECTIONS: Final = 400
_KEEP_ALIVE_S: Final = 10
_SHUTDOWN_S: Final = 3  # that requests get to end in, when the service ends


def run(settings: ServiceSettings, on_start: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. on_start gets the address once it answers.

    Raises UsageError where the address cannot be listened on.
    """
    sockets = listen(settings.host, settings.port)
    server = make_server(settings, lambda: on_start(url_of(sockets[0])))
    # uvicorn ends orderly, and then raises the signal again: what runs after this must not be ended by it
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for one in sockets:
            one.close()


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind every address that a name has. Raises UsageError where there is none that can be listened on."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"there is no address {host!r} here", "listen on 127.0.0.1, or 0.0.0.0 for all") from error
    sockets: list[socket.socket] = []
    problem: OSError | None = None
    for family, address in dict.fromkeys((one[0], one[4][0]) for one in found):
        wanted = sockets[0].getsockname()[1] if sockets else port  # 0 is any port, the same for all
        try:
            sockets.append(socket.create_server((str(address), wanted), family=family))
        except OSError as error:
            problem = error
    if not sockets:
        assert problem is not None
        reason = problem.strerror or str(problem)
        raise UsageError(f"cannot listen on port {port} of {host}: {reason}", "choose another --port")
    return sockets


def make_server(settings: ServiceSettings, on_start: Callable[[], None]) -> uvicorn.Server:
    """Make the server of a service, which is still to be run on its sockets. on_start is called once it answers."""
    config = uvicorn.Config(
        create_app(settings),
        http=ImpatientHttp,
        ws=ImpatientSocket,
        ws_max_size=MOST_BYTES + 65_536,  # up to this, the client is told in words
        ws_per_message_deflate=False,  # pictures do not get smaller
        access_log=False,  # it would hold what people call their recordings
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        server_header=False,
        log_config=None,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # of each WebSocket it would log who it is
    return _Server(config, on_start)


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


class _Unread:
    """Gives a connection up whose client takes nothing of what is sent to it."""

    _giving_up: asyncio.TimerHandle | None = None
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def pause_writing(self) -> None:
        """Begin to wait: more is to be sent than the transport takes."""
        super().pause_writing()  # type: ignore[misc]
        self._giving_up = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Wait no longer: the client has read."""
        self._stop_waiting()
        super().resume_writing()  # type: ignore[misc]

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


class ImpatientSocket(_Unread, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket; a client that does not read is given up."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)


class ImpatientHttp(_Unread, H11Protocol):
    """uvicorn's HTTP, which waits for ever for the head of a request, and for what is left of one that is answered."""

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        # what is left in the buffer of a connection that is closed: where the system can give that up, it does
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            raw = transport.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNREAD_S))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See whether that was all of the head."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Begin to wait for the next head, or for the rest of this request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._stop_hurrying()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the form of all refusals."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer is on its way already
            self.transport.close()
            return
        is_long = getattr(sys.exception(), "error_status_hint", 400) == 431
        refusal = (
            RefusedError(431, "too_large", "the head of the request is too long")
            if is_long
            else RefusedError(400, "bad_request", "this is no HTTP request")
        )
        body = refusal.body_bytes()
        headers = {**refusal.headers(), **HEADERS, "content-length": str(len(body)), "connection": "close"}
        status = h11.Response(status_code=refusal.status, headers=list(headers.items()))
        for event in (status, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:  # the request that this body is of: what is answered to it now goes nowhere
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _watch(self) -> None:
        if self.transport.get_protocol() is not self:  # it is a WebSocket's by now
            self._stop_hurrying()
            return
        is_answered = self.cycle is not None and self.cycle.response_complete
        waits = self.conn.their_state is h11.IDLE or (self.conn.their_state is h11.SEND_BODY and is_answered)
        if not waits:
            self._stop_hurrying()
        elif self._hurry is None:
            self._hurry = self.loop.call_later(HEADER_S, self.transport.close)

    def _stop_hurrying(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None


def url_of(bound: socket.socket) -> str:
    """Return the address of a socket that was bound."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ignore(number: int, frame: object) -> None:
    """Do nothing about a signal that has been heard already."""
