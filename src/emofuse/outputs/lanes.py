"""A timeline as lanes: the stretches of one label of the fused answer, of each modality and of each person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from emofuse.segments import Segment
from emofuse.timeline import Timeline
from emofuse.types import Moment, Scores

Kind = Literal["fused", "modality", "person"]

_N_AROUND: Final = 5  # moments before and after a person is seen: enough to tell their usual distance


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a timeline. name: "fused", a modality or "person 3", by the number of the track.

    segments: in order, without overlaps. curve: (time_s, probability of the most probable label) of each moment
    that said something.
    """

    name: str
    kind: Kind
    segments: tuple[Segment, ...]
    curve: tuple[tuple[float, float], ...]


def lanes(timeline: Timeline) -> list[Lane]:
    """Return the fused lane, one for each modality that spoke, and one for each person whose face was read.

    All have their stretches by the same rules (`Timeline.segments`). A face that is not followed has no lane.
    """
    found = [_lane("fused", "fused", timeline, timeline.moments, lambda moment: moment.fused)]
    for modality in timeline.summary.used:
        found.append(_lane(modality, "modality", timeline, timeline.moments, partial(_said, modality)))
    for track_id, (first, last) in sorted(tracks(timeline).items()):
        # Only the moments around the person: a long recording has many people, each seen for a while.
        near = timeline.moments[max(0, first - _N_AROUND) : last + 1 + _N_AROUND]
        found.append(_lane(f"person {track_id}", "person", timeline, near, partial(_emotion, track_id)))
    return found


def tracks(timeline: Timeline) -> dict[int, tuple[int, int]]:
    """Return the people whose face was read, by the number of their track: their first and last moment's index."""
    found: dict[int, tuple[int, int]] = {}
    for i, moment in enumerate(timeline.moments):
        for face in moment.faces:
            if face.track_id is not None and face.emotion is not None:
                found[face.track_id] = (found.get(face.track_id, (i, i))[0], i)
    return found


def length_s(timeline: Timeline, rows: Sequence[Lane]) -> float:
    """Return how many seconds a picture or a tier of these lanes spans: all of the recording, and all that was said."""
    ends = [row.segments[-1].end_s for row in rows if row.segments]
    last_s = timeline.moments[-1].time_s if timeline.moments else 0.0
    return max(timeline.source.duration_s or 0.0, last_s, *ends)


def _lane(
    name: str,
    kind: Kind,
    timeline: Timeline,
    moments: Sequence[Moment],
    pick: Callable[[Moment], Scores | None],
) -> Lane:
    # The same moments with this voice alone as the answer: the usual distance of moments stays what it is.
    alone = replace(timeline, moments=tuple(Moment(m.time_s, pick(m)) for m in moments))
    curve = tuple((m.time_s, m.fused.confidence) for m in alone.moments if m.fused is not None)
    return Lane(name, kind, tuple(alone.segments()), curve)


def _said(modality: str, moment: Moment) -> Scores | None:
    return moment.by_modality.get(modality)


def _emotion(track_id: int, moment: Moment) -> Scores | None:
    return next((f.emotion for f in moment.faces if f.track_id == track_id), None)
