"""The formats that a timeline is written in. The annotated MP4 is not among them: it needs the recording's pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from emofuse.outputs.elan import write_eaf
from emofuse.outputs.page import write_html
from emofuse.outputs.subtitles import write_srt, write_vtt
from emofuse.outputs.tables import write_csv, write_json
from emofuse.outputs.textgrid import write_textgrid
from emofuse.outputs.timeline_image import write_png
from emofuse.timeline import Timeline

WRITERS: Final[Mapping[str, Callable[[Timeline, Path], None]]] = {
    "json": write_json,
    "csv": write_csv,
    "html": write_html,
    "png": write_png,
    "srt": write_srt,
    "vtt": write_vtt,
    "eaf": write_eaf,
    "textgrid": write_textgrid,
}
"""By the name of the format, as in `--formats`. Each takes a timeline and a path, writes the file whole or not at
all, and raises OutputError when the path cannot be written."""

_SUFFIXES: Final = {"textgrid": "TextGrid"}  # the spelling that Praat gives and looks for


def suffix(kind: str) -> str:
    """Return what files of a format end in, without the dot."""
    return _SUFFIXES.get(kind, kind)
