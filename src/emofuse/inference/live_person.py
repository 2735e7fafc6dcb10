"""A live stream adapted to the person who is in it, moment by moment."""

from __future__ import annotations

import math
from typing import Final, Protocol

from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.same_person import ADAPTED, UTTERANCE_S, KnownPerson
from emofuse.provenance import Provenance
from emofuse.types import Moment

BASELINE_ID: Final = 1  # of a person whose face the Analyzer knew beforehand (`known_faces`)
ANOTHER_S: Final = 3.0  # for which somebody else is in view before that is told
_LONGEST_S: Final = 1.0  # that a moment stands for


class LivePerson(Protocol):
    """Adapts the moments of one stream."""

    @property
    def another_s(self) -> float:
        """For how many seconds somebody else was in view."""
        ...

    def push(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """Take the next moment, and return it adapted. answers: fuses what is left."""
        ...

    def view(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """Return what is shown between moments, adapted; nothing is learnt from it."""
        ...

    def stamped(self, provenance: Provenance) -> Provenance:
        """Return a provenance whose settings tell what the answers were adapted to."""
        ...


class NeutralPerson:
    """Adapts to a person whose neutral recordings are known.

    known: what they told; has_face: whether the Analyzer was given their face: then moments with others in view, and
    without them, stay as they are.
    """

    def __init__(self, known: KnownPerson, has_face: bool) -> None:
        self._known, self._has_face = known, has_face
        self._latest_s = math.inf
        self.another_s = 0.0

    def push(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """See LivePerson."""
        elapsed_s = min(max(moment.time_s - self._latest_s, 0.0), _LONGEST_S)
        self._latest_s = moment.time_s
        self.another_s += elapsed_s if self._is_another(moment) else 0.0
        return self.view(moment, answers)

    def view(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """See LivePerson."""
        return moment if self._is_another(moment) else self._known.adapt_moment(moment, answers)

    def stamped(self, provenance: Provenance) -> Provenance:
        """See LivePerson."""
        return self._known.stamped(provenance)

    def _is_another(self, moment: Moment) -> bool:
        ids = {face.person_id for face in moment.faces if face.person_id is not None}
        return self._has_face and bool(ids) and BASELINE_ID not in ids


class CausalPerson:
    """Adapts to whoever is in the stream, by what came before: the more of it, the more.

    What face and voice answered on average is taken out, as by `same_person`, but from the past alone: a moment is
    adapted before it is learnt from. Each counts as the share of an utterance (UTTERANCE_S) that passed since the one
    before, so that after n utterances the mean has the weight n / (n + 10), and a short clip stays as it was.
    """

    another_s = 0.0

    def __init__(self) -> None:
        self._baselines: dict[str, PersonBaseline] = {}
        self._latest_s = math.inf

    def push(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """See LivePerson."""
        adapted = self.view(moment, answers)
        elapsed_s = min(max(moment.time_s - self._latest_s, 0.0), _LONGEST_S)
        self._latest_s = moment.time_s
        for modality in ADAPTED:
            scores = moment.by_modality.get(modality)
            if scores is not None:
                baseline = self._baselines.setdefault(modality, PersonBaseline(len(scores.labels)))
                baseline.add(scores.evidence, elapsed_s / UTTERANCE_S)
        return adapted

    def view(self, moment: Moment, answers: AnswerMaker) -> Moment:
        """See LivePerson."""
        return self._known().adapt_moment(moment, answers) if self._baselines else moment

    def stamped(self, provenance: Provenance) -> Provenance:
        """See LivePerson."""
        return self._known().stamped(provenance)

    def _known(self) -> KnownPerson:
        return KnownPerson("same_person_causal", 1, self._baselines)
