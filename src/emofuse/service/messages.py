"""What a service and its worker processes tell each other: one JSON object a line, which its `kind` tells apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.recordings.progress import Stage
from emofuse.service.options import SubmitOptions
from emofuse.service.schemas import PeopleEdit


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str

    def to_line(self) -> bytes:
        """Return the message as it is sent, with the end of its line."""
        fields = {"kind": self.kind, **self.model_dump(mode="json", exclude_unset=True)}
        return json.dumps(fields).encode() + b"\n"


class _JobTask(_Message):
    """What every worker is told.

    Attributes:
        folder: Of the job: its recording and its results.
        name: What the recording is called.
        memory_mb: Address space that the worker may take.
        file_mb: Size of the largest file that it may write.
    """

    folder: Path
    name: str
    memory_mb: float
    file_mb: float


class AnalysisTask(_JobTask):
    """To analyse a recording.

    Attributes:
        bundle: The name or folder of the bundle.
        asr_model: What recognises speech, where the options ask for that.
        max_duration_s: How long the recording may be.
        max_megapixels: How large its pictures may be.
        answers: Settings of every answer, as `AnalyzerSettings` has them.
        options: What its client asked for, as its job holds it.
    """

    kind: Literal["analysis"] = "analysis"
    bundle: str
    asr_model: str
    max_duration_s: float
    max_megapixels: float
    answers: dict[str, Any]
    options: SubmitOptions


class EditTask(_JobTask):
    """To change who is who in the results of a job that is done."""

    kind: Literal["edit"] = "edit"
    edit: PeopleEdit


class ProgressReport(_Message):
    """How far a worker is. share: 0 to 1; stage: what it is doing."""

    kind: Literal["progress"] = "progress"
    share: float
    stage: Stage


class Outcome(_Message):
    """What came of a task. code: why it came to nothing, "" where it did not. trace: for the log alone."""

    kind: Literal["outcome"] = "outcome"
    code: str
    message: str
    trace: str = ""


Task = AnalysisTask | EditTask
Report = ProgressReport | Outcome
_TASK: Final[TypeAdapter[Task]] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])
_REPORT: Final[TypeAdapter[Report]] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])


def read_task(line: bytes) -> Task:
    """Read what a worker is told. Raises pydantic.ValidationError where it is no task."""
    return _TASK.validate_json(line)


def read_report(line: bytes) -> Report | None:
    """Read a line that a worker wrote; None where it is no report, as of a library that prints."""
    try:
        return _REPORT.validate_json(line)
    except ValidationError:
        return None
