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
from emofuse.inference.live import LiveSession
from emofuse.inference.live_updates import LiveUpdate
from emofuse.inference.session import provenance_of, timeline_of
from emofuse.media import AUDIO_RATE_HZ, VideoWriter
from emofuse.outputs.lettering import Image
from emofuse.outputs.marks import mark_file, video_trailer
from emofuse.outputs.tables import write_json
from emofuse.types import AudioBlock, Moment

_MOST_EARLY: Final = 1000  # blocks of sound that wait for the first picture: half a minute
_STAMP: Final = "%Y%m%d-%H%M%S"
_LIVE: Final = "0" * 16  # in place of a recording's id, in the marks of what was live


class Recorder:
    """Writes `live-TIME.mp4` while the session goes on and `live-TIME.json` at its end into `folder`.

    has_audio: whether sound may come; call: the command. The video appears when the recorder is left, however the
    stream ended; files: what was written. The moments are kept as the Analyzer gave them, as `emofuse analyze` writes
    them.
    """

    def __init__(self, folder: Path, has_audio: bool, call: str = "") -> None:
        self._stem = _free(make_folder(folder) / time.strftime(f"live-{_STAMP}"), ".json", ".mp4")
        self._has_audio, self._call = has_audio, call
        self._moments: list[Moment] = []
        self._writer: VideoWriter | None = None
        self._early: deque[AudioBlock] = deque(maxlen=_MOST_EARLY)
        self.files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def add(self, update: LiveUpdate, picture: Image | None) -> None:
        """Take an update, with its frame as it was drawn. Raises OutputError."""
        self._moments += update.moments
        if picture is not None and update.frame is not None:
            self._opened().write(picture, update.frame.time_s)
            self._write_early()
        if update.sound is not None and self._has_audio:
            self._early.append(update.sound)
            self._write_early()

    def finish(self, session: LiveSession) -> None:
        """Write the timeline of a session that has ended. Raises OutputError."""
        how = provenance_of(session.analyzer, self._call)
        timeline = timeline_of(self._moments, session.source_info(), session.analyzer, how)
        path = self._stem.with_suffix(".json")
        write_json(timeline, path)
        mark_file("json", path, _LIVE)
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
