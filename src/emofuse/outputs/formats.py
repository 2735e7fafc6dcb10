"""The formats that a timeline is written in: one object each, and one list of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from emofuse.errors import EmofuseError, OutputError, UsageError
from emofuse.files import atomic_write
from emofuse.importing import import_object
from emofuse.outputs.elan import write_eaf
from emofuse.outputs.embeddings import write_npz
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import UNKNOWN, mark_file, origin, recording_id
from emofuse.outputs.page import write_html
from emofuse.outputs.subtitles import write_srt, write_vtt
from emofuse.outputs.tables import write_csv, write_faces_csv, write_json
from emofuse.outputs.textgrid import write_textgrid
from emofuse.outputs.timeline_image import write_png
from emofuse.outputs.timeline_svg import write_svg
from emofuse.timeline import Timeline

Write = Callable[[Timeline, Path, MediaLinks], None]


@dataclass(frozen=True, slots=True)
class Format:
    """One format of results.

    Attributes:
        name: What `--formats` and the REST interface call it.
        suffix: What its files end in, without the dot.
        media_type: What it is served as.
        title: What a page calls it.
        write: Writes a timeline to a path, whole or not at all; the links say where the document finds the recording.
            Raises OutputError when the path cannot be written. None for the annotated video, which is written while
            the recording's pictures are read.
        is_extra: Whether it holds something that is computed on request only.
        for_photos: Whether it is written of a photo, which has no time.
        recognizes: Returns whether the content of a file is what `write` writes. For formats from outside the package:
            without it, a file that exists already is replaced only with `--overwrite`.
    """

    name: str
    suffix: str
    media_type: str
    title: str
    write: Write | None
    is_extra: bool = False
    for_photos: bool = False
    recognizes: Callable[[bytes], bool] | None = None

    def __post_init__(self) -> None:
        if not self.suffix.strip(". ") or {"/", os.sep} & {*self.suffix}:
            raise ValueError(f"{self.suffix!r} cannot be the suffix of a file")

    def origin(self, path: Path) -> str | None:
        """Return of which recording a file of this format is, by its `marks.recording_id`.

        It is `marks.UNKNOWN` where that cannot be known, None where emofuse did not write the file, it was changed
        since, or it cannot be read.
        """
        try:
            if self.name in FORMATS:
                return origin(self.name, path)
            return UNKNOWN if self.recognizes is not None and self.recognizes(path.read_bytes()) else None
        except OSError:
            return None

    def is_ours(self, path: Path) -> bool:
        """Return whether a file is as emofuse has written it, in this format."""
        return self.origin(path) is not None


def _without_links(write: Callable[[Timeline, Path], None]) -> Write:
    """Return a writer of a document that plays nothing."""
    return lambda timeline, path, links: write(timeline, path)


_ALL: Final = (
    Format("mp4", "mp4", "video/mp4", "Video with boxes", None),
    Format("html", "html", "text/html; charset=utf-8", "Report", write_html),
    Format("json", "json", "application/json", "JSON", _without_links(write_json), for_photos=True),
    Format("csv", "csv", "text/csv; charset=utf-8", "CSV", _without_links(write_csv), for_photos=True),
    Format(
        "faces",
        "faces.csv",
        "text/csv; charset=utf-8",
        "Face measurements as CSV",
        _without_links(write_faces_csv),
        is_extra=True,
        for_photos=True,
    ),
    Format(
        "embeddings",
        "embeddings.npz",
        "application/octet-stream",
        "Embeddings as NumPy arrays",
        _without_links(write_npz),
        is_extra=True,
        for_photos=True,
    ),
    Format("png", "png", "image/png", "Timeline as PNG", _without_links(write_png), for_photos=True),
    Format("svg", "svg", "image/svg+xml", "Timeline as SVG", _without_links(write_svg)),
    Format("srt", "srt", "application/x-subrip", "SRT", _without_links(write_srt)),
    Format("vtt", "vtt", "text/vtt; charset=utf-8", "WebVTT", _without_links(write_vtt)),
    Format("eaf", "eaf", "application/xml", "ELAN", write_eaf),
    # the spelling that Praat gives and looks for
    Format("textgrid", "TextGrid", "text/plain; charset=utf-8", "TextGrid", _without_links(write_textgrid)),
)
FORMATS: Final[Mapping[str, Format]] = {format.name: format for format in _ALL}
"""Every format, by its name. A new one is a writer in a file of its own and one line here."""


def get_format(name: str) -> Format:
    """Return a format by its name, or one from outside the package as `package.module:NAME`.

    The name of the latter is `package.module:NAME`, and its files are written whole or not at all.

    Args:
        name: The name, or the module and, after a colon, a `Format` in it.

    Returns:
        The format.

    Raises:
        UsageError: No format has the name, or the module holds no `Format` with a writer.
    """
    if ":" not in name:
        if name in FORMATS:
            return FORMATS[name]
        raise UsageError(f"unknown format {name}", f"choose from {','.join(FORMATS)}, or give package.module:NAME")
    found = import_object(name)
    if not isinstance(found, Format) or found.write is None:
        raise UsageError(f"{name} is not an output format", "it must be an emofuse.outputs.formats.Format with `write`")
    write = found.write

    def write_whole(timeline: Timeline, path: Path, links: MediaLinks) -> None:
        with atomic_write(path) as temporary:
            try:
                write(timeline, temporary, links)
            except (EmofuseError, OSError):
                raise
            except Exception as error:
                raise OutputError(f"{name} failed on {path}: {type(error).__name__}: {error}") from error

    return replace(found, name=name, write=write_whole)


def save_timeline(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write a timeline in the format of the path's suffix.

    The file is marked as that of its recording where the recording is still there, as the commands mark theirs.

    Raises UsageError for a suffix of no format, OutputError where it cannot be written.
    """
    target = Path(path)
    ends = {f".{format.suffix.lower()}": format for format in _ALL if format.write is not None}
    fitting = [end for end in ends if target.name.lower().endswith(end)]
    format = ends[max(fitting, key=len)] if fitting else None
    if format is None or format.write is None:
        hint = f"choose from {', '.join(ends)}"
        if target.suffix.lower() == ".mp4":
            hint = f"`emofuse analyze --formats mp4` annotates the video while it is read; {hint}"
        raise UsageError(f"no format of a timeline is called {target.suffix or target.name!r}", hint)
    format.write(timeline, target, MediaLinks.between(timeline.source.path, target))
    with suppress(OSError, ValueError):
        mark_file(format.name, target, recording_id(timeline.source.path))
