"""The application: the endpoints, the page, and what holds them together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from emofuse import __version__
from emofuse.service import api
from emofuse.service.api_page import api_page
from emofuse.service.http_errors import RefusedError
from emofuse.service.live_socket import router as live_router
from emofuse.service.private import claim_folder
from emofuse.service.prometheus import Metrics
from emofuse.service.runner import JOBS, Runner
from emofuse.service.security import OPEN, SecurityMiddleware
from emofuse.service.settings import ServiceSettings
from emofuse.service.state import AppState
from emofuse.service.store import JobStore

STATIC: Final = Path(__file__).parent / "static"
EXAMPLE: Final = Path(__file__).parents[1] / "demo"
PLAYER: Final = Path(__file__).parents[1] / "outputs" / "player"
QUEUE: Final = "jobs.sqlite"
_DESCRIPTION: Final = """Emotion from face, voice and words on video.

Send a recording to `POST /v1/analyses`, ask `GET /v1/analyses/{id}` until its state is `done`, and take the results
from where it says. `WebSocket /v1/live` takes pictures and sound as they come and answers with moments; docs/service.md
describes its messages.

Every answer with a status of 400 or more has a body `{"error": {"code": ..., "message": ...}}`: a word for programs,
and a line for people."""
_CODES: Final = {404: "no_such_endpoint", 405: "wrong_method"}


def create_app(settings: ServiceSettings) -> FastAPI:
    """Make the application. Its jobs and their files are in `settings.folder`, which one service has to itself.

    Starting it raises UsageError where another has the folder.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = open_store(settings.folder)
        metrics = Metrics()
        runner = Runner(settings, store, metrics.ended)
        app.state.service = AppState(settings, store, runner, metrics)
        runner.start()
        try:
            yield
        finally:
            await runner.stop()
            store.close()

    app = FastAPI(
        title="emofuse",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's loads its scripts from another host; ours is below
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(api.router)
    app.include_router(live_router)
    app.add_exception_handler(RefusedError, api.refuse)
    app.add_exception_handler(RequestValidationError, _not_allowed)
    app.add_exception_handler(HTTPException, _no_such)
    app.add_middleware(SecurityMiddleware, settings=settings)
    app.mount("/static/example", StaticFiles(directory=EXAMPLE), name="example")
    app.mount("/static/player", StaticFiles(directory=PLAYER), name="player")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.openapi = lambda: _document(app, settings)  # type: ignore[method-assign]

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.head("/docs", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(api_page(app.openapi(), str(request.base_url).rstrip("/")))

    return app


def open_store(folder: Path) -> JobStore:
    """Open the queue in a service's folder, which is its owner's alone: other people's recordings are in it.

    Raises UsageError where another service has it, it cannot be kept from others, or it cannot be written.
    """
    claim_folder(folder, (JOBS, QUEUE, f"{QUEUE}-wal", f"{QUEUE}-shm", f"{QUEUE}-journal"))
    return JobStore(folder / QUEUE, time.time)


def _document(app: FastAPI, settings: ServiceSettings) -> dict[str, Any]:
    """Return the OpenAPI document, with who needs a token and without the refusals that cannot happen."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=_TAGS
        )
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, methods in document["paths"].items():
            is_open = settings.token is None or path in OPEN
            for operation in methods.values():
                operation["security"] = [{}] if is_open else [{"token": []}]
                if "HTTPValidationError" in str(operation["responses"].get("422", "")):  # FastAPI's, of a plain text
                    del operation["responses"]["422"]
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


_TAGS: Final = [
    {"name": "analyses", "description": "Recordings, and what comes of them"},
    {"name": "service", "description": "The service itself"},
]


async def _not_allowed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"][1:]))
    return await api.refuse(request, RefusedError(422, "not_allowed", f"{where}: {first['msg']}"))


async def _no_such(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    refusal = RefusedError(error.status_code, _CODES.get(error.status_code, "refused"), str(error.detail))
    headers = {"allow": ", ".join(sorted(_methods_of(request)))} if error.status_code == 405 else error.headers
    return JSONResponse(refusal.body(), error.status_code, headers)


def _methods_of(request: Request) -> set[str]:
    """Return every method that a path has; starlette's own answer names those of the first route alone."""
    methods: set[str] = set()
    for route in (*api.router.routes, *request.app.routes):
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods
