"""What a recording adds up to for each person in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from emofuse.inference.answers import AnswerMaker
from emofuse.inference.people import TrackRecord
from emofuse.people import Person, Stretch, join_stretches
from emofuse.segments import cut_segments, share_of_time
from emofuse.timeline import mean_scores
from emofuse.types import Moment, Scores


def name_faces(moments: Iterable[Moment], told: Mapping[int, int | None]) -> list[Moment]:
    """Return the moments with the person of every face. told: the person of each track, by its number."""
    return [
        replace(
            m,
            faces=tuple(replace(f, person_id=None if f.track_id is None else told.get(f.track_id)) for f in m.faces),
        )
        for m in moments
    ]


def people_of(
    moments: Sequence[Moment],
    records: Sequence[TrackRecord],
    told: Mapping[int, int | None],
    answers: AnswerMaker,
    labels: tuple[str, ...],
    duration_s: float | None,
) -> tuple[Person, ...]:
    """Sum up everyone.

    Args:
        moments: Of the recording, whose faces have their people (`name_faces`).
        records: Every track.
        told: The person of each track, by its number.
        answers: Fuses what the modalities of a person give.
        labels: The emotions, in the order of every probability.
        duration_s: Of the recording; None where it is not known.

    Returns:
        The people, in the order of their ids.
    """
    of_person: dict[int, list[TrackRecord]] = {}
    for record in records:
        person_id = told.get(record.track_id)
        if person_id is not None:
            of_person.setdefault(person_id, []).append(record)
    emotions = _emotions(moments)
    people = []
    for person_id, own in sorted(of_person.items()):
        seen = join_stretches((r.start_s, r.end_s) for r in own)
        course = _in_view(emotions.get(person_id, []), seen)
        shown = [m for m in course if m.fused is not None]
        mean = mean_scores((m.fused for m in shown if m.fused is not None), "face")
        by_modality = {} if mean is None else {"face": mean}
        by_modality, fused = answers.fuse(by_modality)
        people.append(
            Person(
                person_id,
                seen=seen,
                share_of_time=share_of_time(cut_segments(course, labels, duration_s)),
                summary=fused,
                by_modality=by_modality,
                thumbnail=max(own, key=lambda r: r.best).thumbnail,
            )
        )
    return tuple(people)


def _emotions(moments: Sequence[Moment]) -> dict[int, list[tuple[float, float, Scores]]]:
    """Return what the face of each person shows: since when a moment stands, its time, and the scores."""
    found: dict[int, list[tuple[float, float, Scores]]] = {}
    before_s = 0.0
    for moment in moments:
        for face in moment.faces:
            if face.person_id is not None and face.emotion is not None:
                found.setdefault(face.person_id, []).append((before_s, moment.time_s, face.emotion))
        before_s = moment.time_s
    return found


def _in_view(emotions: Sequence[tuple[float, float, Scores]], seen: Sequence[Stretch]) -> list[Moment]:
    """Return what is shown while the face is in view: a moment also holds faces that went a moment ago."""
    kept: dict[float, Moment] = {}
    at = 0
    for since_s, time_s, scores in emotions:
        while at < len(seen) and seen[at][1] < since_s:
            at += 1
        if at < len(seen) and seen[at][0] <= time_s:
            kept[time_s] = Moment(time_s, scores)
    return list(kept.values())
