"""REST: recordings in, timelines out."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from emofuse import __version__
from emofuse.inference.asr import INSTALL
from emofuse.outputs.formats import FORMATS
from emofuse.service.http_errors import RefusedError
from emofuse.service.options import OFFERED, SubmitOptions
from emofuse.service.private import private_file
from emofuse.service.results import Archive, Download, results_in
from emofuse.service.runner import RECORDING, RESULTS, TRANSCRIPT
from emofuse.service.schemas import Analysis, Health, PeopleEdit, refusals
from emofuse.service.settings import ServiceSettings
from emofuse.service.state import AppState, get_state
from emofuse.service.store import Job, QueueFullError
from emofuse.service.uploads import FIELD, TRANSCRIPT_FIELD, check_stated, receive, shown_name
from emofuse.transcripts import SUFFIXES

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
                    "properties": {
                        FIELD: {"type": "string", "format": "binary", "description": "The recording."},
                        TRANSCRIPT_FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": f"What is said in it: {', '.join(SUFFIXES)}.",
                        },
                        **{
                            name: {key: value for key, value in property.items() if key != "title"}
                            for name, property in SubmitOptions.model_json_schema()["properties"].items()
                        },
                    },
                }
            },
        },
    }
}
_LOCATION: Final[Any] = {"Location": {"description": "Where the analysis is", "schema": {"type": "string"}}}
_LINKS: Final[Any] = {
    name: {"operationId": name, "parameters": {"analysis_id": "$response.body#/id"}} for name in ("status", "delete")
}
_MEDIA_TYPES: Final[Any] = {format.media_type: {} for format in FORMATS.values()}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_Id = Annotated[str, Path(description="As the upload was answered", examples=["q3cAxLr0vJ6rMZcGzBzq8w"])]
router = APIRouter(prefix="/v1", tags=["analyses"])


@router.post(
    "/analyses",
    operation_id="submit",
    status_code=202,
    responses={202: {"headers": _LOCATION, "links": _LINKS}, **refusals(400, 408, 409, 413, 415, 422, 429, 507)},
    openapi_extra=_BODY,
    summary="Send a recording",
)
async def submit(
    request: Request,
    response: Response,
    options: Annotated[SubmitOptions, Query()],
) -> Analysis:
    """Take a recording of any common format and answer with an id at once: the analysis is in a queue.

    A form may have the options as fields, too, and a transcript (`.srt`, `.vtt`, `.json` or `.txt`) as a second file.
    """
    state = get_state(request)
    try:
        job = await _take(state, request, options)
    except RefusedError as error:
        state.metrics.uploads.labels(error.code).inc()
        raise
    state.metrics.uploads.labels("taken").inc()
    response.headers["location"] = f"/v1/analyses/{job.id}"
    return _described(state, job)


async def _take(state: AppState, request: Request, options: SubmitOptions) -> Job:
    check_stated(request.headers.get("content-length"), state.settings)
    _check_allowed(options, state.settings)
    with _room():
        try:
            job = state.runner.reserve(shown_name(options.name), _for_worker(options))
        except QueueFullError:
            message = "the queue is full; come back later"
            raise RefusedError(429, "queue_full", message, state.runner.wait_s()) from None
        try:
            recording = state.runner.make_folders(job.id) / RECORDING
            kind = request.headers.get("content-type", "")
            given = await receive(request.stream(), kind, recording, state.settings, SubmitOptions.model_fields)
            options = _joined(options, set(request.query_params), given.fields)
            _check_allowed(options, state.settings)
            if given.transcript is not None:
                suffix, text = given.transcript
                with private_file(recording.with_name(f"{TRANSCRIPT}{suffix}")) as file:
                    file.write(text)
            state.runner.enqueue(job.id, shown_name(options.name or given.name), _for_worker(options))
        except ClientDisconnect:
            await state.runner.delete(job.id)
            raise RefusedError(400, "cut_off", "the upload was cut off") from None
        except BaseException:
            await state.runner.delete(job.id)
            raise
        return _job(state, job.id)


def _check_allowed(options: SubmitOptions, settings: ServiceSettings) -> None:
    """Raise RefusedError for what this service does not do."""
    if options.measure_faces and not settings.measure_faces:
        message = "measure_faces: this service measures no faces; `emofuse serve --measure-faces` does"
        raise RefusedError(422, "not_allowed", message)
    if options.transcribe and not can_transcribe():
        raise RefusedError(409, "no_recogniser", f"this service cannot recognise speech ({INSTALL})")


def _joined(options: SubmitOptions, in_address: Collection[str], fields: Mapping[str, str]) -> SubmitOptions:
    """Add the fields of a form to the options in the address. Raises RefusedError where they are not allowed."""
    try:
        given = SubmitOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError(422, "not_allowed", f"{where}: {first['msg']}") from None
    both = [name for name in fields if name in in_address and getattr(given, name) != getattr(options, name)]
    if both:
        raise RefusedError(422, "not_allowed", f"{both[0]}: the address and the form contradict each other")
    return options.model_copy(update={name: getattr(given, name) for name in fields})


def can_transcribe() -> bool:
    """Whether what recognises speech is installed."""
    return find_spec("faster_whisper") is not None


def _for_worker(options: SubmitOptions) -> str:
    not_asked = set() if options.measure_faces else {"measure_faces"}
    return options.model_dump_json(exclude={"name", *not_asked}, exclude_none=True)


@contextmanager
def _room() -> Iterator[None]:
    """Turn what a full disk raises into a refusal."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise RefusedError(507, "disk_full", "the service has no room for this recording now", 60.0) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise RefusedError(507, "disk_full", "the service has no room for this recording now", 60.0) from error


@router.head("/analyses/{analysis_id}", include_in_schema=False)
@router.get("/analyses/{analysis_id}", operation_id="status", responses=refusals(404), summary="How far it is")
async def status(request: Request, analysis_id: _Id) -> Analysis:
    """Say where an analysis stands, and where its results are once it is done."""
    state = get_state(request)
    return _described(state, _job(state, analysis_id))


@router.head("/analyses/{analysis_id}/results/{kind}", include_in_schema=False)
@router.get(
    "/analyses/{analysis_id}/results/{kind}",
    operation_id="result",
    responses={
        200: {"content": _MEDIA_TYPES, "description": "The file"},
        206: {"content": _MEDIA_TYPES, "description": "The part asked for with Range"},
        **refusals(400, 404, 409, 416),
    },
    response_class=FileResponse,
    summary="A result",
)
async def result(
    request: Request,
    analysis_id: _Id,
    kind: Annotated[str, Path(description="The format", json_schema_extra={"enum": list(FORMATS)})],
) -> Download:
    """Return a result in one of its formats: the annotated video is mp4, where there is a picture."""
    state = get_state(request)
    job = _done(state, analysis_id)
    found = results_in(state.runner.folder(job.id) / RESULTS)
    if kind not in found:
        raise RefusedError(404, "no_such_result", f"there is no {kind!r} of this recording")
    return Download(found[kind], kind, job.name)


@router.get(
    "/analyses/{analysis_id}/archive",
    operation_id="archive",
    responses={
        200: {"content": {"application/zip": {}}, "description": "The files in one"},
        **refusals(404, 409),
    },
    response_class=Response,
    summary="All results",
)
async def archive(request: Request, analysis_id: _Id) -> Archive:
    """Return all results in one ZIP archive."""
    state = get_state(request)
    job = _done(state, analysis_id)
    return Archive(results_in(state.runner.folder(job.id) / RESULTS), job.name)


@router.post(
    "/analyses/{analysis_id}/people",
    operation_id="people",
    responses=refusals(400, 404, 409, 422),
    summary="Who is who",
)
async def people(request: Request, analysis_id: _Id, edit: PeopleEdit) -> Analysis:
    """Join people who are one, and name them: the results are written anew, but for the annotated video."""
    state = get_state(request)
    job = _done(state, analysis_id)
    outcome = await state.runner.edit_people(job, edit)
    if outcome.code == "not_analysed":  # there is no such person
        raise RefusedError(422, "not_allowed", outcome.message)
    if outcome.code:
        raise RefusedError(409, "not_changed", outcome.message)
    return _described(state, _job(state, analysis_id))


@router.delete(
    "/analyses/{analysis_id}",
    operation_id="delete",
    status_code=204,
    responses=refusals(404),
    summary="Forget it",
)
async def delete(request: Request, analysis_id: _Id) -> Response:
    """Stop an analysis, and delete its recording and results."""
    state = get_state(request)
    _job(state, analysis_id)
    await state.runner.delete(analysis_id)
    return Response(status_code=204)


@router.head("/health", include_in_schema=False)
@router.get("/health", operation_id="health", responses=refusals(), summary="Whether it answers", tags=["service"])
async def health(request: Request) -> Health:
    """Answer at once, with the limits and how busy the service is. Needs no token."""
    state = get_state(request)
    s = state.settings
    return Health(
        status="ok",
        version=__version__,
        token_needed=s.token is not None,
        jobs=state.store.counts(),
        max_queue=s.max_queue,
        max_upload_mb=s.max_upload_mb,
        max_duration_s=s.max_duration_s,
        keep_s=s.keep_s,
        measure_faces=s.measure_faces,
        live_asr=s.live_asr,
        live_sessions=state.n_live,
        max_live=s.max_live,
        asr=can_transcribe(),
        formats={name: FORMATS[name].title for name in OFFERED},
    )


@router.head("/metrics", include_in_schema=False)
@router.get(
    "/metrics",
    operation_id="metrics",
    responses={200: {"content": {"text/plain": {"example": "emofuse_jobs_ended_total 3.0\n"}}}, **refusals()},
    response_class=Response,
    summary="Numbers",
    tags=["service"],
)
async def metrics(request: Request) -> Response:
    """Return what Prometheus reads."""
    state = get_state(request)
    state.metrics.count_jobs(state.store.counts())
    state.metrics.live.set(state.n_live)
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Answer what a RefusedError says."""
    assert isinstance(error, RefusedError)
    return JSONResponse(error.body(), error.status, error.headers())


def _job(state: AppState, analysis_id: str) -> Job:
    job = state.store.get(analysis_id)
    if job is None or state.store.is_expired(job, state.settings.keep_s):
        raise RefusedError(404, "no_such_analysis", "there is no such analysis; results are kept for a while only")
    return job


def _done(state: AppState, analysis_id: str) -> Job:
    """Return a job that has results. Raises RefusedError for another."""
    job = _job(state, analysis_id)
    if job.state == "failed":
        raise RefusedError(409, "failed", f"the analysis failed: {job.message}")
    if job.state != "done":
        raise RefusedError(409, "not_done", f"the analysis is {job.state}")
    return job


def _described(state: AppState, job: Job) -> Analysis:
    ahead = state.store.ahead_of(job.id) if job.state == "queued" else 0
    kinds = list(results_in(state.runner.folder(job.id) / RESULTS)) if job.state == "done" else []
    stage, left_s = state.runner.stage(job.id), state.runner.remaining_s(job.id)
    return Analysis.of(job, ahead, state.settings.keep_s, kinds, stage, left_s)
