"""Recordings of one person, adapted to that person: what face and voice answer on average is taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import Bundle
from emofuse.inference.session import summarise
from emofuse.parts import person_in
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from emofuse.types import Face, Moment, Scores

ADAPTED: Final = ("face", "voice")  # what a person looks and sounds like; what they say is not theirs in that way
UTTERANCE_S: Final = 3.0  # a recording counts as one utterance for each of these, and as one at least
HALFWAY_NEUTRAL: Final = 5.0  # neutral utterances known at which half of what sets a person apart is taken out


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """What is known of a person from recordings of theirs.

    Attributes:
        setting: The option that asked for it: "same_person" or "baseline".
        n_recordings: How many it is known from.
        baselines: What each modality answers for them on average.
        name: What they are called, where recordings of several people are told apart by it.
    """

    setting: str
    n_recordings: int
    baselines: Mapping[str, PersonBaseline]
    name: str = ""

    def adapt(self, timeline: Timeline, answers: AnswerMaker) -> Timeline:
        """Take what is known out of a recording of theirs.

        Args:
            timeline: As a pipeline gave it.
            answers: Fuses what is left, as the pipeline does.

        Returns:
            The same with other scores, whose provenance tells of it.
        """
        moments = tuple(self.adapt_moment(moment, answers) for moment in timeline.moments)
        span = (-math.inf, math.inf)
        return replace(
            timeline,
            moments=moments,
            summary=summarise(moments, timeline.source, answers),
            people=tuple(person_in(p, moments, timeline.lines, timeline.labels, span) for p in timeline.people),
            provenance=None if timeline.provenance is None else self.stamped(timeline.provenance),
        )

    def adapt_moment(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """Take what is known out of one moment: see `adapt`."""
        left = {m: self._correct(s, m) for m, s in moment.by_modality.items()}
        judged, fused = answers.fuse(left)
        faces = tuple(self._correct_face(face, answers) for face in moment.faces)
        return replace(moment, fused=fused, by_modality=judged, faces=faces)

    def _correct_face(self, face: Face, answers: AnswerMaker) -> Face:
        if face.emotion is None:
            return face
        return answers.judge_face(replace(face, emotion=self._correct(face.emotion, "face")))

    def _correct(self, scores: Scores, modality: str) -> Scores:
        baseline = self.baselines.get(modality)
        if baseline is None:
            return scores
        return replace(scores, probabilities=baseline.correct(scores.evidence), raw=None, certainty=None)

    def stamped(self, provenance: Provenance) -> Provenance:
        """Return a provenance whose settings tell what the answers were adapted to."""
        known = {f"utterances_{modality}": round(one.n_known, 1) for modality, one in self.baselines.items()}
        halfway = next((one.halfway for one in self.baselines.values()), None)
        named = {"person": self.name} if self.name else {}
        stamp = {**named, "recordings": self.n_recordings, **known, "halfway": halfway}
        return replace(provenance, settings={**provenance.settings, self.setting: stamp})


def same_person(timelines: Sequence[Timeline], name: str = "") -> KnownPerson:
    """Learn what one person's recordings have in common, face and voice.

    The recordings must be of several emotions: of one mood, the mood itself would be taken out (`PersonBaseline`).

    Args:
        timelines: Of one person, as a pipeline gave them.
        name: What to call them in what is adapted to them.
    """
    baselines: dict[str, PersonBaseline] = {}
    for timeline in timelines:
        for modality in ADAPTED:
            rows = _answers(timeline, modality)
            if len(rows):
                known = baselines.setdefault(modality, PersonBaseline(rows.shape[1]))
                known.add(rows, _utterances(timeline) / len(rows))
    return KnownPerson("same_person", len(timelines), baselines, name)


def neutral_references(bundle: Bundle) -> dict[str, tuple[float, ...]]:
    """Return what other people's neutral utterances are answered, of the modalities for which a bundle knows it.

    Raises:
        UsageError: There is none.
    """
    references: dict[str, tuple[float, ...]] = {
        m: s.neutral for m, s in bundle.manifest.modalities.items() if s.neutral is not None
    }
    if not references:
        raise UsageError(
            f"the bundle {bundle.manifest.name!r} does not know how other people sound when they are neutral",
            "use the bundle base or large, or fit one of yours; recordings in several moods need none: --same-person",
        )
    return references


def neutral_baseline(timelines: Sequence[Timeline], bundle: Bundle) -> KnownPerson:
    """Learn what sets a person's neutral recordings apart from other people's, in the modalities for which the bundle
    knows other people's.

    Args:
        timelines: Of the person in a neutral mood, as a pipeline gave them.
        bundle: That they were analysed with.

    Raises:
        UsageError: The bundle knows no modality of other people's, or nothing of that kind was found in the recordings.
    """
    references = neutral_references(bundle)
    baselines: dict[str, PersonBaseline] = {}
    for modality, reference in references.items():
        for timeline in timelines:
            rows = _answers(timeline, modality)
            if len(rows):
                made = PersonBaseline(rows.shape[1], np.array(reference), HALFWAY_NEUTRAL)
                baselines.setdefault(modality, made).add(rows, _utterances(timeline) / len(rows))
    if not baselines:
        raise UsageError(
            f"in the baseline there is nothing of the person to go by ({', '.join(references)})",
            "give recordings in which they, and nobody else, speak as usual for some seconds",
        )
    return KnownPerson("baseline", len(timelines), baselines)


def adapt_to_person(timelines: Sequence[Timeline], answers: AnswerMaker) -> list[Timeline]:
    """Take what one person's recordings have in common out of each: see `same_person`.

    Args:
        timelines: Of one person, as a pipeline gave them.
        answers: Fuses what is left, as the pipeline does.
    """
    person = same_person(timelines)
    return [person.adapt(timeline, answers) for timeline in timelines]


def _answers(timeline: Timeline, modality: str) -> NDArray[np.float32]:
    """Return (N, C): what the modality answered in each moment that it did."""
    found = [s.evidence for m in timeline.moments if (s := m.by_modality.get(modality)) is not None]
    return np.array(found, np.float32)


def _utterances(timeline: Timeline) -> float:
    """Return how many utterances a recording counts as."""
    return max(1.0, (timeline.source.duration_s or 0.0) / UTTERANCE_S)
