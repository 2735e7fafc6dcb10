"""What a service and its workers tell each other comes back as it was, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from emofuse.service.messages import AnalysisTask, EditTask, Outcome, ProgressReport, read_report, read_task
from emofuse.service.options import SubmitOptions
from emofuse.service.schemas import PeopleEdit

COMMON = {"folder": Path("/jobs/x"), "name": "größe\n.mp4", "memory_mb": 3000.0, "file_mb": 4000.0}
ANALYSIS = AnalysisTask(
    **COMMON,
    bundle="base",
    asr_model="small",
    max_duration_s=60.0,
    max_megapixels=36.0,
    answers={"risk": 0.1, "coverage": None, "prior": {"happy": 2.0}},
    options=SubmitOptions(mode="frame", language="de"),
)
EDIT = EditTask(**COMMON, edit=PeopleEdit(names={1: "Anna"}, merge=[[2, 3]]))


@pytest.mark.parametrize("task", [ANALYSIS, EDIT])
def test_a_task_is_one_line_and_comes_back(task: AnalysisTask | EditTask) -> None:
    line = task.to_line()
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    found = read_task(line)
    assert found == task and type(found) is type(task)


@pytest.mark.parametrize(
    "report",
    [
        ProgressReport(share=0.25, stage="drawing"),
        Outcome(code="", message=""),
        Outcome(code="internal", message="it failed", trace="Traceback:\n  here"),
    ],
)
def test_a_report_is_one_line_and_comes_back(report: ProgressReport | Outcome) -> None:
    line = report.to_line()
    assert line.count(b"\n") == 1 and read_report(line) == report


@pytest.mark.parametrize(
    "line",
    [
        b"a library prints\n",
        b"\xff\xfe\n",
        b"[]\n",
        b'{"progress": 0.5}\n',
        b'{"kind": "progress", "share": "much"}\n',
        b'{"kind": "other"}\n',
    ],
)
def test_what_is_no_report_is_passed_over(line: bytes) -> None:
    assert read_report(line) is None
    with pytest.raises(ValidationError):
        read_task(line)


def test_the_options_of_a_job_that_an_earlier_version_queued_are_read() -> None:
    line = json.loads(ANALYSIS.to_line())
    line["options"] = {"mode": "queue", "hop_s": 1.5, "annotate": True, "gone_since": 3}
    task = read_task(json.dumps(line).encode())
    assert isinstance(task, AnalysisTask)
    assert task.options == SubmitOptions(hop_s=1.5)
