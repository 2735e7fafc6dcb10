"""The server under the application: uvicorn, on sockets that are bound before it starts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from emofuse.errors import UsageError
from emofuse.service.app import create_app
from emofuse.service.settings import ServiceSettings
from emofuse.service.slow_clients import SlowClients
from emofuse.service.wire_format import MOST_BYTES

MOST_CONNECTIONS: Final = 400
_KEEP_ALIVE_S: Final = 10
_SHUTDOWN_S: Final = 3  # that requests get to end in, when the service ends
_LAST_ANSWERS_S: Final = 2.0  # that those get which did not end in that time
_STARTING_S: Final = 0.01  # between two looks whether it has started


def run(settings: ServiceSettings, on_start: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. on_start gets the address once it answers.

    Raises UsageError where the address cannot be listened on.
    """
    sockets = listen(settings.host, settings.port)
    url = url_of(sockets[0])
    server = Server(settings, sockets)
    # uvicorn ends orderly, and then raises the signal again: what runs after this must not be ended by it
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(server.serve(lambda: on_start(url)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


class Server:
    """A service on its sockets. Of one event loop, which is asyncio's own.

    Args:
        settings: What it serves and allows.
        sockets: Bound ones, as `listen` returns them; they are closed at its end.
    """

    def __init__(self, settings: ServiceSettings, sockets: Sequence[socket.socket]) -> None:
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")  # as uvicorn has it
        # what is outermost knows connections by the address that has connected, whatever a proxy says of others
        application: Any = create_app(settings)  # uvicorn and Starlette write the type of one differently
        behind_proxy: Any = ProxyHeadersMiddleware(application, trusted)
        app = SlowClients(behind_proxy)
        self._sockets = [app.watch(each) for each in sockets]
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
                ws_max_size=MOST_BYTES + 65_536,  # up to this, the client is told in words
                ws_per_message_deflate=False,  # pictures do not get smaller
                access_log=False,  # it would hold what people call their recordings
                server_header=False,
                log_config=None,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # of each WebSocket it would log who it is

    async def serve(self, on_start: Callable[[], None]) -> None:
        """Serve until `stop`, or a signal where this is the main thread. on_start is called once it answers."""
        serving = asyncio.create_task(self._uvicorn.serve(self._sockets))
        try:
            while not self._uvicorn.started and not serving.done():
                await asyncio.sleep(_STARTING_S)
            if self._uvicorn.started:
                on_start()
            await serving
            # uvicorn does not wait for the requests that it has cancelled, which are told so and clear up
            if left := [task for task in self._uvicorn.server_state.tasks if not task.done()]:
                await asyncio.wait(left, timeout=_LAST_ANSWERS_S)
        finally:
            for each in self._sockets:
                each.close()

    def stop(self) -> None:
        """End soon; of any thread."""
        self._uvicorn.should_exit = True


def url_of(bound: socket.socket) -> str:
    """Return the address of a socket that was bound."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ignore(number: int, frame: object) -> None:
    """Do nothing about a signal that was handled already."""
