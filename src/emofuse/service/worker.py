"""Analyses one recording in a process of its own: `python -m emofuse.service.worker`. Only the service calls it.

Reads a task from standard input, and ends at once when that is closed: then the service is gone. Writes reports to
standard output, the last of which is its outcome: see `messages`.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Final

from emofuse.errors import EmofuseError, MediaError
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.smoothing import SmoothingSettings
from emofuse.media import picture_size
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.overlay import OverlaySettings
from emofuse.outputs.tables import read_json
from emofuse.recordings.one import Options, analyze_recording
from emofuse.recordings.people_edits import edit_people
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import Progress, Stage
from emofuse.recordings.words import WordOptions
from emofuse.remote import Place
from emofuse.service.messages import AnalysisTask, EditTask, Outcome, ProgressReport, Report, read_task
from emofuse.service.options import OFFERED, SubmitOptions
from emofuse.service.results import results_in
from emofuse.service.runner import RECORDING, RESULTS, TRANSCRIPT
from emofuse.service.settings import MEGABYTE
from emofuse.transcripts import SUFFIXES

_LEAST_STEP: Final = 0.01  # of the progress, to be told
_LONGEST_MESSAGE: Final = 1000
_STACK_BYTES: Final = 2 << 20  # of a thread, which is else given 8 MB of the address space that may be used
_NICENESS: Final = 5  # the service itself, and those who are live, come first


def main() -> None:
    """Do the task that standard input has."""
    task = read_task(sys.stdin.buffer.readline())
    threading.stack_size(_STACK_BYTES)
    threading.Thread(target=_end_with_service, daemon=True).start()
    os.umask(0o077)  # what it writes is for its owner alone
    _set_limits(task.memory_mb, task.file_mb)
    try:
        notes = _edit_people(task) if isinstance(task, EditTask) else _analyze(task)
        _send(Outcome(code="", message=_shown("; ".join(notes), task)))
    except EmofuseError as error:
        _send(Outcome(code="not_analysed", message=_shown(str(error), task)))
    except MemoryError:
        _send(Outcome(code="too_large", message=f"it takes more than {task.memory_mb:g} MB of memory"))
    except Exception:  # noqa: BLE001  it is told to the service, whose log has the rest
        _send(Outcome(code="internal", message="the analysis failed", trace=traceback.format_exc()))


def _analyze(task: AnalysisTask) -> tuple[str, ...]:
    """Write the results; return what was odd. Raises MediaError for a recording that cannot be read or is too long."""
    options = task.options
    measures = options.measure_faces
    settings = AnalyzerSettings(mode=options.mode, hop_s=options.hop_s, measure_faces=measures, **task.answers)
    folder = task.folder
    longest_s = task.max_duration_s
    told: float = 0.0
    stage: Stage | None = None

    def follow(reached: Progress) -> None:
        nonlocal told, stage
        if max(reached.time_s, reached.duration_s or 0.0) > longest_s:
            raise MediaError(f"the recording is longer than {longest_s:g} s")
        share = reached.share or 0.0
        if share >= told + _LEAST_STEP or reached.stage != stage:
            told, stage = max(share, told), reached.stage
            _send(ProgressReport(share=round(told, 3), stage=stage))

    bundle = load_bundle(task.bundle)
    _check_size(folder / RECORDING, task.max_megapixels)
    outcome = analyze_recording(
        Task(folder / RECORDING, folder / RESULTS / RECORDING, task.name),
        Options(
            _formats(options),
            settings,
            task.bundle,
            words=_words(folder, options, task.asr_model),
            smoothing=SmoothingSettings() if options.smooth else None,
            overlay=OverlaySettings(options.overlay, blur_faces=options.blur_faces),
            audio_track=options.audio_track,
            call="emofuse serve",
            max_pixels=int(task.max_megapixels * 1e6),
        ),
        bundle,
        follow,
    )
    if outcome.failure:
        raise MediaError(outcome.failure)
    return outcome.notes


def _edit_people(task: EditTask) -> tuple[str, ...]:
    """Change who is who in a result, and write again what comes of it.

    Raises UsageError for people who are not there.
    """
    folder = task.folder / RESULTS
    found = results_in(folder)
    timeline = edit_people(read_json(found["json"]), task.edit.names, task.edit.merge)
    links = MediaLinks.beside(task.name, f"{Path(task.name).stem}.mp4" if "mp4" in found else None)
    for kind, file in found.items():
        write = FORMATS[kind].write
        if write is not None:
            write(timeline, file, links)
    return ()


def _formats(options: SubmitOptions) -> tuple[str, ...]:
    """Return what is written: what was asked for and JSON, or else everything."""
    asked = {*options.formats.split(","), "json"} if options.formats else set(OFFERED)
    usual = (name for name in OFFERED if name in asked and (name != "mp4" or options.annotate))
    return (*usual, *(("faces",) if options.measure_faces else ()))


def _words(folder: Path, options: SubmitOptions, asr_model: str) -> WordOptions:
    """Return where the words come from: the transcript that was sent, or else the sound where that was asked for."""
    found: dict[Place, Path] = {}
    for suffix in SUFFIXES:
        if (file := folder / f"{TRANSCRIPT}{suffix}").is_file():
            found[folder / RECORDING] = file
    asr = asr_model if options.transcribe else None
    return WordOptions(found, asr_model=asr, asr_language=options.language, inside=not found)


def _check_size(recording: Path, most_megapixels: float) -> None:
    """Raise MediaError where a picture would take more memory than there is: in the decoder that seems to be damage."""
    width, height = picture_size(recording) or (0, 0)
    if width * height > most_megapixels * 1e6:
        raise MediaError(f"its pictures, {width} x {height}, are larger than {most_megapixels:g} megapixels")


def _shown(message: str, task: AnalysisTask | EditTask) -> str:
    """Return a message as the client may see it: it must not reveal where things are on this machine."""
    folder = task.folder
    for path, words in (
        (folder / RECORDING, "the recording"),
        (folder / RESULTS, "the results"),
        (folder, "its folder"),
    ):
        message = message.replace(str(path), words)
    return message[:_LONGEST_MESSAGE]


def _send(report: Report) -> None:
    sys.stdout.buffer.write(report.to_line())
    sys.stdout.buffer.flush()


def _end_with_service() -> None:
    """Wait until standard input is closed, and end without further ado: the next service runs this job again."""
    while os.read(0, 1):  # not sys.stdin, whose lock this thread would hold when Python shuts down
        pass
    os._exit(1)


def _set_limits(memory_mb: float, file_mb: float) -> None:
    """Let the process have so much memory and write so large a file and no more, where the system can say so."""
    try:
        import resource
    except ImportError:  # on Windows there is no such limit
        return
    os.nice(_NICENESS)
    for limit, most_mb in ((resource.RLIMIT_AS, memory_mb), (resource.RLIMIT_FSIZE, file_mb)):
        most = int(most_mb * MEGABYTE)
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()
