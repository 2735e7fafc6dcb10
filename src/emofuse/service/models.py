"""The bodies of answers, as OpenAPI documents them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, Field

from emofuse.service.store import Job, State

_EXAMPLE: Final[Any] = {
    "id": "q3cAxLr0vJ6rMZcGzBzq8w",
    "name": "interview.mp4",
    "state": "done",
    "progress": 1.0,
    "ahead": 0,
    "created_s": 1764000000.0,
    "expires_s": 1764003642.0,
    "notes": "",
    "error": None,
    "results": {"json": "/v1/analyses/q3cAxLr0vJ6rMZcGzBzq8w/results/json"},
}


class Problem(BaseModel):
    """What went wrong: a word for programs, a line for people."""

    code: str
    message: str


class Refusal(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: Problem = Field(examples=[{"code": "too_large", "message": "the upload is larger than 500 MB"}])


class Analysis(BaseModel):
    """Where an analysis stands. Times are seconds of the epoch; progress is of 1; ahead: how many come before it."""

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}

    id: str
    name: str
    state: State
    progress: float
    ahead: int
    created_s: float
    expires_s: float | None = Field(description="when its results are deleted; null while it has not ended")
    notes: str = Field(description="what was odd about the recording")
    error: Problem | None
    results: dict[str, str] = Field(description="where each format is, by name; empty until it is done")

    @classmethod
    def of(cls, job: Job, ahead: int, keep_s: float, kinds: list[str]) -> Analysis:
        """Describe a job. kinds: the formats of its results that are there."""
        failed = job.state == "failed"
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            progress=job.progress,
            ahead=ahead,
            created_s=job.created_s,
            expires_s=None if job.finished_s is None else job.finished_s + keep_s,
            notes="" if failed else job.message,
            error=Problem(code=job.code, message=job.message) if failed else None,
            results={kind: f"/v1/analyses/{job.id}/results/{kind}" for kind in kinds},
        )


class Health(BaseModel):
    """That the service answers, and how busy it is."""

    status: str = Field(examples=["ok"])
    version: str
    token_needed: bool
    jobs: dict[State, int]
    max_queue: int
    max_upload_mb: float
    max_duration_s: float
    keep_s: float
    live_sessions: int
    max_live: int


REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Refusal, "description": text}
    for status, text in {
        400: "The request is not whole: no file, an empty one, a form that is none",
        401: "The token is missing or wrong",
        403: "A page of another site asks",
        404: "There is no such analysis: never was, was deleted, or is expired",
        408: "The upload was too slow",
        409: "The analysis is not done, or failed",
        413: "The upload is too large",
        415: "The upload is no recording",
        421: "The service has another name",
        422: "An option is not allowed",
        429: "The queue is full; Retry-After says when to come back",
    }.items()
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an endpoint documents of these, and of those that every endpoint has."""
    return {status: REFUSALS[status] for status in sorted({401, 403, 421, 422, *statuses})}
