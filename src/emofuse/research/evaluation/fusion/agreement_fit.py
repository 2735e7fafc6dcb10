"""Fits how far agreement of modalities tells of being right, on predictions that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emofuse.inference.certainty import FusedCertainty, log_odds, temper
from emofuse.inference.fusion import log_pool
from emofuse.research.evaluation.fusion.certainty_fit import (
    CLEAN,
    Answers,
    Judged,
    first_half,
    fit_sets,
    judge_left_out,
)

_FLOOR: Final = 1e-6
_START: Final = (0.0, 0.3, 0.3)  # bias, agreement, conflict
_LEAST_UNSUPPORTED: Final = 20  # answers that nobody gave, below which their share of right ones is not known
_UNSUPPORTED: Final = 1 / 7  # by chance, where it is not


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What some modalities chose for N utterances, and what was fused of it.

    Attributes:
        name: Of the corpus, and the modalities.
        labels: (M, N) int64, the label of each.
        p_right: (M, N), the probability that it is right, judged by other people's utterances.
        evidence: (N, L) probabilities, fused.
        truth: (N,) int64.
    """

    name: str
    labels: NDArray[np.int64]
    p_right: NDArray[np.float64]
    evidence: NDArray[np.float64]
    truth: NDArray[np.int64]

    @property
    def fused(self) -> NDArray[np.int64]:
        """The fused labels, (N,)."""
        return np.asarray(self.evidence.argmax(axis=1))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each fused label is right, (N,)."""
        return np.asarray(self.fused == self.truth)

    @property
    def supported(self) -> NDArray[np.bool_]:
        """Whether a modality chose the fused label, (N,)."""
        return np.asarray((self.labels == self.fused).any(axis=0))


def choices_of(answers: Mapping[str, Answers], weights: Mapping[str, float]) -> list[Choices]:
    """Return every set of two modalities or more of a corpus, fused as the bundle does.

    Args:
        answers: By modality, of the same utterances in the same order.
        weights: Of the modalities in the fusion.
    """
    p_right, labels = {}, {}
    for name, one in answers.items():
        p_right[name], labels[name] = _judged(one), one.probabilities.argmax(axis=1)
    first = next(iter(answers.values()))
    found = []
    for names in (some for n in range(2, len(answers) + 1) for some in combinations(answers, n)):
        evidence = np.stack([np.maximum(answers[name].probabilities, _FLOOR) for name in names])
        fused = log_pool(evidence, np.array([weights.get(name, 1.0) for name in names]))
        found.append(
            Choices(
                f"{first.name}: {' + '.join(names)}",
                np.stack([labels[name] for name in names]),
                np.stack([p_right[name] for name in names]),
                fused,
                first.truth,
            )
        )
    return found


def fit_fused(found: Sequence[Choices], n_labels: int) -> FusedCertainty:
    """Find bias, agreement and conflict with the highest likelihood; every set of modalities of a corpus counts alike.

    Args:
        found: Of inputs that belong together; several corpora are best.
        n_labels: Of the bundle.
    """
    columns = [_columns(one, n_labels) for one in found]
    kept = [one.supported for one in found]

    def loss(parameters: NDArray[np.float64]) -> float:
        losses = []
        for (base, agreeing, against), chosen, one in zip(columns, kept, found, strict=True):
            logit = parameters[0] + base + parameters[1] * agreeing - parameters[2] * against
            signed = np.where(one.right, logit, -logit)[chosen]
            losses.append(float(np.logaddexp(0, -signed).mean()))
        return float(np.mean(losses))

    fit = minimize(loss, np.array(_START), method="L-BFGS-B", bounds=[(-2, 0), (0, 1), (0, 1)]).x
    unsupported = np.concatenate([one.right[~chosen] for one, chosen in zip(found, kept, strict=True)])
    share = float(unsupported.mean()) if len(unsupported) >= _LEAST_UNSUPPORTED else _UNSUPPORTED
    bias, agreement, conflict = (round(float(value), 4) for value in fit)
    fitted = FusedCertainty(
        bias=bias, agreement=agreement, conflict=conflict, unsupported=round(min(max(share, 0.05), 0.95), 4)
    )
    return fitted.model_copy(update={"sets": fit_sets([judge_choices(fitted, one) for one in found])})


def judge_choices(fitted: FusedCertainty, one: Choices) -> Judged:
    """Return fused answers with their certainty, as at use."""
    n, n_labels = one.evidence.shape
    rows = zip(one.fused.tolist(), one.labels.T.tolist(), one.p_right.T.tolist(), strict=True)
    told = [fitted.p_right(label, list(zip(chosen, p, strict=True)), n_labels) for label, chosen, p in rows]
    tempered = np.stack([temper(evidence, p) for evidence, p in zip(one.evidence, told, strict=True)])
    answers = Answers(one.name, one.evidence, one.truth, np.full(n, one.name), np.full(n, CLEAN))
    return Judged(answers, tempered.max(axis=1).astype(np.float64), tempered.astype(np.float64))


def judge_fused_left_out(corpora: Sequence[Sequence[Choices]], n_labels: int) -> list[Judged]:
    """Judge every corpus by what is fitted on the others, or on itself where there is one alone."""
    judged: list[Judged] = []
    for i, own in enumerate(corpora):
        others = [one for k, each in enumerate(corpora) if k != i or len(corpora) == 1 for one in each]
        fitted = fit_fused(others, n_labels)
        judged += [judge_choices(fitted, one) for one in own]
    return judged


def _judged(answers: Answers) -> NDArray[np.float64]:
    """Return (N,) the probability that each answer is right, judged by the other half of the people."""
    first = first_half(answers)
    p_right = np.empty(len(answers.truth))
    for chosen, judged in zip((first, ~first), judge_left_out([answers]), strict=True):
        p_right[chosen] = judged.p_right
    return p_right


def _columns(one: Choices, n_labels: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (N,) the log-odds of the best supporter, what others add, and what those against it take off."""
    odds = np.vectorize(log_odds)(one.p_right)
    beyond = np.maximum(odds - log_odds(1 / n_labels), 0)
    agrees = one.labels == one.fused
    best = np.where(agrees, odds, -np.inf).argmax(axis=0)
    base = odds[best, np.arange(len(best))]
    agreeing = (beyond * agrees).sum(axis=0) - beyond[best, np.arange(len(best))]
    return base, agreeing, (beyond * ~agrees).sum(axis=0)
