"""The application: the endpoints, the page, and what holds them together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from emofuse import __version__
from emofuse.service import api, live_socket
from emofuse.service.errors import RefusedError
from emofuse.service.guard import Guard
from emofuse.service.metrics import Metrics
from emofuse.service.runner import Runner
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import JobStore

STATIC: Final = Path(__file__).parent / "static"
PLAYER: Final = Path(__file__).parents[1] / "outputs" / "player"
_DESCRIPTION: Final = """Emotion from face, voice and words on video.

Send a recording to `POST /v1/analyses`, ask `GET /v1/analyses/{id}` until its state is `done`, and take the results
from where it says. `WebSocket /v1/live` takes pictures and sound as they come and answers with moments: see
docs/live.md."""


def create_app(settings: ServiceSettings) -> FastAPI:
    """Make the application. Its jobs and their files are in `settings.folder`, which one service has to itself."""
    settings.folder.mkdir(parents=True, exist_ok=True)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = JobStore(settings.folder / "jobs.sqlite", time.time)
        metrics = Metrics()
        runner = Runner(settings, store, metrics.ended)
        app.state.parts = api.Parts(settings, store, runner, metrics)
        runner.start()
        try:
            yield
        finally:
            await runner.stop()
            store.close()

    app = FastAPI(
        title="emofuse", version=__version__, description=_DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.include_router(api.router)
    app.include_router(live_socket.router)
    app.add_exception_handler(RefusedError, api.refuse)
    app.add_exception_handler(RequestValidationError, _not_allowed)
    app.add_exception_handler(HTTPException, _no_such)
    app.add_middleware(Guard, settings=settings)
    app.mount("/static/player", StaticFiles(directory=PLAYER), name="player")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    return app


async def _not_allowed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"][1:]))
    return JSONResponse(RefusedError(422, "not_allowed", f"{where}: {first['msg']}").body(), 422)


async def _no_such(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    refusal = RefusedError(error.status_code, "no_such_endpoint", str(error.detail))
    return JSONResponse(refusal.body(), error.status_code, error.headers)
