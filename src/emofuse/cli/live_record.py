"""Keeps a live session: its timeline as JSON, and the annotated video with its sound; snapshots."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2

from emofuse.files import atomic_write, make_folder
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.live import LiveSession
from emofuse.inference.live_person import LivePerson
from emofuse.inference.live_updates import LiveUpdate
from emofuse.inference.live_words import LiveWords
from emofuse.inference.session import Course, provenance_of
from emofuse.media import AUDIO_RATE_HZ, VideoWriter
from emofuse.outputs.formats import get_format
from emofuse.outputs.lettering import Image
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import mark_file, video_trailer
from emofuse.transcripts.transcript import in_order
from emofuse.types import AudioBlock, Line

_MOST_EARLY: Final = 1000  # blocks of sound that wait for the first picture: half a minute
_STAMP: Final = "%Y%m%d-%H%M%S"
_KINDS: Final = ("json", "html")  # of the timeline
_LIVE: Final = "0" * 16  # in place of a recording's id, in the marks of what was live


class Recorder:
    """Writes `live-TIME.mp4` while the session goes on, and `live-TIME.json` and `.html` at its end, into `folder`.

    has_audio: whether sound may come; call: the command; words: that are recognised, None for none; person: to whom the
    moments are adapted, None for nobody. The video appears when the recorder is left, however the stream ended; files:
    what was written. The moments are kept as the session gave them, not smoothed. Words count when they are spoken, not
    when they are recognised, as in `emofuse analyze`.
    """

    def __init__(
        self,
        folder: Path,
        analyzer: Analyzer,
        has_audio: bool,
        call: str = "",
        words: LiveWords | None = None,
        person: LivePerson | None = None,
    ) -> None:
        self._stem = _free(make_folder(folder) / time.strftime(f"live-{_STAMP}"), ".json", ".mp4", ".html")
        self._has_audio, self._call, self._words, self._person = has_audio, call, words, person
        self._course = Course(analyzer)
        self._lines: list[Line] = []
        self._writer: VideoWriter | None = None
        self._early: deque[AudioBlock] = deque(maxlen=_MOST_EARLY)
        self.files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def add(self, update: LiveUpdate, picture: Image | None) -> None:
        """Take an update, with its frame as it was drawn. Raises OutputError."""
        self._course.add(update.moments)
        self._lines += update.lines
        if picture is not None and update.frame is not None:
            self._opened().write(picture, update.frame.time_s)
            self._write_early()
        if update.sound is not None and self._has_audio:
            self._early.append(update.sound)
            self._write_early()

    def finish(self, session: LiveSession) -> None:
        """Write the timeline of a session that has ended. Raises OutputError."""
        words, lines = None, None
        if self._words is not None:
            words, lines = self._words.origin, in_order(self._lines).lines
        how = provenance_of(session.analyzer, self._call, words=words)
        how = how if self._person is None else self._person.stamped(how)
        timeline = self._course.timeline(session.source_info(), how, lines)
        links = MediaLinks.beside(self._stem.name, None if self._writer is None else f"{self._stem.name}.mp4")
        for kind in _KINDS:
            write = get_format(kind).write
            assert write is not None
            path = self._stem.with_suffix(f".{kind}")
            write(timeline, path, links)
            mark_file(kind, path, _LIVE)
            self.files.append(path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # what was recorded before a source failed is worth keeping, so the video is ended well
        if self._writer is not None:
            self._writer.__exit__(None, None, None)
            self.files.append(self._stem.with_suffix(".mp4"))

    def _opened(self) -> VideoWriter:
        if self._writer is None:
            rate_hz = AUDIO_RATE_HZ if self._has_audio else None
            self._writer = VideoWriter(
                self._stem.with_suffix(".mp4"), None, sound_rate_hz=rate_hz, trailer=partial(video_trailer, _LIVE)
            ).__enter__()
        return self._writer

    def _write_early(self) -> None:
        """Write the sound that waits for the first picture, once that is there."""
        while self._writer is not None and self._early:
            self._writer.write_sound(self._early.popleft())


def snapshot(picture: Image, folder: Path) -> Path:
    """Write a picture, (H, W, 3) uint8 RGB, as `emofuse-TIME.png` into a folder. Raises OutputError."""
    milliseconds = round(time.time() * 1000) % 1000
    stem = _free(make_folder(folder) / time.strftime(f"emofuse-{_STAMP}-{milliseconds:03d}"), ".png")
    path = stem.with_suffix(".png")
    is_made, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert is_made
    with atomic_write(path) as name:
        name.write_bytes(png.tobytes())
    return path


def _free(stem: Path, *suffixes: str) -> Path:
    """Return the stem, with a number where a file of one of these suffixes has it already."""
    candidate, number = stem, 2
    while any(candidate.with_suffix(suffix).exists() for suffix in suffixes):
        candidate, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return candidate
