"""Analyses one recording in a process of its own: `python -m emofuse.service.worker JSON`. Only the runner calls it.

Writes lines of JSON: {"progress": 0 to 1}, and at its end {"message": notes} or {"code": ..., "message": why not}.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from emofuse.errors import EmofuseError, MediaError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.detector import detector_maker
from emofuse.outputs.writers import WRITERS
from emofuse.recordings.one import Options, analyze_recording
from emofuse.recordings.plan import Task
from emofuse.service.runner import RECORDING, RESULTS
from emofuse.service.settings import MEGABYTE

_LEAST_STEP: Final = 0.01  # of the progress, to be told


def main() -> None:
    """Do what the first argument says."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    _limit_memory(task["memory_mb"])
    try:
        _tell(message="; ".join(_analyze(task)))
    except EmofuseError as error:
        _tell(code="not_analysed", message=error.message)
    except MemoryError:
        _tell(code="too_large", message=f"it takes more than {task['memory_mb']:g} MB of memory")


def _analyze(task: dict[str, Any]) -> tuple[str, ...]:
    """Write the results; return what was odd. Raises MediaError for a recording that cannot be read or is too long."""
    options: dict[str, Any] = task["options"]
    formats = (*WRITERS, *(["mp4"] if options["annotate"] else []))
    settings = AnalyzerSettings.checked(mode=options["mode"], hop_s=options["hop_s"])
    folder = Path(task["folder"])
    parent = os.getppid()
    told = 0.0

    def follow(time_s: float, duration_s: float | None) -> None:
        nonlocal told
        longest_s = task["max_duration_s"]
        if max(time_s, duration_s or 0.0) > longest_s:
            raise MediaError(f"the recording is longer than {longest_s:g} s")
        if os.getppid() != parent:
            sys.exit(1)  # the service was killed; the next one runs this job again
        progress = time_s / duration_s if duration_s else 0.0
        if progress >= told + _LEAST_STEP:
            told = progress
            _tell(progress=round(progress, 3))

    os.chdir(folder / RESULTS)  # where the outputs look for the recording by the name that its owner gives it
    outcome = analyze_recording(
        Task(folder / RECORDING, folder / RESULTS / RECORDING, task["name"]),
        Options(formats, settings, task["bundle"]),
        load_bundle(task["bundle"]),
        detector_maker(lambda line: None),
        follow,
    )
    if outcome.failure:
        raise MediaError(outcome.failure)
    return outcome.notes


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _limit_memory(memory_mb: float) -> None:
    """Let the process have so much memory and no more, where the system can say so."""
    try:
        import resource
    except ImportError:  # on Windows there is no such limit
        return
    most = int(memory_mb * MEGABYTE)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
