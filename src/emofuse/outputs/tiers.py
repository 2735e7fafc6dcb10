"""A timeline as tiers: the stretches of one label of the fused answer, of each modality and of each person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from emofuse.segments import Segment
from emofuse.timeline import Timeline
from emofuse.types import Face, Line, Moment, Scores

Kind = Literal["fused", "modality", "person"]

_N_AROUND: Final = 5  # moments before and after a person is seen: enough to tell their usual distance


@dataclass(frozen=True, slots=True)
class EmotionTier:
    """One row of a timeline. name: "fused", a modality, and a person's name or "person 3".

    segments: in order, without overlaps. curve: (time_s, probability of the most probable label) of each moment
    with an answer.
    """

    name: str
    kind: Kind
    segments: tuple[Segment, ...]
    curve: tuple[tuple[float, float], ...]


def emotion_tiers(timeline: Timeline) -> list[EmotionTier]:
    """Return the fused tier, one for each modality that was used, and one for each person whose face was read.

    All have their stretches by the same rules (`Timeline.segments`). A face that is not followed has no tier.
    """
    found = [_tier("fused", "fused", timeline, timeline.moments, lambda moment: moment.fused)]
    for modality in timeline.summary.used:
        found.append(_tier(modality, "modality", timeline, timeline.moments, partial(_scores, modality)))
    names = {row.name for row in found}
    for face_id, (first, last) in sorted(faces(timeline).items()):
        # Only the moments around the person: a long recording has many people, each seen for a while.
        near = timeline.moments[max(0, first - _N_AROUND) : last + 1 + _N_AROUND]
        name = _free_name(_person_name(timeline, face_id), names)
        names.add(name)
        found.append(_tier(name, "person", timeline, near, partial(_emotion, _id_of(timeline), face_id)))
    return found


def faces(timeline: Timeline) -> dict[int, tuple[int, int]]:
    """Return the people whose face was read, by their ids: their first and last moment's index.

    A timeline that does not know who is who has the tracks in their place.
    """
    id_of = _id_of(timeline)
    found: dict[int, tuple[int, int]] = {}
    for i, moment in enumerate(timeline.moments):
        for face in moment.faces:
            face_id = id_of(face)
            if face_id is not None and face.emotion is not None:
                found[face_id] = (found.get(face_id, (i, i))[0], i)
    return found


@dataclass(frozen=True, slots=True)
class WordsTier:
    """The words of one speaker. name: "words", or "words of Anna"; lines: in the order of time."""

    name: str
    lines: tuple[Line, ...]


def words_tiers(timeline: Timeline) -> list[WordsTier]:
    """Return what was said, a tier for each speaker in the order in which they begin to speak."""
    of_speaker: dict[str, list[Line]] = {}
    for line in sorted(timeline.lines, key=lambda line: (line.start_s, line.end_s)):
        of_speaker.setdefault(speaker_of(timeline, line), []).append(line)
    return [WordsTier(f"words of {who}" if who else "words", tuple(lines)) for who, lines in of_speaker.items()]


def speaker_of(timeline: Timeline, line: Line) -> str:
    """Return who says a line: the person's name, that of the transcript, "Person 2", or "" where nobody knows."""
    person = next((p for p in timeline.people if p.id == line.person_id), None)
    return (person.name if person else "") or line.speaker or (person.title if person else "")


def length_s(timeline: Timeline, rows: Sequence[EmotionTier]) -> float:
    """Return how many seconds a document of these tiers spans: all of the recording, and all that was spoken."""
    ends = [row.segments[-1].end_s for row in rows if row.segments]
    last_s = timeline.moments[-1].time_s if timeline.moments else 0.0
    return max(timeline.source.duration_s or 0.0, last_s, *ends)


def _tier(
    name: str,
    kind: Kind,
    timeline: Timeline,
    moments: Sequence[Moment],
    scores_of: Callable[[Moment], Scores | None],
) -> EmotionTier:
    # The same moments with this tier's scores alone as the answer: the usual distance of moments stays what it is.
    alone = replace(timeline, moments=tuple(Moment(m.time_s, scores_of(m)) for m in moments))
    curve = tuple((m.time_s, m.fused.confidence) for m in alone.moments if m.fused is not None)
    return EmotionTier(name, kind, tuple(alone.segments()), curve)


def _scores(modality: str, moment: Moment) -> Scores | None:
    return moment.by_modality.get(modality)


def _emotion(id_of: Callable[[Face], int | None], face_id: int, moment: Moment) -> Scores | None:
    return next((f.emotion for f in moment.faces if id_of(f) == face_id), None)


def _id_of(timeline: Timeline) -> Callable[[Face], int | None]:
    """Return what tells faces apart: people, or tracks where nobody knows who is who."""
    return _person_id if timeline.people else _track_id


def _person_id(face: Face) -> int | None:
    return face.person_id


def _track_id(face: Face) -> int | None:
    return face.track_id


def _person_name(timeline: Timeline, face_id: int) -> str:
    person = next((p for p in timeline.people if p.id == face_id), None)
    return person.name if person is not None and person.name else f"person {face_id}"


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number where it is taken: a tier's name stands once in a document."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free
