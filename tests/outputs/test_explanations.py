"""Explanations in the report: pictures that are in the page, colours that say for or against, no markup of others."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np

from emofuse.explanation import Explanation, FaceSaliency, VoiceSaliency, WordSaliency
from emofuse.outputs.explanations import draw_face, draw_voice, explanations_html, words_html

RED, BLUE = 0, 2


def face() -> FaceSaliency:
    influence = np.zeros((48, 48), np.float32)
    influence[30:40] = 1.0
    influence[4:12] = -1.0
    return FaceSaliency(np.full((48, 48), 128, np.uint8), influence)


def voice() -> VoiceSaliency:
    spectrum = np.full((257, 300), -80, np.float32)
    spectrum[32] = 0  # 1 kHz
    by_time, by_band = np.zeros(10, np.float32), np.zeros(10, np.float32)
    by_time[2], by_band[0] = 1.0, -1.0
    return VoiceSaliency(0.0, 3.0, spectrum, by_time, by_band, np.geomspace(60, 8000, 11).astype(np.float32))


def test_a_face_is_tinted_for_and_against() -> None:
    picture = draw_face(face()).astype(int)
    assert picture.shape == (192, 384, 3)
    assert (picture[:, :192] == 128).all()  # the face itself
    mouth, brow, cheek = picture[140, 288], picture[32, 288], picture[84, 288]
    assert mouth[RED] > mouth[BLUE] + 60
    assert brow[BLUE] > brow[RED] + 60
    assert abs(cheek[RED] - cheek[BLUE]) < 5


def test_little_influence_is_faint() -> None:
    faint = FaceSaliency(face().crop, face().influence / 1000)
    assert np.abs(draw_face(faint)[:, 192:].astype(int) - 128).max() <= 2


def test_time_is_above_a_voice_and_frequency_beside_it() -> None:
    picture = draw_voice(voice()).astype(int)
    strip = picture[8, :360]
    assert strip[90, RED] > strip[90, BLUE] + 60  # from 0.6 to 0.9 of 3 s
    assert (strip[200] > 250).all()
    side = picture[18:, 370]
    assert side[-5, BLUE] > side[-5, RED] + 60  # low frequencies are below
    assert (side[40] > 250).all()
    line = picture[18:, 100].sum(axis=1).argmax() / 160  # where the tone is, of the height
    assert abs(line - (1 - np.log(1000 / 60) / np.log(8000 / 60))) < 0.05


def test_words_are_marked_by_how_much_they_count() -> None:
    html = words_html(WordSaliency(("so", "very", "<b>sad</b>", "fine"), (0.01, 0.4, 1.0, -0.7)))
    assert html.startswith("<p>so <mark")
    assert '<mark class="for-1">very</mark>' in html
    assert '<mark class="for-3">&lt;b&gt;sad&lt;/b&gt;</mark>' in html
    assert '<mark class="against-2">fine</mark>' in html


def test_the_section_has_pictures_in_it_and_asks_for_nothing() -> None:
    one = Explanation(1.5, "happy", 0.83, {"face": 0.9, "voice": 0.4}, face(), voice(), WordSaliency(("yes",), (0.5,)))
    html = explanations_html([one])
    assert "1.5 s: happy 83 %" in html and "face 90 %, voice 40 %" in html
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == html.count("<img") == 2
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (192, 384, 3)
    assert "http" not in html and "style=" not in html  # the page's policy allows neither
    assert explanations_html([]) == ""
    assert "<img" not in explanations_html([Explanation(1.5, "happy", 0.83, {})])
