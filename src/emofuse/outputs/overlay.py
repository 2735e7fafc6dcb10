"""Drawing an answer on a picture: boxes with tags, a card with the answer, and a bar of the labels so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, Protocol

import cv2
import numpy as np

from emofuse.emotions import rgb
from emofuse.formatting import clock
from emofuse.outputs.lettering import Colour, Image, Lettering, ink
from emofuse.outputs.translations import translate
from emofuse.segments import MIN_SEGMENT_S, interval_start
from emofuse.types import Face, Moment, in_order

Rect = tuple[int, int, int, int]  # left, top, right, bottom, in pixels
Detail = Literal["full", "simple", "boxes", "none"]

_CAP_SHARE: Final = 0.024  # height of a capital, of the picture's shorter side
_SMALLEST_CAP_PX: Final = 8
_CARD_SHADE: Final = 0.25  # of the picture's light that a card lets through
_WHITE: Final = (255, 255, 255)
_DIM: Final = (190, 190, 190)
_DARK: Final = (24, 24, 24)
_EDGE: Final = (96, 96, 96)
_TRACK: Final = (72, 72, 72)
_BLUR_MARGIN: Final = 0.25  # of a face's size, on each side
_BLUR_CELLS: Final = 6  # that a blurred face is made of, each way
_BLUR_HOLD_S: Final = 1.0  # for which the place of a lost face stays blurred
_MOVE_AFTER_S: Final = 1.0  # of faces under the card
_LOOK_BACK_S: Final = 3.0  # in which a corner must have been free to move there


class Canvas(Protocol):
    """A picture to draw on, part by part."""

    @property
    def pixels(self) -> Image:
        """(H, W, 3) uint8 RGB."""

    @property
    def touch(self) -> Callable[[Rect], None]:
        """What makes a part of the picture ready to be drawn on."""


@dataclass(frozen=True, slots=True)
class _Pixels:
    """A picture that is RGB, or a part of a canvas from its upper left on."""

    pixels: Image
    touch: Callable[[Rect], None] = lambda rect: None


@dataclass(frozen=True, slots=True)
class OverlaySettings:
    """What is drawn on a film.

    Args:
        detail: full: boxes, tags and a card with the answer of each modality; simple: the fused answer alone in the
            card; boxes: no card and no bar; none: the picture as it is.
        language: of the words, one of `translations.LANGUAGES`.
        blur_faces: whether faces are made unrecognisable.
        sharp: the number of the one person whose face stays as it is.
    """

    detail: Detail = "full"
    language: str = "en"
    blur_faces: bool = False
    sharp: int | None = None


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes in pixels, all from the height of a capital."""

    letters: Lettering
    small: Lettering
    tag: Lettering
    pad: int
    line: int
    bar: int


@lru_cache(maxsize=32)
def _style(side: int) -> _Style:
    cap = max(_SMALLEST_CAP_PX, round(side * _CAP_SHARE))
    return _Style(
        letters=Lettering(round(cap * 1.25)),
        small=Lettering(cap),
        tag=Lettering(max(_SMALLEST_CAP_PX, round(cap * 0.8))),
        pad=max(4, round(cap * 0.75)),
        line=max(2, round(cap / 5)),
        bar=max(3, round(cap * 0.45)),
    )


class TimelineBar:
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
        start_s = interval_start(moment.time_s, self._before_s, MIN_SEGMENT_S if is_first else self._hop_s)
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


class Overlay:
    """Draws moments on the pictures of one film, one after the other. The card keeps its corner until faces come under
    it and another corner has been free for some seconds.

    Args:
        settings: what is drawn.
        duration_s: of the film, for the bar along the bottom; None where it is not known.
        has_bar: whether there is a bar.
        people: the names of those who are known, "" for none, by their ids; then faces have the numbers of people, and
            a face that is nobody's has none. None: who is who is not known, and they have those of their tracks.

    Example:
        >>> picture = np.zeros((240, 320, 3), np.uint8)
        >>> Overlay().draw(picture, Moment(0.0, None)).shape
        (240, 320, 3)
    """

    def __init__(
        self,
        settings: OverlaySettings | None = None,
        *,
        duration_s: float | None = None,
        has_bar: bool = True,
        people: Mapping[int, str] | None = None,
    ) -> None:
        self._people = people
        self.settings = settings or OverlaySettings()
        self._bar = TimelineBar(duration_s) if has_bar and self.settings.detail in ("full", "simple") else None
        self._corner = _Corner()
        self._hidden: dict[int | None, tuple[float, Rect]] = {}  # when and where a face to blur was seen last

    def draw(self, image: Image, moment: Moment, *, has_card: bool = True) -> Image:
        """Draw a moment on a copy of the picture.

        Args:
            image: (H, W, 3) uint8 RGB, left as it is. Sizes follow its shorter side; what has no room is left out.
            moment: what the picture shows; moments come in the order of time.
            has_card: whether there is anything to say yet.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        canvas = _Pixels(image.copy())
        self.draw_on(canvas, moment, has_card=has_card)
        return canvas.pixels

    def draw_on(self, canvas: Canvas, moment: Moment, *, has_card: bool = True) -> None:
        """Draw a moment on a canvas, as `draw` does on a copy of a picture."""
        height, width = canvas.pixels.shape[:2]
        if self.settings.blur_faces:
            self._blur(canvas, moment)
        if self.settings.detail == "none":
            return
        style = _style(min(height, width))
        body_h = height
        if self._bar is not None:
            self._bar.push(moment)
            if height >= 8 * style.bar:
                body_h = height - style.bar
                canvas.touch((0, body_h, width, height))
                self._bar.draw(canvas.pixels[body_h:])
        body = _Pixels(canvas.pixels[:body_h], canvas.touch)
        faces = [(face, box) for face in moment.faces if (box := _visible(face, width, height)) is not None]
        boxes = [box for _, box in faces]
        taken: list[Rect] = []
        if self.settings.detail != "boxes" and has_card:
            taken += self._draw_card(body, moment, boxes, style)
        for face, box in faces:
            _draw_box(body, box, rgb(face.emotion.label) if face.emotion else _DIM, style.line)
        for face, box in faces:
            others = [*taken, *(other for other in boxes if other != box)]
            if (tag := self._draw_tag(body, face, box, others, style)) is not None:
                taken.append(tag)

    def _blur(self, canvas: Canvas, moment: Moment) -> None:
        height, width = canvas.pixels.shape[:2]
        for face in moment.faces:
            box = _visible(face, width, height)
            if box is not None and (self.settings.sharp is None or self._number(face) != self.settings.sharp):
                self._hidden[face.track_id] = (moment.time_s, box)
        self._hidden = {
            track: (seen_s, box)
            for track, (seen_s, box) in self._hidden.items()
            if moment.time_s - seen_s <= _BLUR_HOLD_S
        }
        for _, box in self._hidden.values():
            _pixelate(canvas, box)

    def _draw_card(self, body: Canvas, moment: Moment, faces: list[Rect], style: _Style) -> list[Rect]:
        """Draw the card, and return where it is; nothing where it has no room."""
        canvas = body.pixels
        height, width = canvas.shape[:2]
        most_px = width - 4 * style.pad
        time = clock(moment.time_s, has_tenths=True)
        time_px = style.small.width("0" * len(time)) + 2 * style.pad  # as wide whatever the digits
        head = style.letters.fit(self._headline(moment), most_px - time_px)
        rows = self._chips(moment, style, most_px) if self.settings.detail == "full" else []
        row_h = round(style.small.cap_px * 2)
        chips_w = max((_row_width(row, style) for row in rows), default=0)
        card_w = max(style.letters.width(head) + time_px, chips_w) + 2 * style.pad
        head_h = round(style.letters.cap_px * 2.2)
        card_h = head_h + (len(rows) * (row_h + style.pad // 2) + style.pad // 2 if rows else 0)
        if not head or card_w > width - 2 * style.pad or card_h > height / 2:
            return []
        left, top = self._corner.place((card_w, card_h), (width, height), faces, style.pad, moment.time_s)
        right, bottom = left + card_w, top + card_h
        body.touch((left, top, right, bottom))
        part = canvas[top:bottom, left:right]
        cv2.convertScaleAbs(part, dst=part, alpha=_CARD_SHADE)
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), _EDGE, 1)
        base = top + round(style.letters.cap_px * 1.6)
        colour = rgb(moment.fused.label) if moment.fused else _EDGE
        canvas[top:bottom, left : left + max(2, style.line)] = colour
        style.letters.write(canvas, head, left + style.pad, base, _WHITE if moment.fused else _DIM)
        style.small.write(canvas, time, right - style.pad - style.small.width(time), base, _DIM)
        y = top + head_h
        for row in rows:
            x = left + style.pad
            for text, fill in row:
                chip_w = style.small.width(text) + 2 * style.pad
                canvas[y : y + row_h, x : x + chip_w] = fill
                style.small.write(canvas, text, x + style.pad, y + (row_h + style.small.cap_px) // 2, ink(fill))
                x += chip_w + style.pad // 2
            y += row_h + style.pad // 2
        return [(left, top, right, bottom)]

    def _headline(self, moment: Moment) -> str:
        if moment.fused is not None:
            certainty = moment.fused.certainty
            if certainty is None:  # of a bundle that does not tell
                return f"{self._word(moment.fused.label)}  {100 * moment.fused.confidence:.0f} %"
            return f"{self._word(moment.fused.answer)}, {self._word(certainty.word)}"
        return self._word("no answer yet" if any(face.emotion for face in moment.faces) else "no face or voice")

    def _chips(self, moment: Moment, style: _Style, most_px: int) -> list[list[tuple[str, Colour]]]:
        """Return rows of a text and a colour for each modality that gave an answer."""
        rows: list[list[tuple[str, Colour]]] = []
        for modality in in_order(moment.by_modality):
            scores = moment.by_modality[modality]
            text = style.small.fit(f"{self._word(modality)}: {self._word(scores.label)}", most_px - 2 * style.pad)
            chip = (text, rgb(scores.label))
            if rows and _row_width([*rows[-1], chip], style) <= most_px:
                rows[-1].append(chip)
            else:
                rows.append([chip])
        return rows

    def _draw_tag(self, body: Canvas, face: Face, box: Rect, taken: list[Rect], style: _Style) -> Rect | None:
        """Draw the longest tag of a face that covers nothing of what is `taken`, and return where it is; None where
        not even the shortest does, for then the colour of its box has to do."""
        canvas = body.pixels
        height, width = canvas.shape[:2]
        who = self._number(face)
        name = self._people.get(who, "") if self._people is not None and who is not None else ""
        number = [name or f"#{who}"] if who is not None else []
        label = [self._word(face.emotion.label)] if face.emotion else []
        tag_h = round(1.8 * style.tag.cap_px)
        colour = rgb(face.emotion.label) if face.emotion else _DIM
        for words in ([*number, *label], label or number):
            text = " ".join(words)
            tag_w = style.tag.width(text) + style.pad
            if not text or tag_w > width or tag_h > height:
                continue
            left, top = _tag_place(box, (tag_w, tag_h), (width, height), style.line, taken)
            here = (left, top, left + tag_w, top + tag_h)
            if any(_shared(here, other) for other in taken):
                continue
            body.touch(here)
            canvas[top : top + tag_h, left : left + tag_w] = colour
            style.tag.write(canvas, text, left + style.pad // 2, top + (tag_h + style.tag.cap_px) // 2, ink(colour))
            return here
        return None

    def _number(self, face: Face) -> int | None:
        return face.track_id if self._people is None else face.person_id

    def _word(self, word: str) -> str:
        return translate(word, self.settings.language)


class _Corner:
    """Where the card is: at the lower left, unless faces are there; it moves seldom, and only to where none was."""

    _N: Final = 4

    def __init__(self) -> None:
        self._at: int | None = None
        self._covered_since_s: float | None = None
        self._used_s = [-math.inf] * self._N  # when a face was last in each corner

    def place(
        self, size: tuple[int, int], room: tuple[int, int], faces: list[Rect], pad: int, time_s: float
    ) -> tuple[int, int]:
        """Return the left and top of the card of this size, for the faces of this picture."""
        (card_w, card_h), (width, height) = size, room
        low, right = height - card_h - pad, width - card_w - pad
        places = [(pad, low), (right, low), (pad, pad), (right, pad)]
        covered = [sum(_shared((x, y, x + card_w, y + card_h), face) for face in faces) for x, y in places]
        self._used_s = [time_s if area else used_s for area, used_s in zip(covered, self._used_s, strict=True)]
        if self._at is None:
            self._at = min(range(self._N), key=lambda i: covered[i])
        elif not covered[self._at]:
            self._covered_since_s = None
        else:
            since_s = self._covered_since_s = time_s if self._covered_since_s is None else self._covered_since_s
            free = [i for i in range(self._N) if time_s - self._used_s[i] >= _LOOK_BACK_S]
            if time_s - since_s >= _MOVE_AFTER_S and free:
                self._at, self._covered_since_s = free[0], None
        x, y = places[self._at]
        return max(x, 0), max(y, 0)


def _row_width(chips: list[tuple[str, Colour]], style: _Style) -> int:
    return sum(style.small.width(text) + 2 * style.pad for text, _ in chips) + max(len(chips) - 1, 0) * (style.pad // 2)


def _visible(face: Face, width: int, height: int) -> Rect | None:
    """Return a face's box in whole pixels, None where less than two pixels of it are in the picture."""
    limits = np.array([width, height, width, height], dtype=np.float32)
    x0, y0, x1, y1 = (int(v) for v in np.clip(face.box_xyxy, -limits, 2 * limits).round())
    is_seen = min(x1, width) - max(x0, 0) >= 2 and min(y1, height) - max(y0, 0) >= 2
    return (x0, y0, x1, y1) if is_seen else None


def _pixelate(canvas: Canvas, box: Rect) -> None:
    """Make an oval around a face unrecognisable, in place: a few large cells, blurred."""
    height, width = canvas.pixels.shape[:2]
    x0, y0, x1, y1 = box
    dx, dy = round((x1 - x0) * _BLUR_MARGIN), round((y1 - y0) * _BLUR_MARGIN)
    left, top, right, bottom = max(x0 - dx, 0), max(y0 - dy, 0), min(x1 + dx, width), min(y1 + dy, height)
    canvas.touch((left, top, right, bottom))
    part = canvas.pixels[top:bottom, left:right]
    cells = cv2.resize(part, (_BLUR_CELLS, _BLUR_CELLS), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cells, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    oval = np.zeros(part.shape[:2], np.uint8)
    centre = ((x0 + x1) // 2 - left, (y0 + y1) // 2 - top)
    cv2.ellipse(oval, centre, ((x1 - x0) // 2 + dx, (y1 - y0) // 2 + dy), 0, 0, 360, 255, -1)
    cv2.copyTo(coarse, oval, part)


def _draw_box(body: Canvas, box: Rect, colour: Colour, line: int) -> None:
    """Draw a thin frame with heavy corners, on a dark edge that shows it on any background."""
    canvas = body.pixels
    x0, y0, x1, y1 = box
    arm = max(line, min(x1 - x0, y1 - y0) // 5)
    corners = [
        np.array([[x, y + dy], [x, y], [x + dx, y]], dtype=np.int32)
        for x, dx in ((x0, arm), (x1, -arm))
        for y, dy in ((y0, arm), (y1, -arm))
    ]
    edge = line + max(2, line // 2 * 2)
    for x in (x0, x1):
        body.touch((x - edge, y0 - edge, x + edge, y1 + edge))
    for y in (y0, y1):
        body.touch((x0 - edge, y - edge, x1 + edge, y + edge))
    cv2.polylines(canvas, corners, False, _DARK, edge)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, max(1, line // 2))
    cv2.polylines(canvas, corners, False, colour, line)


def _tag_place(
    box: Rect, tag: tuple[int, int], room: tuple[int, int], line: int, taken: Iterable[Rect]
) -> tuple[int, int]:
    """Return the left and top of a tag inside the picture: where it covers least of what is taken, above its box if it
    can be, else below, beside, or inside it."""
    x0, y0, x1, y1 = box
    (tag_w, tag_h), (width, height) = tag, room
    above, below = y0 - line // 2 - tag_h, y1 + line // 2 + 1
    places = [
        *((x, y) for y in (above, below) for x in (x0 - line // 2, x1 + line // 2 - tag_w)),
        *((x, max(y0, 0)) for x in (x1 + line, x0 - line - tag_w)),
        (x0, y0 + line),
        (x0, y1 - line - tag_h),
    ]
    kept = [(min(max(x, 0), width - tag_w), min(max(y, 0), height - tag_h)) for x, y in places]
    others = [*taken]

    def cost(i: int) -> tuple[int, int, int]:
        x, y = kept[i]
        here = (x, y, x + tag_w, y + tag_h)
        return sum(_shared(here, other) for other in others), _shared(here, box), i

    return kept[min(range(len(kept)), key=cost)]


def _shared(one: Rect, other: Rect) -> int:
    """Return the area that two boxes share, in pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)
