"""Drawing an answer on a picture: boxes with tags, a panel of bars, and a strip of the labels so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import rgb
from emofuse.segments import MIN_SEGMENT_S, stands_from
from emofuse.types import MODALITIES, Face, Moment

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Rect = tuple[int, int, int, int]

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_FONT_CAP_PX: Final = 21  # height of a capital of this font at scale 1
_CAP_SHARE: Final = 0.021  # of the picture's shorter side
_SMALLEST_CAP_PX: Final = 7  # smaller letters of this font run together
_LARGEST_PANEL: Final = 0.5  # of the picture, each way
_WHITE: Final = (255, 255, 255)
_DIM: Final = (200, 200, 200)
_DARK: Final = (24, 24, 24)
_TRACK: Final = (72, 72, 72)


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes in pixels, all from `cap`, the height of a capital."""

    cap: int
    scale: float
    stroke: int
    pad: int
    row: int
    line: int
    strip: int


class Strip:
    """The colours of the labels so far, from left to right over a recording, at a fixed cost per picture.

    A moment colours the time since the one before it, as in a timeline's segments. duration_s: seconds that the
    full width stands for; it doubles when time runs past it, and None (a live stream) starts with a minute.
    """

    _N_CELLS: Final = 2048

    def __init__(self, duration_s: float | None = None) -> None:
        self._span_s = duration_s if duration_s is not None and duration_s > 0 else 60.0
        self._cells: Image = np.full((1, self._N_CELLS, 3), _DARK, dtype=np.uint8)
        self._before_s = -math.inf
        self._hop_s = math.inf  # the latest step between moments; none yet

    def push(self, moment: Moment) -> None:
        """Add a moment; they must come in the order of time."""
        while moment.time_s > self._span_s:
            self._span_s *= 2
            half = self._cells[:, ::2].copy()
            self._cells[:] = _DARK
            self._cells[:, : half.shape[1]] = half
        is_first = self._before_s == -math.inf
        start_s = stands_from(moment.time_s, self._before_s, MIN_SEGMENT_S if is_first else self._hop_s)
        start = min(int(max(start_s, 0.0) / self._span_s * self._N_CELLS), self._N_CELLS - 1)
        end = max(math.ceil(moment.time_s / self._span_s * self._N_CELLS), start + 1)
        self._cells[:, start:end] = rgb(moment.fused.label) if moment.fused else _TRACK
        if not is_first:
            self._hop_s = moment.time_s - self._before_s
        self._before_s = moment.time_s

    def draw(self, canvas: Image) -> None:
        """Fill the canvas, (H, W, 3) uint8 RGB, in place."""
        height, width = canvas.shape[:2]
        canvas[:] = cv2.resize(self._cells, (width, height), interpolation=cv2.INTER_NEAREST)


def draw(image: Image, moment: Moment, labels: Sequence[str], *, strip: Strip | None = None) -> Image:
    """Draw a moment on a copy of the picture: its faces, the fused probabilities and who spoke.

    image: (H, W, 3) uint8 RGB, left as it is; labels: what the panel lists, in its order; strip: the labels
    so far, drawn along the bottom (push the moment to it first). Sizes follow the picture's shorter side, and
    what has no room is left out. Returns: (H, W, 3) uint8 RGB.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    style = _style(min(height, width))
    body = canvas
    if strip is not None and height >= 8 * style.strip:
        body = canvas[: -style.strip]
        strip.draw(canvas[-style.strip :])
    panel = _draw_panel(body, moment, labels, style)
    for face in moment.faces:
        _draw_face(body, face, style, panel)
    return canvas


def drawable(text: str) -> str:
    """Replace what the drawing font does not have, which is all but printable ASCII, by "?"."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)


@lru_cache(maxsize=32)
def _style(side: int) -> _Style:
    cap = max(_SMALLEST_CAP_PX, round(side * _CAP_SHARE))
    return _Style(
        cap=cap,
        scale=cap / _FONT_CAP_PX,
        stroke=max(1, round(cap / 9)),
        pad=max(4, round(cap * 0.7)),
        row=round(cap * 1.7),
        line=max(2, round(cap / 5)),
        strip=max(3, round(cap * 0.45)),
    )


@lru_cache(maxsize=1024)
def _text_width(text: str, scale: float, stroke: int) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, stroke)[0][0])


def _fit(text: str, style: _Style, width: int) -> str:
    """Shorten the text until it is no wider than `width` pixels; "" when not even one letter is."""
    text = drawable(text)
    kept = text
    while kept and _text_width(kept, style.scale, style.stroke) > width:
        kept = kept[:-3] + "." if len(kept) > 3 else ""
    return kept


def _write(canvas: Image, text: str, left: int, base: int, colour: Colour, style: _Style) -> None:
    cv2.putText(canvas, text, (left, base), _FONT, style.scale, colour, style.stroke, cv2.LINE_AA)


def _ink(background: Colour) -> Colour:
    """Black or white, whichever reads better on the colour (luma of ITU-R BT.601)."""
    red, green, blue = background
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else _WHITE


def _draw_panel(canvas: Image, moment: Moment, labels: Sequence[str], style: _Style) -> Rect:
    """Draw the panel in the upper left corner and return where it is; empty when it has no room."""
    height, width = canvas.shape[:2]
    given = dict(zip(moment.fused.labels, moment.fused.probabilities.tolist(), strict=True)) if moment.fused else {}
    n_rows = min(len(labels), int((height * _LARGEST_PANEL - 2 * style.pad) / style.row) - 1)
    widest = int(width * _LARGEST_PANEL)
    number_px = _text_width("100", style.scale, style.stroke)
    free_px = widest - number_px - 4 * style.pad
    names = {label: _fit(label, style, free_px - 2 * style.cap) for label in labels}
    name_px = max((_text_width(n, style.scale, style.stroke) for n in names.values()), default=0)
    bar_px = min(round(6.5 * style.cap), free_px - name_px)
    if n_rows < 1 or not any(names.values()):
        return (0, 0, 0, 0)
    left = top = style.pad
    right = left + name_px + bar_px + number_px + 4 * style.pad
    bottom = top + (n_rows + 1) * style.row + style.pad
    box = canvas[top:bottom, left:right]
    cv2.convertScaleAbs(box, dst=box, alpha=0.28)

    winner = moment.fused.label if moment.fused else None
    bar_left = left + 2 * style.pad + name_px
    for i, label in enumerate(_shown(labels, given, n_rows)):
        base = top + style.pad // 2 + round((i + 0.5) * style.row) + style.cap // 2
        p = min(max(given.get(label, 0.0), 0.0), 1.0)
        ink = _WHITE if label == winner else _DIM
        _write(canvas, names[label], left + style.pad, base, ink, style)
        canvas[base - style.cap : base + 1, bar_left : bar_left + bar_px] = _TRACK
        canvas[base - style.cap : base + 1, bar_left : bar_left + round(bar_px * p)] = rgb(label)
        if given:
            number = f"{100 * p:.0f}"
            gap = number_px - _text_width(number, style.scale, style.stroke)
            _write(canvas, number, bar_left + bar_px + style.pad + gap, base, ink, style)
    nobody = "no answer yet" if any(face.emotion for face in moment.faces) else "no face or voice"
    spoke = " + ".join(m for m in MODALITIES if m in moment.by_modality) or nobody
    base = top + style.pad // 2 + round((n_rows + 0.5) * style.row) + style.cap // 2
    _write(canvas, _fit(spoke, style, right - left - 2 * style.pad), left + style.pad, base, _WHITE, style)
    return (left, top, right, bottom)


def _shown(labels: Sequence[str], given: dict[str, float], n_rows: int) -> list[str]:
    """The most probable labels that there are rows for, in the order of `labels`."""
    best = set(sorted(labels, key=lambda label: -given.get(label, 0.0))[:n_rows])
    return [label for label in labels if label in best]


def _draw_face(canvas: Image, face: Face, style: _Style, panel: Rect) -> None:
    height, width = canvas.shape[:2]
    limits = np.array([width, height, width, height], dtype=np.float32)
    x0, y0, x1, y1 = (int(v) for v in np.clip(face.box_xyxy, -limits, 2 * limits).round())
    if min(x1, width) - max(x0, 0) < 2 or min(y1, height) - max(y0, 0) < 2:
        return
    colour = rgb(face.emotion.label) if face.emotion else _DIM
    _draw_box(canvas, (x0, y0, x1, y1), colour, style.line)
    words = [f"{face.emotion.label} {100 * face.emotion.confidence:.0f} %"] if face.emotion else []
    words += [f"#{face.track_id}"] if face.track_id is not None else []
    text = _fit("  ".join(words), style, width - 2 * style.pad)
    tag_h = round(1.8 * style.cap)
    if not text or tag_h > height:
        return
    tag_w = _text_width(text, style.scale, style.stroke) + 2 * style.pad
    left, top = _tag_place((x0, y0, x1, y1), (tag_w, tag_h), (width, height), style.line, panel)
    canvas[top : top + tag_h, left : left + tag_w] = colour
    _write(canvas, text, left + style.pad, top + (tag_h + style.cap) // 2, _ink(colour), style)


def _draw_box(canvas: Image, box: Rect, colour: Colour, line: int) -> None:
    """Draw a thin frame with heavy corners, on a dark edge that shows it on any background."""
    x0, y0, x1, y1 = box
    arm = max(line, min(x1 - x0, y1 - y0) // 5)
    corners = [
        np.array([[x, y + dy], [x, y], [x + dx, y]], dtype=np.int32)
        for x, dx in ((x0, arm), (x1, -arm))
        for y, dy in ((y0, arm), (y1, -arm))
    ]
    cv2.polylines(canvas, corners, False, _DARK, line + max(2, line // 2 * 2))
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, max(1, line // 2))
    cv2.polylines(canvas, corners, False, colour, line)


def _tag_place(box: Rect, tag: tuple[int, int], room: tuple[int, int], line: int, panel: Rect) -> tuple[int, int]:
    """Return the left and top of a tag inside the picture: above the box, else below it, else inside it."""
    x0, y0, _, y1 = box
    tag_w, tag_h = tag
    width, height = room
    left = min(max(x0 - line // 2, 0), width - tag_w)
    for top in (y0 - line // 2 - tag_h, y1 + line // 2 + 1):
        hits_panel = left < panel[2] and left + tag_w > panel[0] and top < panel[3] and top + tag_h > panel[1]
        if 0 <= top <= height - tag_h and not hits_panel:
            return left, top
    return left, min(max(y0, 0), height - tag_h)
