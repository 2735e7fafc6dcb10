"""REST: recordings in, timelines out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from emofuse import __version__
from emofuse.inference.analyzer import AnalyzerSettings, Mode
from emofuse.outputs.writers import WRITERS, suffix
from emofuse.service.errors import RefusedError
from emofuse.service.metrics import Metrics
from emofuse.service.models import Analysis, Health, refusals
from emofuse.service.runner import RECORDING, RESULTS, Runner
from emofuse.service.settings import MEGABYTE, ServiceSettings
from emofuse.service.store import Job, JobStore, QueueFullError
from emofuse.service.uploads import FIELD, receive, shown_name, too_large

KINDS: Final = (*WRITERS, "mp4")
MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "png": "image/png",
    "srt": "application/x-subrip",
    "vtt": "text/vtt; charset=utf-8",
    "eaf": "application/xml",
    "textgrid": "text/plain; charset=utf-8",
    "mp4": "video/mp4",
}
_DEFAULTS: Final = AnalyzerSettings()
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The recording: as it is, or in a form.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
router = APIRouter(prefix="/v1", tags=["analyses"])


class Parts:
    """What the endpoints work with: one of each for a service."""

    def __init__(self, settings: ServiceSettings, store: JobStore, runner: Runner, metrics: Metrics) -> None:
        self.settings = settings
        self.store = store
        self.runner = runner
        self.metrics = metrics
        self.n_live = 0


def parts_of(request: Request) -> Parts:
    """Return the parts of the service that got a request."""
    return cast(Parts, request.app.state.parts)


@router.post(
    "/analyses",
    status_code=202,
    responses=refusals(400, 408, 413, 415, 422, 429),
    openapi_extra=_BODY,
    summary="Send a recording",
)
async def submit(
    request: Request,
    response: Response,
    name: Annotated[str | None, Query(max_length=300, description="What to call it; a form's file has a name.")] = None,
    mode: Annotated[Mode, Query(description="A moment every hop_s, or one for every frame.")] = _DEFAULTS.mode,
    hop_s: Annotated[float, Query(ge=0.05, le=60)] = _DEFAULTS.hop_s,
    annotate: Annotated[bool, Query(description="Also make the video with boxes and labels.")] = True,
) -> Analysis:
    """Take a recording of any common format and answer with an id at once: the analysis is in a queue."""
    parts = parts_of(request)
    try:
        job = await _take(parts, request, name, {"mode": mode, "hop_s": hop_s, "annotate": annotate})
    except RefusedError as error:
        parts.metrics.uploads.labels(error.code).inc()
        raise
    parts.metrics.uploads.labels("taken").inc()
    response.headers["location"] = f"/v1/analyses/{job.id}"
    return _described(parts, job)


async def _take(parts: Parts, request: Request, name: str | None, options: dict[str, Any]) -> Job:
    stated = request.headers.get("content-length", "0")
    most = parts.settings.max_upload_mb * MEGABYTE
    if stated.isdecimal() and int(stated) > 1.01 * most + 4096:  # a form is a little larger than its file
        raise too_large(most)
    try:
        job = parts.store.reserve(shown_name(name), json.dumps(options), parts.settings.max_queue)
    except QueueFullError:
        raise RefusedError(429, "queue_full", "the queue is full; come back later", parts.runner.wait_s()) from None
    folder = parts.runner.folder(job.id)
    try:
        (folder / RESULTS).mkdir(parents=True)
        kind = request.headers.get("content-type", "")
        given = await receive(request.stream(), kind, folder / RECORDING, parts.settings)
    except ClientDisconnect:
        await parts.runner.delete(job.id)
        raise RefusedError(400, "cut_off", "the upload was cut off") from None
    except BaseException:
        await parts.runner.delete(job.id)
        raise
    if name is None and given is not None:
        parts.store.rename(job.id, shown_name(given))
    parts.runner.enqueue(job.id)
    return _job(parts, job.id)


@router.get("/analyses/{analysis_id}", responses=refusals(404), summary="How far it is")
async def status(request: Request, analysis_id: str) -> Analysis:
    """Say where an analysis stands, and where its results are once it is done."""
    parts = parts_of(request)
    return _described(parts, _job(parts, analysis_id))


@router.get(
    "/analyses/{analysis_id}/results/{kind}",
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}, **refusals(404, 409)},
    response_class=FileResponse,
    summary="A result",
)
async def result(request: Request, analysis_id: str, kind: str) -> FileResponse:
    """Return a result in one of its formats: json, csv, html, png, srt, vtt, eaf, textgrid, or the annotated mp4."""
    parts = parts_of(request)
    job = _job(parts, analysis_id)
    if job.state == "failed":
        raise RefusedError(409, "failed", f"the analysis failed: {job.message}")
    if job.state != "done":
        raise RefusedError(409, "not_done", f"the analysis is {job.state}")
    file = _files(parts, job).get(kind)
    if file is None:
        raise RefusedError(404, "no_such_result", f"there is no {kind!r} of this recording")
    shown = f"{Path(job.name).stem or RECORDING}.{suffix(kind)}"
    return FileResponse(file, media_type=MEDIA_TYPES[kind], filename=shown)


@router.delete("/analyses/{analysis_id}", status_code=204, responses=refusals(404), summary="Forget it")
async def delete(request: Request, analysis_id: str) -> Response:
    """Stop an analysis, and delete its recording and results."""
    parts = parts_of(request)
    _job(parts, analysis_id)
    await parts.runner.delete(analysis_id)
    return Response(status_code=204)


@router.get("/health", responses=refusals(), summary="Whether it answers", tags=["service"])
async def health(request: Request) -> Health:
    """Answer at once, with the limits and how busy the service is."""
    parts = parts_of(request)
    s = parts.settings
    return Health(
        status="ok",
        version=__version__,
        token_needed=s.token is not None,
        jobs=parts.store.counts(),
        max_queue=s.max_queue,
        max_upload_mb=s.max_upload_mb,
        max_duration_s=s.max_duration_s,
        keep_s=s.keep_s,
        live_sessions=parts.n_live,
        max_live=s.max_live,
    )


@router.get("/metrics", responses=refusals(), response_class=Response, summary="Numbers", tags=["service"])
async def metrics(request: Request) -> Response:
    """Return what Prometheus reads."""
    parts = parts_of(request)
    parts.metrics.count_jobs(parts.store.counts())
    parts.metrics.live.set(parts.n_live)
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Answer what a RefusedError says."""
    assert isinstance(error, RefusedError)
    headers = {} if error.retry_s is None else {"retry-after": str(round(error.retry_s + 0.5))}
    if error.status in (408, 413, 415):
        headers["connection"] = "close"  # what is left of the upload is not read
    return JSONResponse(error.body(), error.status, headers)


def _job(parts: Parts, analysis_id: str) -> Job:
    job = parts.store.get(analysis_id)
    if job is None:
        raise RefusedError(404, "no_such_analysis", "there is no such analysis; results are kept for a while only")
    return job


def _described(parts: Parts, job: Job) -> Analysis:
    ahead = parts.store.ahead_of(job) if job.state == "queued" else 0
    kinds = list(_files(parts, job)) if job.state == "done" else []
    return Analysis.of(job, ahead, parts.settings.keep_s, kinds)


def _files(parts: Parts, job: Job) -> dict[str, Path]:
    folder = parts.runner.folder(job.id) / RESULTS
    named = {kind: folder / f"{RECORDING}.{suffix(kind)}" for kind in KINDS}
    return {kind: file for kind, file in named.items() if file.is_file()}
