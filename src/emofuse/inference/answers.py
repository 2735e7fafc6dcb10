"""The one place where modalities become an answer: fused, weighed by a prior, and told how far it can be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle
from emofuse.inference.certainty import CertaintySettings, prediction_set, reasons_for, temper
from emofuse.inference.fusion import Pool, fuse, shares
from emofuse.inference.fusion_head import FusionHead
from emofuse.reading import one_line, parse_json, read_bytes
from emofuse.types import Certainty, Face, Limits, Scores

Prior = Literal["flat", "corpus"] | Mapping[str, float]
_MOST_MB: Final = 1.0  # of a file of a prior
RISK: Final = 0.7  # that is allowed by default: an answer is right at least twice as often as by chance, of 7 labels


@dataclass(frozen=True, slots=True, eq=False)
class AnswerMaker:
    """Makes answers out of what each modality's network found.

    Attributes:
        weights: Of the modalities.
        pool: How they are fused.
        prior: (C,) how often each label is expected, adding up to 1; None where all are expected alike.
        certainty: How far answers can be relied on; None where the bundle does not tell.
        unknown: Modalities that certainty was not fitted for, such as text that another model scores.
        risk: That is allowed of an answer.
        coverage: Of prediction sets; None for none.
        head: A trained fusion, which answers in place of the pool where it can.
    """

    weights: Mapping[str, float]
    pool: Pool
    prior: NDArray[np.float64] | None = None
    certainty: CertaintySettings | None = None
    unknown: frozenset[str] = field(default_factory=frozenset)
    risk: float = RISK
    coverage: float | None = None
    head: FusionHead | None = None

    @classmethod
    def of_bundle(
        cls,
        bundle: Bundle,
        weights: Mapping[str, float],
        pool: Pool,
        prior: Prior = "flat",
        risk: float = RISK,
        coverage: float | None = None,
        unknown: frozenset[str] = frozenset(),
    ) -> AnswerMaker:
        """Make one for a bundle.

        Raises:
            UsageError: Prediction sets are asked of a bundle that does not tell how far it can be relied on, or a
                prior does not name its labels.
            BundleError: The bundle's trained fusion does not go with its networks.
        """
        check_options(bundle, prior, coverage)
        certainty = bundle.manifest.certainty
        head = None if bundle.head is None else FusionHead(bundle)
        return cls(weights, pool, _prior_of(bundle, prior), certainty, unknown, risk, coverage, head)

    def fuse(self, by_modality: Mapping[str, Scores]) -> tuple[dict[str, Scores], Scores | None]:
        """Fuse what there is.

        Args:
            by_modality: The scores of each modality that gave some.

        Returns:
            The same with the prior and their certainty, and the fused answer; None where there is nothing to fuse.
        """
        fused = fuse(by_modality, self.weights, self.pool)
        if fused is None:
            return {}, None
        by_head = None if self.head is None else self.head.fuse(by_modality)
        if by_head is not None:
            fused = replace(fused, probabilities=by_head)
        weight = shares(by_modality, self.weights)
        judged = {m: self.judge(s, weight[m]) for m, s in by_modality.items()}
        expected = self._expect(fused)
        found = [s.certainty for s in judged.values() if s.certainty is not None]
        if self.certainty is None or len(found) < len(judged):
            return judged, expected
        choices = [(int(s.probabilities.argmax()), s.certainty.p_right) for s in judged.values() if s.certainty]
        p_right = self.certainty.fused.p_right(int(expected.probabilities.argmax()), choices, len(fused.labels))
        is_anyones = any(chosen == int(expected.probabilities.argmax()) for chosen, _ in choices)
        lowered_by = tuple(dict.fromkeys(reason for one in found for reason in one.lowered_by))
        abstains = not is_anyones and not _is_second_of_two(expected.label, judged.values())
        limits = replace(self._limits(), least=float("inf")) if abstains else self._limits()
        return judged, self._told(expected, p_right, self.certainty.fused.sets, 1.0, lowered_by, limits)

    def judge(self, scores: Scores, weight: float = 1.0) -> Scores:
        """Return a modality's scores with the prior and their certainty. weight: its share of the fused answer."""
        expected = self._expect(scores)
        own = None if self.certainty is None else self.certainty.modalities.get(scores.modality)
        if own is None or scores.modality in self.unknown:
            return expected
        p_right = own.p_right(expected.probabilities, scores.measures)
        lowered_by = reasons_for(own.losses(scores.measures))
        return self._told(expected, p_right, own.sets, weight, lowered_by, self._limits())

    def judge_face(self, face: Face) -> Face:
        """Return a face with the prior and certainty of its emotion."""
        return face if face.emotion is None else replace(face, emotion=self.judge(face.emotion))

    def _limits(self) -> Limits:
        assert self.certainty is not None
        return self.certainty.limits(self.risk)

    def _expect(self, scores: Scores) -> Scores:
        if self.prior is None:
            return scores if scores.raw is None else replace(scores, probabilities=scores.raw, raw=None, certainty=None)
        weighed = scores.evidence * self.prior
        return replace(scores, probabilities=(weighed / weighed.sum()).astype(np.float32), raw=scores.evidence)

    def _told(
        self,
        scores: Scores,
        p_right: float,
        sets: tuple[tuple[float, float], ...],
        weight: float,
        lowered_by: tuple[str, ...],
        limits: Limits,
    ) -> Scores:
        told = replace(scores, probabilities=temper(scores.probabilities, p_right), raw=scores.evidence)
        p_shown = told.confidence
        labels = () if self.coverage is None or not sets else prediction_set(told, sets, self.coverage)
        certainty = Certainty(p_shown, limits.word(p_shown), p_shown < limits.least, weight, labels, lowered_by, limits)
        return replace(told, certainty=certainty)


def _is_second_of_two(label: str, judged: Iterable[Scores]) -> bool:
    """Whether two modalities at least have a label as their first or second choice."""
    n_having = 0
    for scores in judged:
        best = np.argsort(-scores.probabilities, kind="stable")[:2]
        n_having += label in [scores.labels[i] for i in best]
    return n_having >= 2


def check_options(bundle: Bundle, prior: Prior, coverage: float | None) -> None:
    """Raise UsageError where a bundle cannot be asked for these: see `AnswerMaker.of_bundle`."""
    if coverage is not None and bundle.manifest.certainty is None:
        raise UsageError(
            f"coverage: the bundle {bundle.manifest.name!r} is not calibrated for how reliable its answers are",
            "fit it with `emofuse bundle fit`",
        )
    _prior_of(bundle, prior)


def read_prior(text: str) -> Prior:
    """Read a prior as the command line has it.

    Args:
        text: "flat", "corpus", or the path of a JSON file: an object with a number for each label.

    Raises:
        UsageError: There is no such file, or it holds something else.
    """
    if text == "flat":
        return "flat"
    if text == "corpus":
        return "corpus"
    hint = 'give flat, corpus, or a file like {"neutral": 5, "happy": 2, ...} with all labels of the bundle'
    try:
        found = parse_json(read_bytes(text, _MOST_MB))
    except (OSError, ValueError) as error:
        raise UsageError(f"--prior {text}: {one_line(error)}", hint) from None
    if not isinstance(found, dict) or not all(type(value) in (int, float) for value in found.values()):
        raise UsageError(f"--prior {text}: it is not an object of numbers", hint)
    return {str(label): float(value) for label, value in found.items()}


def _prior_of(bundle: Bundle, prior: Prior) -> NDArray[np.float64] | None:
    labels = bundle.labels
    if prior == "flat":
        return None
    if prior == "corpus":
        learnt = [s.prior for s in bundle.manifest.modalities.values() if s.prior is not None]
        if not learnt:
            return None
        odds = np.exp(np.mean(np.log(np.array(learnt)), axis=0))
        return np.asarray(odds / odds.sum())
    assert isinstance(prior, Mapping)
    if set(prior) != set(labels):
        missing = [label for label in labels if label not in prior] or sorted(set(prior) - set(labels))
        hint = f"give a number for each of {', '.join(labels)}"
        raise UsageError(f"prior: {missing[0]!r} is missing, or is not a label of the bundle", hint)
    values = np.array([float(prior[label]) for label in labels])
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise UsageError("prior: a number in it is not above 0", "give how often each label is expected, all above 0")
    return np.asarray(values / values.sum())
