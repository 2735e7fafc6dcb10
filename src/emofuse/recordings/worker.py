"""One recording of a batch, in a process that works on many: analysed, or kept as it is, and noted as done."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from emofuse.errors import EmofuseError
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.reading import file_hash
from emofuse.recordings.one import Options, Outcome, analyze_recording
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import OnProgress
from emofuse.recordings.record import Record, content_of, read_record, settings_of, write_record
from emofuse.remote import Address, upload
from emofuse.staging import StagedPath


def analyze_in_worker(task: Task, options: Options, on_progress: OnProgress | None = None) -> Outcome:
    """Analyse one recording in a worker process, which loads its models at its first one.

    Results that are there already are kept where `options` asks for that and their record is of the same content and
    settings. Outputs at an address are made on this machine and then copied there, the record last.

    Args:
        task: The recording, and where its results go.
        options: How to analyse it.
        on_progress: Is told how far it is.

    Returns:
        What came of it, without the timeline.
    """
    options = options.of(task.source)  # so that other people's recordings change nothing of what is noted
    try:
        bundle = _loaded(options.bundle, options.device)
        if task.batch is None:
            return _slim(analyze_recording(task, options, bundle, on_progress))
        content, transcript = content_of(task.source), _transcript_hash(task, options)
        settings = settings_of(options, bundle)
        notes: tuple[str, ...] = ()
        if options.resume and task.record is not None and (record := read_record(task.record)) is not None:
            reason = record.why_not(content, transcript, settings, options.formats)
            files = record.files(task.batch)
            if not reason and files is not None:
                return Outcome(task.source, files=files, digest=record.digest, is_kept=True)
            notes = (f"analysed again: {reason or 'results are missing or were changed'}",)
    except EmofuseError as error:
        return Outcome(task.source, failure=str(error))
    except OSError as error:
        return Outcome(task.source, failure=f"it cannot be read: {error.strerror or error}")
    outcome = _analyzed(task, options, bundle, on_progress, (content, transcript, settings))
    return replace(outcome, notes=(*notes, *outcome.notes))


_Known = tuple[str, str | None, Mapping[str, Any]]  # the hashes of a recording and its transcript, and the settings


def _analyzed(task: Task, options: Options, bundle: Bundle, on_progress: OnProgress | None, known: _Known) -> Outcome:
    """Analyse a recording, and note that it is done; at an address, by way of a folder of this machine."""
    if not isinstance(task.batch, Address):
        return _noted(task, options, _slim(analyze_recording(task, options, bundle, on_progress)), known)
    try:
        with _scratch() as scratch:
            near = replace(task, stem=scratch / task.stem, batch=scratch)
            outcome = _noted(near, options, _slim(analyze_recording(near, options, bundle, on_progress)), known)
            if outcome.failure:  # of which machine it is, where its disk is full
                there = outcome.failure.replace(str(scratch), f"{socket.gethostname()}:{scratch}")
                return replace(outcome, failure=there)
            names = [file.relative_to(scratch).as_posix() for file in outcome.files if isinstance(file, Path)]
            for name in names:
                upload(scratch / name, task.batch / name)
            if isinstance(near.record, Path) and near.record.exists() and isinstance(task.record, Address):
                upload(near.record, task.record)
            return replace(outcome, files=tuple(task.batch / name for name in names))
    except EmofuseError as error:
        return Outcome(task.source, failure=str(error))
    except OSError as error:  # of the folder of this machine
        return Outcome(task.source, failure=f"cannot write on {socket.gethostname()}: {error.strerror or error}")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder of this machine; that of a process that was killed is removed by the next one."""
    staged = StagedPath(Path(tempfile.gettempdir()) / "batch", is_folder=True)
    try:
        yield staged.path
    finally:
        staged.discard()


def _noted(task: Task, options: Options, outcome: Outcome, known: _Known) -> Outcome:
    """Write the record of a recording that is done. What hinders that costs a second analysis, and no result."""
    if outcome.digest is None or not isinstance(task.batch, Path) or not isinstance(task.record, Path):
        return outcome
    content, transcript, settings = known
    try:
        sizes = {
            file.relative_to(task.batch).as_posix(): file.stat().st_size
            for file in outcome.files
            if isinstance(file, Path)
        }
        record = Record(str(task.source), content, transcript, settings, options.formats, sizes, outcome.digest)
        write_record(task.record, record)
    except (OSError, EmofuseError) as error:
        return replace(outcome, notes=(*outcome.notes, f"--resume will analyse it again: {error}"))
    return outcome


def _transcript_hash(task: Task, options: Options) -> str | None:
    found = options.words.found.get(task.source)
    return None if found is None else file_hash(found)


def _slim(outcome: Outcome) -> Outcome:
    """Leave the timeline out: the moments of hours are megabytes, and the page over all needs none of them."""
    return replace(outcome, timeline=None)


@cache
def _loaded(bundle: str, device: str) -> Bundle:
    return load_bundle(bundle, device)
