"""The bodies of answers, as OpenAPI documents them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from emofuse import __version__
from emofuse.outputs.formats import FORMATS
from emofuse.recordings.progress import Stage
from emofuse.service.store import Job, State

_ID: Final = "q3cAxLr0vJ6rMZcGzBzq8w"
_ANALYSIS: Final[Any] = {
    "id": _ID,
    "name": "interview.mp4",
    "state": "done",
    "progress": 1.0,
    "ahead": 0,
    "stage": None,
    "remaining_s": None,
    "created_s": 1764000000.0,
    "expires_s": 1764003642.0,
    "notes": "",
    "error": None,
    "results": {"json": f"/v1/analyses/{_ID}/results/json", "mp4": f"/v1/analyses/{_ID}/results/mp4"},
    "titles": {"json": "JSON", "mp4": "Video with boxes"},
}
_HEALTH: Final[Any] = {
    "status": "ok",
    "version": __version__,
    "token_needed": False,
    "jobs": {"receiving": 0, "queued": 2, "running": 1, "done": 5, "failed": 0},
    "max_queue": 64,
    "max_upload_mb": 500.0,
    "max_duration_s": 3600.0,
    "keep_s": 3600.0,
    "measure_faces": False,
    "live_asr": False,
    "live_sessions": 0,
    "max_live": 2,
    "asr": True,
    "formats": {"json": "JSON", "mp4": "Video with boxes"},
}


class Problem(BaseModel):
    """What went wrong: a word for programs, a line for people."""

    code: str
    message: str


class Refusal(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: Problem


class Analysis(BaseModel):
    """Where an analysis stands. Times are seconds of the epoch."""

    model_config = {"json_schema_extra": {"examples": [_ANALYSIS]}}

    id: str
    name: str
    state: State = Field(description="receiving while the upload comes, then queued, running, and done or failed")
    progress: float = Field(description="of the analysis, 0 to 1", ge=0, le=1)
    ahead: int = Field(description="how many are worked on before it", ge=0)
    stage: Stage | None = Field(description="what is being done; null where it does not run")
    remaining_s: float | None = Field(description="how long it still takes, about; null where that is not known")
    created_s: float
    expires_s: float | None = Field(description="when its results are deleted; null while it has not ended")
    notes: str = Field(description="what was odd about the recording")
    error: Problem | None = Field(description="why it failed, where it did")
    results: dict[str, str] = Field(description="where each format is, by name; empty until it is done")
    titles: dict[str, str] = Field(description="what to call each of these formats, by name")

    @classmethod
    def of(
        cls,
        job: Job,
        ahead: int,
        keep_s: float,
        kinds: list[str],
        stage: Stage | None = None,
        remaining_s: float | None = None,
    ) -> Analysis:
        """Describe a job. kinds: the formats of its results that are there."""
        failed = job.state == "failed"
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            progress=job.progress,
            ahead=ahead,
            stage=stage,
            remaining_s=None if remaining_s is None else round(remaining_s, 1),
            created_s=job.created_s,
            expires_s=None if job.finished_s is None else job.finished_s + keep_s,
            notes="" if failed else job.message,
            error=Problem(code=job.code, message=job.message) if failed else None,
            results={kind: f"/v1/analyses/{job.id}/results/{kind}" for kind in kinds},
            titles={kind: FORMATS[kind].title for kind in kinds},
        )


class PeopleEdit(BaseModel):
    """Who is who: names by the numbers of people, an empty one takes a name away; merge: those who are one."""

    model_config = {"extra": "forbid", "json_schema_extra": {"examples": [{"names": {"1": "Anna"}, "merge": [[2, 3]]}]}}

    names: dict[Annotated[int, Field(ge=0, lt=10**9)], Annotated[str, Field(max_length=200)]] = Field(
        {}, max_length=1000, json_schema_extra={"propertyNames": {"pattern": "^[0-9]{1,9}$"}}
    )
    merge: list[Annotated[list[int], Field(min_length=2, max_length=1000)]] = Field([], max_length=1000)


class Health(BaseModel):
    """That the service answers, what it allows, and how busy it is."""

    model_config = {"json_schema_extra": {"examples": [_HEALTH]}}

    status: str
    version: str
    token_needed: bool
    jobs: dict[State, int] = Field(description="analyses, by state")
    max_queue: int
    max_upload_mb: float
    max_duration_s: float
    keep_s: float = Field(description="how long results are kept")
    measure_faces: bool = Field(description="whether faces are measured where that is asked for")
    live_asr: bool = Field(description="whether the speech of live clients is recognised where that is asked for")
    live_sessions: int
    max_live: int
    asr: bool = Field(description="whether speech can be recognised")
    formats: dict[str, str] = Field(description="what can be written, and what to call it")


# status: what it means, and the codes with an example message each
_REFUSALS: Final[dict[int, tuple[str, dict[str, str]]]] = {
    400: (
        "The request is not whole",
        {
            "empty": "the upload is empty",
            "no_file": "the form has no file in a field called 'file'",
            "bad_form": "the body is not the form that its content type announces",
            "cut_off": "the form was cut off: its last boundary is missing",
        },
    ),
    401: ("The token is missing or wrong", {"no_token": "this service wants its token: Authorization: Bearer TOKEN"}),
    403: ("A page of another site asks", {"foreign_origin": "pages of other sites may not use this service"}),
    404: (
        "There is none: there never was, it was deleted, or it is expired",
        {"no_such_analysis": "there is no such analysis; results are kept for a while only"},
    ),
    408: ("The upload was too slow", {"too_slow": "nothing came for 15 s"}),
    409: (
        "There is no result, or no recogniser of speech",
        {
            "not_done": "the analysis is running",
            "failed": "the analysis failed: the recording is longer than 3600 s",
            "not_changed": "the results could not be changed",
            "no_recogniser": "this service cannot recognise speech (pip install 'emofuse[asr]')",
        },
    ),
    413: ("The upload is too large", {"too_large": "the upload is larger than 500 MB"}),
    415: (
        "The upload is not a recording, by its first bytes, or what is beside it no transcript, by its name",
        {
            "not_a_recording": "this is neither video nor sound in a known format",
            "not_a_transcript": "a transcript is one of .srt, .vtt, .json, .txt",
        },
    ),
    416: ("The range that was asked for is not in the file", {"no_such_range": "the result has 5120 bytes"}),
    421: ("The service has another name", {"wrong_host": "this service has another name"}),
    422: ("An option is not allowed", {"not_allowed": "hop_s: Input should be greater than or equal to 0.05"}),
    429: ("The queue is full", {"queue_full": "the queue is full; come back later"}),
    503: (
        "Not now",
        {
            "busy": "too many requests are under way; come back later",
            "ending": "the service is ending; come back later",
        },
    ),
    507: ("The service's disk is full", {"disk_full": "the service has no room for this recording now"}),
}
_LATER: Final[Any] = {
    "Retry-After": {"description": "Seconds until it is worth another try", "schema": {"type": "string"}}
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an endpoint documents of these, and of those that every endpoint has."""
    return {status: _refusal(status) for status in sorted({401, 403, 421, 503, *statuses})}


def _refusal(status: int) -> dict[str, Any]:
    description, codes = _REFUSALS[status]
    examples = {
        code: {"value": {"error": {"code": code, "message": message}}, "summary": code}
        for code, message in codes.items()
    }
    documented: dict[str, Any] = {
        "model": Refusal,
        "description": description,
        "content": {"application/json": {"examples": examples}},
    }
    if status in (429, 503):
        documented["headers"] = _LATER
    return documented
