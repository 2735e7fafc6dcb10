"""The part of a timeline between two times: its moments, its people and its lines, summed up anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emofuse.people import Person, Stretch
from emofuse.segments import cut_segments, share_of_time
from emofuse.timeline import Summary, Timeline, mean_answers, strongest
from emofuse.types import Line, Moment, Scores


def part_of(timeline: Timeline, start_s: float, end_s: float) -> Timeline:
    """Return what is after start_s and up to end_s; `Timeline.between` describes it. The times must be in order."""
    moments = tuple(m for m in timeline.moments if start_s < m.time_s <= end_s or m.time_s == 0 >= start_s)
    if len(moments) == len(timeline.moments):
        return timeline
    lines = tuple(line for line in timeline.lines if line.end_s > start_s and line.start_s < end_s)
    duration_s = timeline.source.duration_s
    source = replace(timeline.source, duration_s=None if duration_s is None else min(duration_s, end_s))
    people = (person_in(p, moments, lines, timeline.labels, (start_s, end_s)) for p in timeline.people)
    return replace(
        timeline,
        moments=moments,
        lines=lines,
        source=source,
        summary=_summary(moments, timeline.summary),
        people=tuple(person for person in people if person.seen or person.spoke),
        voice_measurements=tuple(v for v in timeline.voice_measurements if v.start_s < end_s and v.end_s > start_s),
        embedded=tuple(e for e in timeline.embedded if e.start_s < end_s and e.end_s > start_s),
        face_measurements=tuple(m for m in timeline.face_measurements if start_s < m.time_s <= end_s),
    )


def _summary(moments: Sequence[Moment], whole: Summary) -> Summary:
    means = {
        modality: _mean(modality, [m.by_modality[modality] for m in moments if modality in m.by_modality])
        for modality in whole.listed
    }
    why = {m: whole.why.get(m, "it gave no answer in this part") for m, scores in means.items() if scores is None}
    told = [m.fused for m in moments if m.fused is not None]
    is_seen = means.get("face") is not None
    return Summary(mean_answers(strongest(told) if is_seen else told, "fused"), means, why)


def _mean(modality: str, scores: Sequence[Scores]) -> Scores | None:
    return mean_answers(strongest(scores) if modality == "face" else scores, modality)


def person_in(
    person: Person, moments: Sequence[Moment], lines: Sequence[Line], labels: Sequence[str], span: Stretch
) -> Person:
    """Return what of a person is in a part: when they are seen and speak, and what they show meanwhile."""
    shown = [(m.time_s, f.emotion) for m in moments for f in m.faces if f.person_id == person.id and f.emotion]
    found = {
        "face": [emotion for _, emotion in shown],
        "voice": [m.by_modality["voice"] for m in moments if m.speaker_id == person.id and "voice" in m.by_modality],
        "text": [line.emotion for line in lines if line.person_id == person.id and line.emotion is not None],
    }
    means = {modality: _mean(modality, scores) for modality, scores in found.items()}
    by_modality: dict[str, Scores] = {modality: scores for modality, scores in means.items() if scores is not None}
    course = [Moment(time_s, emotion) for time_s, emotion in shown]
    return replace(
        person,
        seen=_within(person.seen, span),
        spoke=None if person.spoke is None else _within(person.spoke, span),
        share_of_time=share_of_time(cut_segments(course, labels, None)),
        summary=mean_answers(by_modality.values(), "fused"),
        by_modality=by_modality,
    )


def _within(stretches: Sequence[Stretch], span: Stretch) -> tuple[Stretch, ...]:
    cut = ((max(start, span[0]), min(end, span[1])) for start, end in stretches)
    return tuple((start, end) for start, end in cut if start < end)
