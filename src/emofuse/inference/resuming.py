"""Keeps the timeline of each recording of a list, so that a call that was cut off can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emofuse import __version__
from emofuse.errors import MediaError, UsageError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import Bundle
from emofuse.inference.options import CheckedOptions
from emofuse.provenance import model_file
from emofuse.reading import file_hash
from emofuse.remote import is_url
from emofuse.timeline import Timeline
from emofuse.transcripts import Transcript


class Kept:
    """The timelines in a folder, each known by a hash of the recording's content and of all that it depends on."""

    def __init__(self, folder: Path, bundle: Bundle, asked: CheckedOptions) -> None:
        """Raises UsageError for options whose results a file does not keep, or that are not known by a hash."""
        for name, is_asked in (
            ("same_person", asked.same_person),
            ("baseline", bool(asked.baseline)),
            ("embeddings", asked.settings.embeddings),
            ("measure_faces", asked.settings.measure_faces or asked.settings.face_points),
        ):
            if is_asked:
                raise UsageError(f"{name} and resume do not go together", "what it adds is in no file that is kept")
        models = Analyzer(bundle, settings=asked.settings, scorer=asked.text_model).models()
        scorers = () if asked.text_model is None else (model_file("text", asked.text_model),)
        if any(one.sha256 is None for one in scorers):
            raise UsageError("resume: the content of text_model is not known", "leave one of them out")
        self._folder = folder
        self._common = {
            "version": __version__,
            "models": [(one.role, one.name, one.sha256) for one in (*models, *scorers)],
            "settings": asked.settings.model_dump(mode="json"),
            "smoothing": None if asked.smoothing is None else asked.smoothing.model_dump(mode="json"),
            "track": asked.audio_track,
            "transcript": _transcript_hash(asked.transcript),
            "reading": repr(asked.reading),
        }

    def get(self, value: Any, make: Callable[[], Timeline]) -> Timeline:
        """Return what is kept of an input, or make and keep it; what has no content to be known by is made each time.

        Raises what `make` raises, and OutputError where the folder cannot be written to.
        """
        content = _content_hash(value)
        if content is None:
            return make()
        known: Mapping[str, Any] = {**self._common, "content": content}
        key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:24]
        stem = Path(value).stem[:60] if isinstance(value, str | os.PathLike) else "input"
        file = self._folder / f"{stem}-{key}.json"
        if not file.exists():
            made = make()
            self._folder.mkdir(parents=True, exist_ok=True)
            made.save(file)
        return Timeline.load(file)  # the first time, too, so that both times it is the same


def _content_hash(value: Any) -> str | None:
    """Return the hash of what an input is; None for what can be read but once, or lies at an address."""
    if isinstance(value, str | os.PathLike):
        if is_url(os.fspath(value)):
            return None
        try:
            return file_hash(Path(value))
        except (OSError, ValueError, MediaError):
            return None  # reading it tells what is wrong
    if isinstance(value, bytes | bytearray | memoryview):
        return hashlib.sha256(value).hexdigest()
    parts = value if isinstance(value, tuple) else (value,)
    if all(isinstance(part, np.ndarray | int | float | np.number) for part in parts):
        whole = hashlib.sha256()
        for part in map(np.ascontiguousarray, parts):
            whole.update(f"{part.dtype} {part.shape}".encode())
            whole.update(part.data)
        return whole.hexdigest()
    return None


def _transcript_hash(transcript: Transcript | str | Path | None) -> str | None:
    if transcript is None:
        return None
    if isinstance(transcript, Transcript):
        return hashlib.sha256(repr(transcript.lines).encode()).hexdigest()
    try:
        return file_hash(Path(transcript))
    except OSError:
        return None  # reading it tells what is wrong
