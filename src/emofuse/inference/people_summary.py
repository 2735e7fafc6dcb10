"""What a recording adds up to for each person in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from emofuse.inference.answers import AnswerMaker
from emofuse.inference.people import TrackRecord
from emofuse.people import Person, Stretch, join_stretches
from emofuse.segments import cut_segments, share_of_time
from emofuse.timeline import SourceInfo, mean_scores, strongest
from emofuse.types import OUT_OF_VIEW, Line, Moment, Scores

_MOST: Final = 0.5  # of the speech in a line, or under a label of a transcript, that makes it somebody's
_LONGEST_S: Final = 1.0  # that a moment stands for, where somebody speaks
_BREATH_S: Final = 0.3  # a shorter pause ends no speech


def name_faces(
    moments: Iterable[Moment], told: Mapping[int, int | None], speakers: Iterable[tuple[float, int]] = ()
) -> list[Moment]:
    """Return the moments with the person of every face, and with who speaks.

    Args:
        moments: Of the recording.
        told: The person of each track, by its number.
        speakers: Times of moments in which somebody speaks, each with the track, or OUT_OF_VIEW.
    """
    spoken = {time_s: OUT_OF_VIEW if track == OUT_OF_VIEW else told.get(track) for time_s, track in speakers}
    return [
        replace(
            m,
            faces=tuple(replace(f, person_id=None if f.track_id is None else told.get(f.track_id)) for f in m.faces),
            speaker_id=spoken.get(m.time_s),
        )
        for m in moments
    ]


def assign_lines(lines: Sequence[Line], moments: Sequence[Moment]) -> tuple[Line, ...]:
    """Return the lines with who says each: the person who speaks most of it, or most under its speaker's label.

    A label of the transcript goes before what is seen in a line: the lines of one label are one person's.
    """
    spoken = _spoken(moments)
    of_line = [_seconds(spoken, line.start_s, line.end_s) for line in lines]
    of_label: dict[str, Counter[int]] = {}
    for line, seconds in zip(lines, of_line, strict=True):
        of_label.setdefault(line.speaker, Counter()).update(seconds)
    labelled = {label: _clear(seconds) for label, seconds in of_label.items() if label}
    return tuple(
        replace(line, person_id=labelled[line.speaker] if line.speaker else _clear(seconds))
        for line, seconds in zip(lines, of_line, strict=True)
    )


def people_of(
    moments: Sequence[Moment],
    records: Sequence[TrackRecord],
    told: Mapping[int, int | None],
    answers: AnswerMaker,
    labels: tuple[str, ...],
    source: SourceInfo,
    lines: Sequence[Line] = (),
) -> tuple[Person, ...]:
    """Sum up everyone.

    Args:
        moments: Of the recording, whose faces have their people (`name_faces`).
        records: Every track.
        told: The person of each track, by its number.
        answers: Fuses what the modalities of a person give.
        labels: The emotions, in the order of every probability.
        source: What was analysed.
        lines: What was said, with who says it (`assign_lines`).

    Returns:
        The people, in the order of their ids.
    """
    of_person: dict[int, list[TrackRecord]] = {}
    for record in records:
        person_id = told.get(record.track_id)
        if person_id is not None:
            of_person.setdefault(person_id, []).append(record)
    emotions, spoken = _emotions(moments), _spoken(moments)
    shown_by = "face" if "face" in answers.weights else "clip"  # without a network of faces, a face has the clip's
    people = []
    for person_id, own in sorted(of_person.items()):
        seen = join_stretches((r.start_s, r.end_s) for r in own)
        course = _in_view(emotions.get(person_id, []), seen)
        shown = [m.fused for m in course if m.fused is not None]
        found = {
            shown_by: mean_scores(strongest(shown) if shown_by == "face" else shown, shown_by),
            "voice": mean_scores(_voices(moments, person_id), "voice"),
            "text": mean_scores((s.emotion for s in lines if s.person_id == person_id and s.emotion), "text"),
        }
        by_modality, fused = answers.fuse({m: scores for m, scores in found.items() if scores is not None})
        spoke = join_stretches((stretch for i, stretch in spoken if i == person_id), _BREATH_S)
        people.append(
            Person(
                person_id,
                _name_of(person_id, lines),
                seen,
                spoke if source.has_audio else None,
                share_of_time(cut_segments(course, labels, source.duration_s)),
                fused,
                by_modality,
                max(own, key=lambda r: r.best).thumbnail,
            )
        )
    return tuple(people)


def _name_of(person_id: int, lines: Sequence[Line]) -> str:
    """Return the name that a transcript has for somebody; "" where it has none, or several people of one name."""
    names = {line.speaker for line in lines if line.person_id == person_id and line.speaker}
    name = next(iter(names), "")
    others = {line.person_id for line in lines if line.speaker == name} - {person_id}
    return name if len(names) == 1 and not others else ""


def _spoken(moments: Sequence[Moment]) -> list[tuple[int, Stretch]]:
    """Return who speaks and for which time: the one since the moment before."""
    found, before_s = [], 0.0
    for moment in moments:
        if moment.speaker_id is not None:
            since_s = max(before_s, moment.time_s - _LONGEST_S)
            found.append((moment.speaker_id, (since_s, moment.time_s)))
        before_s = moment.time_s
    return found


def _seconds(spoken: Sequence[tuple[int, Stretch]], start_s: float, end_s: float) -> Counter[int]:
    seconds: Counter[int] = Counter()
    for speaker, (since_s, time_s) in spoken:
        common_s = min(time_s, end_s) - max(since_s, start_s)
        if common_s > 0:
            seconds[speaker] += round(1000 * common_s)
    return seconds


def _clear(seconds: Counter[int]) -> int | None:
    """Return who has most of it, where that is somebody in view."""
    if not seconds:
        return None
    ((speaker, most),) = seconds.most_common(1)
    return speaker if speaker != OUT_OF_VIEW and most > _MOST * seconds.total() else None


def _voices(moments: Sequence[Moment], person_id: int) -> Iterable[Scores]:
    """Yield what the voice gave while this person spoke."""
    for moment in moments:
        if moment.speaker_id == person_id and "voice" in moment.by_modality:
            yield moment.by_modality["voice"]


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
