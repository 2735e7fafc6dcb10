"""Timelines built by hand, for the tests of what is written from them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from emofuse.emotions import BASE
from emofuse.people import Person
from emofuse.timeline import SourceInfo, Summary, Timeline, mean_scores
from emofuse.types import (
    ALWAYS_LISTED,
    BLENDSHAPES,
    MODALITIES,
    Face,
    FaceAngles,
    FaceMeasurement,
    Line,
    Moment,
    Scores,
)


def scores(
    winner: str, p: float = 0.7, modality: str = "fused", time_s: float = 0.0, labels: tuple[str, ...] = BASE
) -> Scores:
    """Scores with `p` for the winner and the rest shared evenly."""
    values = np.full(len(labels), (1 - p) / max(len(labels) - 1, 1), dtype=np.float32)
    values[labels.index(winner)] = p
    return Scores(modality, labels, values, time_s, time_s)


def face(box: tuple[float, ...] = (10, 20, 60, 90), label: str | None = "happy", track_id: int | None = 3) -> Face:
    emotion = scores(label, 0.83, "face") if label else None
    return Face(np.array(box, dtype=np.float32), 0.9, None, track_id, emotion)


def moment(
    time_s: float,
    label: str | None,
    used: tuple[str, ...] = ("face",),
    faces: tuple[Face, ...] = (),
    p: float = 0.7,
    labels: tuple[str, ...] = BASE,
) -> Moment:
    """A moment in which `used` all say `label`; None is a moment in which nothing spoke."""
    if label is None:
        return Moment(time_s, None, {}, faces)
    spoken = {m: scores(label, p, m, time_s, labels) for m in used}
    return Moment(time_s, scores(label, p, "fused", time_s, labels), spoken, faces)


def timeline(*moments: Moment, duration_s: float | None = None, labels: tuple[str, ...] = BASE) -> Timeline:
    """A timeline of these moments, summed up as an analysis does."""
    listed = [m for m in MODALITIES if m in ALWAYS_LISTED or any(m in x.by_modality for x in moments)]
    by_modality = {m: mean_scores([x.by_modality[m] for x in moments if m in x.by_modality], m) for m in listed}
    fused = mean_scores([x.fused for x in moments if x.fused is not None], "fused")
    why = {m: f"no {m} was found" for m, found in by_modality.items() if found is None}
    source = SourceInfo("clip.mp4", duration_s, 640, 480, 25.0, True, True)
    return Timeline(labels, moments, source, Summary(fused, by_modality, why), {"name": "base", "version": "1"})


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV that was written of timelines."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def course(plan: list[tuple[str | None, int]], hop_s: float = 0.1) -> list[Moment]:
    """Moments every hop_s: (label, how many) one after another; None is silence."""
    labels = [label for label, count in plan for _ in range(count)]
    return [moment(i * hop_s, label) for i, label in enumerate(labels)]


def measurement(time_s: float, track_id: int | None = 3, **shapes: float) -> FaceMeasurement:
    """What was measured of a face that looks a little to the side; shapes: blendshapes by name, the others are 0."""
    values = np.array([shapes.get(name, 0.0) for name in BLENDSHAPES], np.float32)
    return FaceMeasurement(time_s, track_id, 0.98, FaceAngles(12.0, -3.5, 1.25), FaceAngles(8.0, -1.0), values)


def conversation() -> Timeline:
    """Four seconds of two people, Anna and one without a name, in which three lines are said, one by nobody known."""
    seen = {2: face(track_id=7, label="happy"), 1: face(track_id=4, label="sad")}
    moments = [
        replace(m, faces=tuple(replace(f, person_id=i) for i, f in seen.items()))
        for m in course([("happy", 20), ("sad", 20)])
    ]
    lines = (
        Line("I am so glad <3", 0.2, 1.0, speaker="A", emotion=scores("happy", 0.9, "text"), person_id=2),
        Line("That is -->\nsad.", 2.0, 2.9, person_id=1),
        Line("Who is there?", 2.8, 3.2, speaker="B"),
    )
    people = (
        Person(1, "", ((0.0, 4.0),), (), {"sad": 4.0}, scores("sad", 0.83), {"face": scores("sad", 0.83, "face")}),
        Person(2, "Anna", ((0.0, 4.0),), ((0.2, 1.0),), {"happy": 4.0}, scores("happy", 0.83)),
    )
    return replace(timeline(*moments, duration_s=4.0), lines=lines, people=people)


HAPPY_THEN_SAD = timeline(*course([("happy", 3), ("sad", 2)], hop_s=1.0), duration_s=5.0)
ANGRY = timeline(moment(0.5, "angry", faces=(face(),)), duration_s=1.0)


TIMELINES: dict[str, Timeline] = {
    "empty": timeline(),
    "nothing spoke": timeline(moment(0.0, None), moment(0.5, None), duration_s=1.0),
    "sound only": timeline(moment(0.0, "sad", ("voice", "text")), moment(0.5, "sad", ("voice",)), duration_s=1.0),
    "silent film": timeline(moment(0.0, "happy", ("face",), (face(),)), duration_s=0.04),
    "many faces": timeline(
        *(moment(i / 25, "angry", ("face", "voice"), tuple(face(track_id=k) for k in range(20))) for i in range(30)),
        duration_s=1.2,
    ),
    "with clips": timeline(moment(0.5, "sad", ("face", "clip"), (face(),)), moment(1.0, "sad", ("clip",))),
    "face not read": timeline(moment(0.0, None, faces=(face((-5.5, -3, 20, 20), None, None),))),
    "measured": replace(
        timeline(moment(0.5, "happy", ("face",), (face(),)), moment(1.0, "sad", ("face",), (face(),)), duration_s=1.0),
        face_measurements=tuple(
            measurement(
                i / 10, mouthSmileLeft=i / 10, eyeBlinkLeft=float(i in (4, 5)), eyeBlinkRight=float(i in (4, 5))
            )
            for i in range(11)
        ),
    ),
    "two people who speak": conversation(),
    "a gap": timeline(*course([("happy", 20), (None, 30), ("sad", 20)]), duration_s=7.0),
}
