"""Fits how far a bundle's answers can be relied on, and measures it on corpora that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from emofuse.inference.certainty import CERTAIN, MOST_LACKING, Bin, Bound, ModalityCertainty, temper

CLEAN: Final = "clean"
COVERAGES: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
CLEAR: Final = 0.8
WINDOW: Final = 0.1  # of p_right: answers of about one certainty
LIKELY: Final = 0.5  # the least share that is right of what is called so
ENERGY: Final = "energy"
_FEW: Final = 3  # corpora, below which labels are hardly told apart: what is true of one is not of another
_PENALTY: Final = 0.01  # in mean log-likelihood of one logit for a label, squared
_PENALTY_OF_FEW: Final = 1.0
_LEAST_CALLED: Final = 30  # answers that a word is fitted on
_FLOOR: Final = 1e-6


def _usual(scale: float, low: float | None = None, high: float | None = None) -> Bound:
    return Bound(low=low, high=high, scale=scale, loss=0.0)


USUAL: Final[Mapping[str, Bound]] = {
    "size_octaves": _usual(1, low=5.6),  # the network's 48 pixels
    "sharpness": _usual(0.5, low=-1.5),
    "light": _usual(30, low=60, high=200),
    "contrast": _usual(8, low=25),
    "roll_deg": _usual(15, high=15),
    "turn": _usual(0.1, high=0.15),
    "mouth_octaves": _usual(0.5, low=-1),
    "eyes_octaves": _usual(0.5, low=-0.8),
    "detection": _usual(0.1, low=0.8),
    "spoken_s": _usual(0.5, low=1),
    "snr_db": _usual(8, low=20),
    "clipped": _usual(0.05, high=0.005),
    "high_band_db": _usual(5, low=-26, high=-10),
    "flatness_db": _usual(4, low=-19, high=-8),
    "word_octaves": _usual(1, low=2),
    "known": _usual(0.2, low=0.8),
    "known_octaves": _usual(1, low=2),
    "english": _usual(0.15, low=0.15),
}
"""Where a measure tells of a usual input, and in what steps beyond: studios differ too little from one another to tell.
How much a step takes off is fitted; the bound of a network's energy is, too."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a modality answered for the clips of one corpus that its network was not trained on.

    Attributes:
        name: Of the corpus.
        probabilities: (N, L) over the bundle's labels, as `analyze` has them.
        truth: (N,) int64, an index into them.
        speakers: Who it was, (N,).
        conditions: (N,): CLEAN, or what was done to the input.
        measures: By name, (N,) float64 of each input; where they were not taken, inputs count as usual ones.
    """

    name: str
    probabilities: NDArray[np.float64]
    truth: NDArray[np.int64]
    speakers: NDArray[np.str_]
    conditions: NDArray[np.str_]
    measures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is right, (N,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.truth)

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Whether each input was left as it was, (N,)."""
        return np.asarray(self.conditions == CLEAN)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Answers of a corpus with what was fitted on others. p_right: (N,) of each answer; tempered: (N, L)."""

    answers: Answers
    p_right: NDArray[np.float64]
    tempered: NDArray[np.float64]


def fit_modality(corpora: Sequence[Answers], *, is_for_others: bool = True) -> ModalityCertainty:
    """Fit the certainty of a modality: the logistic function with the highest likelihood.

    Every corpus counts alike, and in it clean inputs as much as all others together. What is measured
    of an input can only lower the certainty.

    Args:
        corpora: Of left-out predictions; several are best.
        is_for_others: Whether it is for corpora that are not among these: from few of them little is learnt of single
            labels.
    """
    n_labels = corpora[0].probabilities.shape[1]
    bounds = _bounds(corpora)
    features = np.concatenate([_features(one, bounds, n_labels) for one in corpora])
    right = np.concatenate([one.right for one in corpora])
    weight = np.concatenate([_weights(one) for one in corpora])
    weight = weight / weight.sum()
    penalty = _PENALTY_OF_FEW if is_for_others and len(corpora) < _FEW else _PENALTY

    def loss(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p = expit(features @ found)
        likelihood = np.where(right, np.log(p + 1e-12), np.log(1 - p + 1e-12))
        by_label = found[3 : 3 + n_labels]
        gradient = features.T @ (weight * (p - right))
        gradient[3 : 3 + n_labels] += 2 * penalty * by_label
        return float(-(weight * likelihood).sum() + penalty * np.square(by_label).sum()), gradient

    limits = [(None, None), (0, None), (0, None), *[(None, None)] * n_labels, *[(None, 0)] * len(bounds)]
    found = minimize(loss, np.zeros(features.shape[1]), jac=True, method="L-BFGS-B", bounds=limits).x
    losses = -found[3 + n_labels :]
    measures = {
        name: bound.model_copy(update={"loss": round(float(loss), 4)})
        for (name, bound), loss in zip(bounds.items(), losses, strict=True)
        if loss > 1e-3
    }
    fitted = ModalityCertainty(
        bias=round(float(found[0]), 4),
        by_label=tuple(round(float(value), 4) for value in found[3 : 3 + n_labels]),
        confidence=round(float(found[1]), 4),
        margin=round(float(found[2]), 4),
        measures=measures,
    )
    return fitted.model_copy(update={"sets": fit_sets([judge(fitted, one) for one in corpora])})


def judge(fitted: ModalityCertainty, answers: Answers) -> Judged:
    """Return answers with their certainty, as at use."""
    p_right = np.empty(len(answers.truth))
    tempered = np.empty_like(answers.probabilities)
    for i, probabilities in enumerate(answers.probabilities):
        measures = {name: float(values[i]) for name, values in answers.measures.items()}
        tempered[i] = temper(probabilities, fitted.p_right(probabilities, measures))
        p_right[i] = tempered[i].max()
    return Judged(answers, p_right, tempered)


def judge_left_out(corpora: Sequence[Answers]) -> list[Judged]:
    """Judge every corpus by what is fitted on the others; where there is one alone, its halves by each other."""
    if len(corpora) > 1:
        return [judge(fit_modality([*corpora[:i], *corpora[i + 1 :]]), one) for i, one in enumerate(corpora)]
    first = first_half(corpora[0])
    halves = [part(corpora[0], chosen) for chosen in (first, ~first)]
    return [judge(fit_modality([halves[1 - i]], is_for_others=False), half) for i, half in enumerate(halves)]


def first_half(answers: Answers) -> NDArray[np.bool_]:
    """Return a mask (N,) of the answers of every other person; of every other answer where they are of one."""
    people = np.unique(answers.speakers)
    return np.arange(len(answers.truth)) % 2 == 0 if len(people) < 2 else np.isin(answers.speakers, people[::2])


def part(answers: Answers, chosen: NDArray[np.bool_]) -> Answers:
    """Return some of the answers."""
    return Answers(
        answers.name,
        answers.probabilities[chosen],
        answers.truth[chosen],
        answers.speakers[chosen],
        answers.conditions[chosen],
        {name: values[chosen] for name, values in answers.measures.items()},
    )


def fit_sets(judged: Sequence[Judged]) -> tuple[tuple[float, float], ...]:
    """Return by coverage the least probability of a label in a prediction set: so many truths have it.

    Every corpus counts alike, and in it clean inputs as much as all others together.
    """
    found = np.concatenate([one.tempered[np.arange(len(one.answers.truth)), one.answers.truth] for one in judged])
    weight = np.concatenate([_weights(one.answers) for one in judged])
    order = np.argsort(found)
    share = np.cumsum(weight[order]) / weight.sum()
    return tuple(
        (coverage, round(float(found[order][np.searchsorted(share, 1 - coverage)]), 4)) for coverage in COVERAGES
    )


def measure(judged: Sequence[Judged], n_bins: int = 20) -> tuple[Bin, ...]:
    """Return clean answers by how far they can be relied on, with the share that is right; corpora count alike.

    Args:
        judged: By what was fitted on other corpora.
        n_bins: Of equal width from 0 to 1; empty ones are left out.
    """
    p_right = np.concatenate([one.p_right[one.answers.clean] for one in judged])
    right = np.concatenate([one.answers.right[one.answers.clean] for one in judged])
    weight = np.concatenate([np.full(one.answers.clean.sum(), 1 / one.answers.clean.sum()) for one in judged])
    place = np.minimum((p_right * n_bins).astype(int), n_bins - 1)
    found = []
    for at in np.unique(place):
        inside = place == at
        mean_p, share = (float(np.average(one[inside], weights=weight[inside])) for one in (p_right, right))
        found.append(Bin(p_right=round(mean_p, 4), right=round(share, 4), n=int(inside.sum())))
    return tuple(found)


def fit_limits(measured: Mapping[str, Sequence[Bin]]) -> tuple[float, float]:
    """Return where the words "clear" and "likely" begin.

    A word begins at the lowest certainty from which on at least CLEAR, or LIKELY, of the answers of about one certainty
    (WINDOW) are right, for every modality: the word holds whatever it is said of.

    Args:
        measured: Bins by modality.
    """
    return _limit(measured, CLEAR), _limit(measured, LIKELY)


def _limit(measured: Mapping[str, Sequence[Bin]], wanted: float) -> float:
    limit = 1.0
    for start in np.arange(1 - WINDOW, 0.1, -WINDOW / 2).round(4).tolist():
        windows = [share_right(bins, start, start + WINDOW) for bins in measured.values()]
        shares = [share for share in windows if share is not None]
        if shares and min(shares) < wanted:
            break
        limit = start
    return limit


def share_right(bins: Sequence[Bin], start: float, below: float) -> float | None:
    """Return the share that is right of the answers from one certainty to below another; None where they are few."""
    inside = [one for one in bins if start <= one.p_right < below]
    n = sum(one.n for one in inside)
    return sum(one.right * one.n for one in inside) / n if n >= _LEAST_CALLED else None


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error (arXiv:1706.04599) of binned answers."""
    return sum(one.n * abs(one.p_right - one.right) for one in bins) / sum(one.n for one in bins)


def coverage_of(judged: Judged, sets: Sequence[tuple[float, float]], coverage: float) -> tuple[float, float]:
    """Return how many of the clean truths are in their prediction sets, and how many labels those hold on average."""
    least = float(np.interp(coverage, [at for at, _ in sets], [p for _, p in sets]))
    tempered = judged.tempered[judged.answers.clean]
    held = (tempered >= least) | (np.arange(tempered.shape[1]) == tempered.argmax(axis=1)[:, None])
    truth = judged.answers.truth[judged.answers.clean]
    return float(held[np.arange(len(truth)), truth].mean()), float(held.sum(axis=1).mean())


def area_under_roc(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return how likely a right answer has a higher score than a wrong one; ties count half. NaN without both."""
    values, place = np.unique(score, return_inverse=True)
    n_right = np.bincount(place, weights=right, minlength=len(values))
    n_wrong = np.bincount(place, weights=~right, minlength=len(values))
    below = np.cumsum(n_wrong) - n_wrong
    with np.errstate(invalid="ignore"):
        return float((n_right * (below + n_wrong / 2)).sum() / (n_right.sum() * n_wrong.sum()))


def _weights(answers: Answers) -> NDArray[np.float64]:
    """Return (N,) weights that add up to 1: clean inputs count as much as all others together."""
    weight = np.ones(len(answers.truth))
    n_groups = len(np.unique(answers.clean))
    for clean in (True, False):
        chosen = answers.clean == clean
        weight[chosen] /= max(weight[chosen].sum(), _FLOOR) * n_groups
    return np.asarray(weight)


def _bounds(corpora: Sequence[Answers]) -> dict[str, Bound]:
    """Return what is usual of each measure that was taken; a network's energy is, above a tenth of the clean inputs.

    Its step is as far as that tenth reaches, down to the lowest hundredth: a network that is sure of some inputs
    spreads its energies far above, and a step of that size would be one that no input can be short of.
    """
    taken = {name for one in corpora for name in one.measures}
    found = {name: bound for name, bound in USUAL.items() if name in taken}
    energy = [one.measures[ENERGY][one.clean] for one in corpora if ENERGY in one.measures and one.clean.any()]
    if energy:
        low, lowest = (float(np.mean([np.percentile(values, at) for values in energy])) for at in (10, 1))
        scale = max(low - lowest, 1e-3)
        found[ENERGY] = _usual(round(scale, 4), low=round(low, 4))
    return found


def _features(answers: Answers, bounds: Mapping[str, Bound], n_labels: int) -> NDArray[np.float64]:
    """Return (N, 3 + L + M): 1, log-odds, log of the margin, which label, and what is lacking of each measure."""
    p = np.maximum(answers.probabilities, _FLOOR)
    second, first = np.partition(p, -2, axis=1)[:, -2:].T
    usual = np.zeros(len(p))  # where nothing was measured
    lacking = [
        _lacking(answers.measures[name], bound) if name in answers.measures else usual for name, bound in bounds.items()
    ]
    chosen = np.eye(n_labels)[answers.probabilities.argmax(axis=1)]
    odds = np.log(first / np.maximum(1 - first, _FLOOR))
    columns = [np.ones(len(p)), odds, np.log(first / second), *chosen.T, *lacking]
    return np.stack(columns, axis=1)


def _lacking(values: NDArray[np.float64], bound: Bound) -> NDArray[np.float64]:
    below = 0.0 if bound.low is None else bound.low - values
    above = 0.0 if bound.high is None else values - bound.high
    return np.asarray(np.clip(np.maximum(below, above) / bound.scale, 0, MOST_LACKING))


assert CERTAIN > CLEAR > LIKELY
