"""The subtitles inside a recording, as the text of a SubRip file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, Final

import av

from emofuse.formatting import cue_time
from emofuse.media import _container

_IMAGES: Final = {"dvd_subtitle", "dvdsub", "hdmv_pgs_subtitle", "pgssub", "dvb_subtitle", "dvbsub", "xsub"}
_MOST_CUES: Final = 100_000
_STYLE: Final = re.compile(r"\{[^{}]*\}")  # of SubStation, which FFmpeg makes of every kind


def read_subtitle_track(path: str | os.PathLike[str], start_s: float = 0.0) -> str | None:
    """Read the subtitles that are inside a recording: the default track of text, else one in English, else the first.

    Args:
        path: The recording.
        start_s: Where the clock of its pictures begins, on that of the container.

    Returns:
        The cues as SubRip, which `emofuse.transcripts` reads; None where there are none.

    Raises:
        MediaError: The recording cannot be read.
    """
    with _container.as_media_errors(path), _container.open_container(path) as container:
        tracks = [s for s in container.streams.subtitles if s.codec_context.name not in _IMAGES]
        if not tracks:
            return None
        stream = min(tracks, key=_rank)
        _container.discard_other_streams(container, stream)
        cues = [
            f"{number}\n{_clock(begin_s - start_s)} --> {_clock(end_s - start_s)}\n{text}\n"
            for number, (begin_s, end_s, text) in enumerate(_cues(container, stream), start=1)
            if number <= _MOST_CUES and end_s > start_s
        ]
    return "\n".join(cues) or None


def _rank(stream: Any) -> tuple[bool, bool, int]:
    is_default = bool(stream.disposition & av.stream.Disposition.default)
    return not is_default, not (stream.language or "").startswith("en"), stream.index


def _cues(container: Any, stream: Any) -> Iterator[tuple[float, float, str]]:
    """Yield start, end and text of every cue that has one."""
    for packet in container.demux(stream):
        if not packet.size or packet.pts is None:
            continue
        begin_s = float(packet.pts * packet.time_base)
        end_s = begin_s + float((packet.duration or 0) * packet.time_base)
        texts = [_STYLE.sub("", cue.dialogue.decode("utf-8", "replace")).strip() for cue in packet.decode()]
        rows = [row for text in texts for row in text.splitlines() if row.strip()]
        if rows:
            yield begin_s, max(end_s, begin_s), "\n".join(rows)


def _clock(time_s: float) -> str:
    return cue_time(round(max(time_s, 0.0) * 1000), ",")
