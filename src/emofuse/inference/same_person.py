"""Recordings of one person, adapted to that person: what face and voice answer on average is taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from emofuse.inference.adaptation import HALFWAY, PersonBaseline
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.session import summarise
from emofuse.parts import person_in
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from emofuse.types import Face, Moment, Scores

ADAPTED: Final = ("face", "voice")  # what a person looks and sounds like; what they say is not theirs in that way
UTTERANCE_S: Final = 3.0  # a recording counts as one utterance for each of these, and as one at least


def adapt_to_person(timelines: Sequence[Timeline], answers: AnswerMaker) -> list[Timeline]:
    """Take what one person's recordings have in common out of each.

    The recordings must be of several emotions: of one mood, the mood itself would be taken out (`PersonBaseline`).

    Args:
        timelines: Of one person, as a pipeline gave them.
        answers: Fuses what is left, as the pipeline does.

    Returns:
        The same with other scores, whose provenance tells of it.
    """
    baselines: dict[str, PersonBaseline] = {}
    for timeline in timelines:
        for modality in ADAPTED:
            scores = timeline.summary.by_modality.get(modality)
            if scores is not None:
                known = baselines.setdefault(modality, PersonBaseline(len(scores.labels)))
                known.add(scores.evidence, max(1.0, (timeline.source.duration_s or 0.0) / UTTERANCE_S))
    return [_adapted(timeline, baselines, answers, len(timelines)) for timeline in timelines]


def _adapted(
    timeline: Timeline, baselines: Mapping[str, PersonBaseline], answers: AnswerMaker, n_recordings: int
) -> Timeline:
    def moment(one: Moment) -> Moment:
        left = {m: _correct(s, baselines.get(m)) for m, s in one.by_modality.items()}
        judged, fused = answers.fuse(left)
        return replace(one, fused=fused, by_modality=judged, faces=tuple(face(each) for each in one.faces))

    def face(one: Face) -> Face:
        if one.emotion is None:
            return one
        return answers.judge_face(replace(one, emotion=_correct(one.emotion, baselines.get("face"))))

    moments = tuple(map(moment, timeline.moments))
    span = (-math.inf, math.inf)
    return replace(
        timeline,
        moments=moments,
        summary=summarise(moments, timeline.source, answers),
        people=tuple(person_in(p, moments, timeline.lines, timeline.labels, span) for p in timeline.people),
        provenance=_stamped(timeline.provenance, baselines, n_recordings),
    )


def _correct(scores: Scores, baseline: PersonBaseline | None) -> Scores:
    if baseline is None:
        return scores
    return replace(scores, probabilities=baseline.correct(scores.evidence), raw=None, certainty=None)


def _stamped(
    provenance: Provenance | None, baselines: Mapping[str, PersonBaseline], n_recordings: int
) -> Provenance | None:
    """Say in the settings what the answers were adapted to."""
    if provenance is None:
        return None
    known = {f"utterances_{modality}": round(baseline.n_known, 1) for modality, baseline in baselines.items()}
    stamp = {"recordings": n_recordings, **known, "halfway": HALFWAY}
    return replace(provenance, settings={**provenance.settings, "same_person": stamp})
