"""Hangs up on clients that only hold a connection: an ASGI middleware, and sockets that tell it who has connected."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER_S: Final = 10.0  # in which the head of a request has to be there, and what is left of it after the answer
UNREAD_S: Final = 60.0  # after which a client that takes nothing of its answer is given up
_RESET: Final = struct.pack("ii", 1, 0)  # of SO_LINGER: what was not taken is dropped

Address = tuple[str, int]


class SlowClients:
    """Gives up connections on which no request comes within HEADER_S, or nothing of an answer is taken in UNREAD_S.

    A server asks an application only once it has the head of a request. Before that a connection is known to the
    socket that accepted it alone: `watch` makes sockets that tell the middleware of theirs. It has to be the outermost
    application, for which `scope["client"]` is still the address that has connected.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._connections: dict[Address, _Connection] = {}

    def watch(self, listening: socket.socket) -> socket.socket:
        """Return a socket in place of one that listens, which is used up. Its loop has to be asyncio's own."""
        return _Listener(listening, self._add)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its connection has HEADER_S from the answer on until the next one."""
        connection = self._connections.get(scope.get("client") or ("", 0))
        if connection is None:
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            giving_up = asyncio.get_running_loop().call_later(UNREAD_S, connection.abort)
            try:
                await send(message)
            except h11.LocalProtocolError:  # the rest of the request was damaged, and the server has refused it by now
                pass
            finally:
                giving_up.cancel()

        connection.begin_request()
        try:
            await self._app(scope, receive, send_on)
        finally:
            connection.end_request()

    def _add(self, accepted: socket.socket, address: Address) -> None:
        self._connections[address] = _Connection(accepted, lambda gone: self._drop(address, gone))

    def _drop(self, address: Address, gone: _Connection) -> None:
        if self._connections.get(address) is gone:
            del self._connections[address]


class _Connection:
    """One connection, from the moment it is accepted. on_end is called once it is no longer waited for."""

    def __init__(self, accepted: socket.socket, on_end: Callable[[_Connection], None]) -> None:
        self._socket = accepted
        self._on_end = on_end
        self._n_requests = 0  # of which a client may send one before it has the answer to another
        self._hurry = self._wait()

    def begin_request(self) -> None:
        """Wait no longer: the head of a request is there."""
        self._n_requests += 1
        self._hurry.cancel()

    def end_request(self) -> None:
        """Begin to wait for the next head, or for the rest of this request."""
        self._n_requests -= 1
        if not self._n_requests:
            self._hurry = self._wait()

    def abort(self) -> None:
        """Give up what was sent and not taken."""
        with suppress(OSError):  # it is closed by now
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._socket.shutdown(socket.SHUT_RDWR)

    def _wait(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(HEADER_S, self._hang_up)

    def _hang_up(self) -> None:
        """End what the server reads, as if the client had: it closes the connection once all is sent."""
        self._on_end(self)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)


class _Listener(socket.socket):
    """A listening socket that tells of the connections it accepts."""

    def __init__(self, listening: socket.socket, on_accept: Callable[[socket.socket, Address], None]) -> None:
        super().__init__(fileno=listening.detach())
        self._on_accept = on_accept

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, as sockets do."""
        accepted, address = super().accept()
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # for what is left in the buffer of a connection that is closed
            with suppress(OSError):
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNREAD_S))
        self._on_accept(accepted, (address[0], address[1]))
        return accepted, address
