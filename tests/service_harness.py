"""Services for tests: in this process without a network, and in a thread with one; run_service.py has a third."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from emofuse.service.app import create_app
from emofuse.service.server import Server, listen, url_of
from emofuse.service.settings import ServiceSettings

HOST = "http://127.0.0.1:8000"
STAND_IN = (sys.executable, str(Path(__file__).parent / "stand_in_worker.py"))
MATROSKA = b"\x1aE\xdf\xa3"
_PATIENCE_S = 60.0  # the machine may be busy


def recording(*steps: tuple[str, object]) -> bytes:
    """Return an upload that the stand-in worker takes these steps for."""
    return MATROSKA + json.dumps(steps).encode()


def refusal(answer: Any) -> tuple[int, str]:
    """Return the status and the code of a refusal, which is always of the same form."""
    body = answer.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message"} and body["error"]["message"]
    return answer.status_code, body["error"]["code"]


class Client(httpx.AsyncClient):
    """A client of a service in this process. app: its application."""

    app: Any

    async def submit(self, data: bytes = recording(), **options: Any) -> str:
        """Send a recording that is taken, and return its id."""
        answer = await self.post("/v1/analyses", content=data, params=options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def state(self, job_id: str) -> dict[str, Any]:
        """Return how an analysis is described."""
        answer = await self.get(f"/v1/analyses/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def reaches(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until an analysis is in one of these states, and return how it is described."""
        for _ in range(int(_PATIENCE_S / 0.01)):
            found = await self.state(job_id)
            if found["state"] in states:
                return found
            assert found["state"] not in ("done", "failed"), found
            await asyncio.sleep(0.01)
        raise AssertionError(f"it is {found['state']}")


@asynccontextmanager
async def in_process(settings: ServiceSettings, **options: Any) -> AsyncIterator[Client]:
    """Yield a client of a service that runs in this event loop."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with Client(transport=transport, base_url=HOST, **options) as client:
            client.app = app
            yield client


@contextmanager
def in_thread(settings: ServiceSettings) -> Iterator[str]:
    """Yield the address of a service that listens on a free port, run by a thread of this process."""
    sockets = listen(settings.host, 0)
    answers = threading.Event()
    url = url_of(sockets[0])
    server = Server(settings, sockets)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(answers.set)), name="service")
    thread.start()
    try:
        assert answers.wait(_PATIENCE_S)
        yield url
    finally:
        server.stop()
        thread.join(_PATIENCE_S)
        assert not thread.is_alive(), "the service does not end"
