"""A timeline as a picture (PNG): a row of coloured bands and a curve of confidence for each tier."""

from __future__ import annotations

import base64
import math
import os
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from html import escape
from typing import Final, TypeVar

import cv2
import numpy as np

from emofuse.emotions import rgb
from emofuse.errors import OutputError
from emofuse.files import atomic_write
from emofuse.formatting import clock
from emofuse.outputs.lettering import Colour, Image, Lettering, ink
from emofuse.outputs.tiers import EmotionTier, emotion_tiers, length_s
from emofuse.timeline import Timeline

WIDTH: Final = 1600  # pixels
MAX_PEOPLE: Final = 6  # rows for people; those seen longest, the others are counted
_FINE: Final = 2  # drawn this many times as large and scaled down, for smooth curves
_CAP_SHARE: Final = 0.75  # height of a capital, of the size of the letters
_WHITE: Final = (255, 255, 255)
_INK: Final = (32, 33, 36)
_DIM: Final = (95, 99, 104)
_LINE: Final = (218, 220, 224)
_TRACK: Final = (241, 243, 244)

MARGIN: Final = 28
_LEFT: Final = 150  # where the time starts
_TITLE: Final = 74
_BAND: Final = 26
_CURVE: Final = 40
_ROW: Final = _BAND + _CURVE + 18
_ABSENT_ROW: Final = 34
_AXIS: Final = 44
_LEGEND: Final = 34
_FINEST_PX: Final = 2  # of a curve
_PNG_END_BYTES: Final = 12  # of the chunk that every PNG ends with
_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def write_png(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the timeline as a picture WIDTH pixels wide, as high as its rows need, with how it was made as text in it.

    Raises OutputError when `path` cannot be written.
    """
    write_picture(timeline_image(timeline), timeline, path)


def write_picture(image: Image, timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, with how the timeline was made as text in it.

    Raises OutputError when `path` cannot be written.
    """
    png = _with_texts(_encoded(image), timeline)
    with atomic_write(path) as name:
        name.write_bytes(png)


def timeline_html(timeline: Timeline) -> str:
    """Return the picture as a piece of HTML, whole in itself, as a notebook shows it."""
    data = base64.b64encode(_encoded(timeline_image(timeline))).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(repr(timeline))}" style="max-width:100%">'


def _encoded(image: Image) -> bytes:
    is_encoded, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not is_encoded:
        raise OutputError("the picture of the timeline could not be encoded")
    return data.tobytes()


def _with_texts(png: bytes, timeline: Timeline) -> bytes:
    """Return a PNG with how the timeline was made in it, as text by the standard's keywords (iTXt chunks)."""
    if timeline.provenance is None:
        return png
    how = timeline.provenance
    comment = "\n".join(f"{name}: {value}" for name, value in how.entries())
    texts = {"Software": f"emofuse {how.version}", "Creation Time": how.created, "Comment": comment}
    chunks = b""
    for keyword, text in texts.items():
        body = b"iTXt" + keyword.encode("ascii") + b"\0\0\0\0\0" + text.encode("utf-8")
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:-_PNG_END_BYTES] + chunks + png[-_PNG_END_BYTES:]


def timeline_image(timeline: Timeline) -> Image:
    """Draw the timeline: who spoke and how surely over time, and why the other modalities did not.

    Returns: (H, WIDTH, 3) uint8 RGB.
    """
    return paint_timeline(timeline, _Page).finished()


P = TypeVar("P", bound="Page")


def paint_timeline(timeline: Timeline, make_page: Callable[[int, float], P]) -> P:
    """Draw the timeline on a page, and return it.

    Args:
        timeline: Any.
        make_page: Makes a page of this height, in pixels, and for this many seconds.
    """
    rows = emotion_tiers(timeline)
    people = sorted((r for r in rows if r.kind == "person"), key=lambda row: -len(row.curve))
    shown = [r for r in rows if r.kind != "person" or r in people[:MAX_PEOPLE]]
    absent = [(m, timeline.summary.why.get(m, "it gave no answer")) for m in timeline.summary.listed]
    absent = [(m, why) for m, why in absent if m not in timeline.summary.used]
    n_hidden = max(0, len(people) - MAX_PEOPLE)
    page = make_page(
        _TITLE + len(shown) * _ROW + len(absent) * _ABSENT_ROW + (_ABSENT_ROW if n_hidden else 0) + _AXIS + _LEGEND,
        max(length_s(timeline, rows), 1e-3),
    )
    _draw_title(page, timeline)
    top = _TITLE
    for row in shown:
        _draw_row(page, row, top)
        top += _ROW
    for modality, why in absent:
        page.write(modality, MARGIN, top + 16, 15, _DIM)
        page.write(f"not used: {why}", _LEFT, top + 16, 13, _DIM)
        top += _ABSENT_ROW
    if n_hidden:
        page.write(f"and {n_hidden} more people, seen more briefly", _LEFT, top + 16, 13, _DIM)
        top += _ABSENT_ROW
    _draw_axis(page, top)
    _draw_legend(page, timeline, shown, top + _AXIS)
    return page


class Page(ABC):
    """What is drawn on, in the pixels of the finished picture."""

    def __init__(self, span_s: float) -> None:
        self.span_s = span_s

    def x(self, time_s: float) -> float:
        """Return where a time is, in pixels from the left."""
        return _LEFT + (WIDTH - MARGIN - _LEFT) * min(max(time_s / self.span_s, 0.0), 1.0)

    def text_width(self, text: str, size: float) -> float:
        """Return how wide a text is in letters of about `size` pixels, in pixels."""
        return _letters(size).width(text) / _FINE

    @abstractmethod
    def fill(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a box."""

    @abstractmethod
    def line(self, points: list[tuple[float, float]], colour: Colour, width: float = 1.5) -> None:
        """Draw a line through points."""

    @abstractmethod
    def write(self, text: str, left: float, base: float, size: float, colour: Colour) -> None:
        """Write on the line `base`, in letters of about `size` pixels; what runs out of the page is cut off."""


class _Page(Page):
    """A canvas."""

    def __init__(self, height: int, span_s: float) -> None:
        super().__init__(span_s)
        self.canvas: Image = np.full((height * _FINE, WIDTH * _FINE, 3), _WHITE, dtype=np.uint8)

    def fill(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        x0, y0, x1, y1 = (round(v * _FINE) for v in (left, top, right, bottom))
        self.canvas[y0:y1, x0 : max(x1, x0 + 1)] = colour

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float = 1.5) -> None:
        scaled = np.array([[round(x * _FINE), round(y * _FINE)] for x, y in points], dtype=np.int32)
        cv2.polylines(self.canvas, [scaled], False, colour, max(1, round(width * _FINE)), cv2.LINE_AA)

    def write(self, text: str, left: float, base: float, size: float, colour: Colour) -> None:
        _letters(size).write(self.canvas, text, round(left * _FINE), round(base * _FINE), colour)

    def finished(self) -> Image:
        height, width = self.canvas.shape[:2]
        small = cv2.resize(self.canvas, (width // _FINE, height // _FINE), interpolation=cv2.INTER_AREA)
        return np.asarray(small, dtype=np.uint8)


@lru_cache(maxsize=32)
def _letters(size: float) -> Lettering:
    return Lettering(max(1, round(size * _CAP_SHARE * _FINE)))


def _draw_title(page: Page, timeline: Timeline) -> None:
    headline = timeline.headline()
    name = timeline.source.path.replace("\\", "/").rsplit("/", 1)[-1]
    page.write(name, MARGIN, 30, 20, _INK)
    if headline is None:
        page.write("no emotion could be read", MARGIN, 56, 15, _DIM)
    else:
        page.write(f"{headline.text}. {headline.agreement}", MARGIN, 56, 15, _DIM)


def _draw_row(page: Page, row: EmotionTier, top: float) -> None:
    page.write(row.name, MARGIN, top + 18, 15, _INK)
    page.write("probability, %", MARGIN, top + _BAND + 26, 11, _DIM)
    page.fill(_LEFT, top, WIDTH - MARGIN, top + _BAND, _TRACK)
    for segment in row.segments:
        left, right = page.x(segment.start_s), page.x(segment.end_s)
        colour = rgb(segment.label)
        page.fill(left, top, right, top + _BAND, colour)
        page.fill(left, top, left + 1, top + _BAND, _WHITE)  # tells two greys apart
        if page.text_width(segment.label, 14) + 12 < right - left:
            page.write(segment.label, left + 7, top + 18, 14, ink(colour))
    _draw_curve(page, row, top + _BAND + 4)


def _draw_curve(page: Page, row: EmotionTier, top: float) -> None:
    """Draw the confidence of the moments between 0 (bottom) and 1 (top), broken where nothing spoke."""
    for share in (0.0, 0.5, 1.0):
        page.fill(_LEFT, top + _CURVE * (1 - share), WIDTH - MARGIN, top + _CURVE * (1 - share) + 0.5, _LINE)
    for percent, base in (("100", top + 6), ("0", top + _CURVE + 3)):
        page.write(percent, _LEFT - 6 - page.text_width(percent, 9), base, 9, _DIM)
    for piece in _pieces(row, _FINEST_PX * page.span_s / (WIDTH - MARGIN - _LEFT)):
        page.line([(page.x(time_s), top + _CURVE * (1 - p)) for time_s, p in piece], _INK)


def _pieces(row: EmotionTier, finest_s: float) -> list[list[tuple[float, float]]]:
    """Return the curve in steps, as a moment stands for the time before it, cut where nothing was read.

    Steps that are closer than finest_s become one, with their mean.
    """
    starts = [s.start_s for i, s in enumerate(row.segments) if i == 0 or s.start_s > row.segments[i - 1].end_s]
    pieces: list[list[tuple[float, float]]] = []
    n_joined = 0
    for time_s, p in row.curve:
        if starts and time_s >= starts[0]:
            pieces.append([(starts.pop(0), p), (time_s, p)])
            n_joined = 1
            continue
        piece = pieces[-1]
        start_s, mean = piece[-2]
        if time_s - start_s < finest_s:
            n_joined += 1
            mean += (p - mean) / n_joined
            piece[-2:] = [(start_s, mean), (time_s, mean)]
        else:
            piece += [(piece[-1][0], p), (time_s, p)]
            n_joined = 1
    if pieces:
        last_s, p = pieces[-1][-1]
        pieces[-1].append((max(last_s, row.segments[-1].end_s), p))
    return pieces


def _draw_axis(page: Page, top: float) -> None:
    page.fill(_LEFT, top + 4, WIDTH - MARGIN, top + 5, _DIM)
    page.write("time, min:s" if page.span_s < 3600 else "time, h:min:s", MARGIN, top + 26, 12, _DIM)
    step_s = next((s for s in _STEPS_S if page.span_s / s <= 12), 10 * _STEPS_S[-1])
    for i in range(math.floor(page.span_s / step_s + 1e-9) + 1):
        x = page.x(i * step_s)
        page.fill(x, top + 4, x + 1, top + 10, _DIM)
        text = clock(i * step_s, has_tenths=step_s < 1)
        half = page.text_width(text, 12) / 2
        page.write(text, min(max(x - half, _LEFT - half), WIDTH - MARGIN - 2 * half), top + 26, 12, _DIM)


def _draw_legend(page: Page, timeline: Timeline, rows: list[EmotionTier], top: float) -> None:
    said = {segment.label for row in rows for segment in row.segments}
    left = float(_LEFT)
    for label in (label for label in timeline.labels if label in said):
        page.fill(left, top + 2, left + 14, top + 16, rgb(label))
        page.write(label, left + 20, top + 15, 13, _INK)
        left += 20 + page.text_width(label, 13) + 26
