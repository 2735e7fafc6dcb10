"""Explanations as a section of the report: pictures that are in the page, and words with their marks."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.explanation import Explanation, FaceSaliency, VoiceSaliency, WordSaliency
from emofuse.pages import render_macro

FACE_PX: Final = 192  # a side of the picture of a face
SPECTRUM_PX: Final = (360, 160)  # width and height of that of a voice
_STRIP_PX: Final = 18  # of the strips that tell the influence of times and of bands
_LEAST: Final = 0.1  # of a log-probability: less than that colours faintly, however little the most is
_FOR: Final = np.array([214, 69, 20], np.float64)  # red: without it the answer is less sure
_AGAINST: Final = np.array([29, 99, 214], np.float64)
_N_SHADES: Final = 3  # of a word's mark
_TEMPLATE: Final = "outputs/explanations.html.jinja"


def explanations_html(explanations: Sequence[Explanation]) -> str:
    """Return a section for the report, as markup; "" for none."""
    if not explanations:
        return ""
    return render_macro(_TEMPLATE, "section", [_moment(one) for one in explanations])


def _moment(one: Explanation) -> dict[str, Any]:
    pictures = []
    if one.face is not None:
        pictures.append(_picture(draw_face(one.face), "The face as the network is given it, and what it goes by"))
    if one.voice is not None:
        span = f"{one.voice.start_s:.1f} to {one.voice.end_s:.1f} s"
        told = f"The voice from {span}: its spectrum, the influence of time above and of frequency at the right"
        pictures.append(_picture(draw_voice(one.voice), told))
    return {
        "title": f"{one.time_s:.1f} s: {one.label} {100 * one.confidence:.0f} %",
        "shares": ", ".join(f"{name} {100 * p:.0f} %" for name, p in one.by_modality.items()),
        "pictures": pictures,
        "words": None if one.words is None else _marked(one.words),
    }


def _picture(picture: NDArray[np.uint8], caption: str) -> dict[str, Any]:
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    height, width = picture.shape[:2]
    text = base64.b64encode(data.tobytes()).decode("ascii")
    return {"caption": caption, "width": width, "height": height, "png": text}


def draw_face(face: FaceSaliency) -> NDArray[np.uint8]:
    """Draw the face alone, and beside it with its influence: (FACE_PX, 2 FACE_PX, 3) uint8 RGB."""
    size = (FACE_PX, FACE_PX)
    grey = cv2.cvtColor(cv2.resize(face.crop, size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    influence = cv2.resize(face.influence, size, interpolation=cv2.INTER_CUBIC)
    return np.hstack([grey, _tinted(grey.astype(np.float64), _strength(influence))]).astype(np.uint8)


def draw_voice(voice: VoiceSaliency) -> NDArray[np.uint8]:
    """Draw the spectrum, low frequencies below, with a strip for time above it and one for frequency beside it."""
    width, height = SPECTRUM_PX
    rows = np.geomspace(voice.band_edges_hz[0], voice.band_edges_hz[-1], height + 1)[:-1][::-1]
    hertz = np.linspace(0, voice.band_edges_hz[-1], len(voice.spectrum))
    levels = voice.spectrum[np.searchsorted(hertz, rows).clip(max=len(hertz) - 1)]
    shade = 255 * (1 - np.clip(levels / levels.min(), 0, 1)) if levels.min() < 0 else np.zeros_like(levels)
    grey = cv2.resize(shade.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    picture = np.full((height + _STRIP_PX, width + _STRIP_PX, 3), 255.0)
    picture[_STRIP_PX:, :width] = grey[:, :, None]
    most = max(float(np.abs(voice.by_time).max()), float(np.abs(voice.by_band).max()))
    times = np.repeat(_strength(voice.by_time, most), -(-width // len(voice.by_time)))[:width]
    bands = np.repeat(_strength(voice.by_band, most)[::-1], -(-height // len(voice.by_band)))[:height]
    picture[: _STRIP_PX - 2, :width] = _tinted(np.full((_STRIP_PX - 2, width, 3), 255.0), times[None].repeat(16, 0))
    picture[_STRIP_PX:, width + 2 :] = _tinted(np.full((height, 16, 3), 255.0), bands[:, None].repeat(16, 1))
    return picture.astype(np.uint8)


def words_html(words: WordSaliency) -> str:
    """Return the words, those with influence marked: `for-3` most for the answer, `against-3` most against it."""
    return render_macro(_TEMPLATE, "words", _marked(words))


def _marked(words: WordSaliency) -> list[tuple[str, str]]:
    """Return each word with the class of its mark, "" for none."""
    strengths = _strength(np.array(words.influence or (0.0,)))
    marked = []
    for word, strength in zip(words.words, strengths.tolist(), strict=False):
        shade = round(abs(strength) * _N_SHADES)
        marked.append((word, f"{'for' if strength > 0 else 'against'}-{shade}" if shade else ""))
    return marked


def _strength(influence: NDArray[Any], most: float | None = None) -> NDArray[np.float64]:
    """Return influence in [-1, 1], the largest at 1, but where all is next to nothing."""
    largest = max(float(np.abs(influence).max()) if most is None else most, _LEAST)
    return np.asarray(np.clip(influence / largest, -1, 1), dtype=np.float64)


def _tinted(picture: NDArray[np.float64], strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colour (H, W, 3) by (H, W) strengths."""
    colour = np.where(strength[:, :, None] > 0, _FOR, _AGAINST)
    share = 0.75 * np.abs(strength)[:, :, None]
    return np.asarray((1 - share) * picture + share * colour)
