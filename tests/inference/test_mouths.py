"""Who speaks: the one whose mouth moves, nobody in view where none does, and no answer where that is not clear."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.mouths import MouthWatcher
from emofuse.inference.people_summary import assign_lines, name_faces
from emofuse.preprocessing.face import FaceCrops
from emofuse.types import OUT_OF_VIEW, AudioBlock, Face, Frame, Line, Moment

PLACES = {1: 60, 2: 180}
RATE_HZ = 25


def picture(i: int, speaking: Sequence[int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw two faces that sway a little, of which some open and close their mouths four times a second."""
    image = np.full((120, 260, 3), 190, np.float32)
    for track_id, x in PLACES.items():
        middle = (round(x + 2 * np.sin(i / 9 + track_id)), 60)
        cv2.ellipse(image, middle, (28, 36), 0, 0, 360, (150, 120, 100), -1)
        for side in (-11, 11):
            cv2.circle(image, (middle[0] + side, middle[1] - 10), 4, (40, 30, 30), -1)
        height = 2 + (5 * abs(np.sin(np.pi * 4 * i / RATE_HZ)) if track_id in speaking else 0)
        cv2.ellipse(image, (middle[0], middle[1] + 19), (10, round(height)), 0, 0, 360, (60, 20, 30), -1)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def faces() -> list[Face]:
    return [Face(np.array([x - 28, 24, x + 28, 96], np.float32), 0.95, None, i) for i, x in PLACES.items()]


def speaker(speaking: Sequence[int], tracks: Sequence[int] = (1, 2)) -> int | None:
    watcher, rng = MouthWatcher(), np.random.default_rng(0)
    for i in range(RATE_HZ):
        watcher.push(FaceCrops(picture(i, speaking, rng)), faces(), i / RATE_HZ)
    return watcher.speaker(tracks, (RATE_HZ - 1) / RATE_HZ)


@pytest.mark.parametrize(
    ("speaking", "tracks", "who"),
    [
        ([1], (1, 2), 1),
        ([2], (1, 2), 2),
        ([], (1, 2), OUT_OF_VIEW),
        ([1], (1,), 1),
        ([2], (1,), OUT_OF_VIEW),  # who is in view does not speak
        ([1, 2], (1, 2), None),
        ([1], (), OUT_OF_VIEW),
        ([1], (1, 9), None),  # one of them has only just come
    ],
)
def test_who_speaks_is_whose_mouth_moves(speaking: list[int], tracks: tuple[int, ...], who: int | None) -> None:
    assert speaker(speaking, tracks) == who


def test_a_mouth_that_is_gone_is_forgotten() -> None:
    watcher, rng = MouthWatcher(), np.random.default_rng(0)
    for i in range(RATE_HZ):
        watcher.push(FaceCrops(picture(i, [1], rng)), faces(), i / RATE_HZ)
    watcher.push(FaceCrops(picture(0, [], rng)), [], 9.0)
    assert watcher.movement(1, 9.0) is None


class _Faces:
    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        return [Face(face.box_xyxy, face.score) for face in faces()]


class _Speech:
    """Hears speech in the second second alone."""

    def push(self, block: AudioBlock) -> None:
        pass

    def spoken_s(self, samples: NDArray[np.float32], end_s: float) -> float:
        return len(samples) / 16_000 if 1.0 < end_s <= 2.0 else 0.0


def test_a_stream_tells_who_speaks_while_speech_is_heard() -> None:
    settings = AnalyzerSettings(hop_s=0.5, detect_period_s=0)
    analyzer = Analyzer(load_bundle("base"), _Faces(), settings, speech=_Speech())
    rng, moments, spoken = np.random.default_rng(0), [], []
    for i in range(3 * RATE_HZ):
        moments += analyzer.push(AudioBlock(np.zeros(640, np.float32), 16_000, i / RATE_HZ))
        moments += analyzer.push(Frame(picture(i, [2], rng), i / RATE_HZ))
        spoken += analyzer.take_speakers()
    moments += analyzer.flush()
    spoken += analyzer.take_speakers()
    assert [time_s for time_s, _ in spoken] == [1.5, 2.0]
    (track_id,) = {track for _, track in spoken}
    x = next(f.box_xyxy[0] for f in moments[2].faces if f.track_id == track_id)
    assert x == pytest.approx(PLACES[2] - 28, abs=4)
    named = name_faces(moments, {track_id: 7}, spoken)
    assert [(m.time_s, m.speaker_id) for m in named if m.speaker_id is not None] == [(1.5, 7), (2.0, 7)]


def test_lines_are_of_who_speaks_them_and_labels_go_first() -> None:
    who = [1, 1, 2, 2, 0, 0, None, 2]
    moments = [Moment(0.5 * (i + 1), None, speaker_id=one) for i, one in enumerate(who)]
    lines = [
        Line("of the first", 0.0, 1.0),
        Line("of the second", 1.0, 2.0),
        Line("of nobody in view", 2.0, 3.0),
        Line("of nobody known", 3.0, 3.5),
        Line("mostly of B", 0.6, 2.0, speaker="B"),
        Line("by its label", 0.0, 0.4, speaker="B"),
    ]
    assert [line.person_id for line in assign_lines(lines, moments)] == [1, 2, None, None, 2, 2]
