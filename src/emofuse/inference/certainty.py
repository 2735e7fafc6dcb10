"""How far an answer can be relied on: a small function, fitted on left-out predictions, that travels in the bundle.

A modality's certainty is a logistic function of its scores and of what was measured of its input, which can only lower
it. The certainty of a fused answer is that of its best supporter, raised by the others that agree and lowered by those
that do not, as far as was measured of inputs that belong together. docs/trust.md has the figures.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from emofuse.types import Limits, Scores

MOST_LACKING: Final = 4.0  # scales beyond a bound: what is worse is as bad
CERTAIN: Final = 0.99  # no answer is surer than that, and none less sure than chance
_SHOWN: Final = 0.3  # logits by which a measure has to lower an answer to be named
_FLOOR: Final = 1e-6
_MOST_POWER: Final = 64.0  # that probabilities are raised to: two that are nearly equal stay so
_MOST_STEPS: Final = 50  # it takes four to eight
_NEAR: Final = 1e-9  # of the logarithm of what is looked for
_REASONS: Final[Mapping[str, str]] = {
    "size_octaves": "small face",
    "sharpness": "blurred face",
    "light": "too dark or too bright",
    "contrast": "little contrast",
    "roll_deg": "tilted head",
    "turn": "turned head",
    "mouth_octaves": "covered mouth",
    "eyes_octaves": "covered eyes",
    "detection": "hardly a face",
    "spoken_s": "little speech",
    "snr_db": "noise, or a room that echoes",
    "clipped": "overdriven sound",
    "high_band_db": "unusual band, like a telephone's",
    "flatness_db": "unusual sound",
    "word_octaves": "few words",
    "known": "unknown words",
    "known_octaves": "few words that are known",
    "english": "hardly English",
    "energy": "unlike the training data",
}
"""What to tell people about a measure that lowers an answer."""


class Bound(BaseModel):
    """Where a measure is as usual, and how much an answer loses per scale beyond it; None where there is no end."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    low: float | None = None
    high: float | None = None
    scale: float = Field(gt=0)
    loss: float = Field(ge=0)

    def lacking(self, value: float) -> float:
        """Return how many scales a value is outside, 0 to MOST_LACKING."""
        below = 0.0 if self.low is None else self.low - value
        above = 0.0 if self.high is None else value - self.high
        return min(max(below, above, 0.0) / self.scale, MOST_LACKING)


class ModalityCertainty(BaseModel):
    """The probability that a modality's answer is right: a logistic function.

    Attributes:
        bias: Its constant.
        by_label: What is added for each label of the bundle where it is the answer.
        confidence: The weight of the log-odds of the most probable label.
        margin: The weight of the log of its odds against the second one.
        measures: By name, what is measured of the input.
        sets: By coverage, the least probability of a label in a prediction set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    bias: float
    by_label: tuple[float, ...]
    confidence: float = Field(ge=0)
    margin: float = Field(ge=0)
    measures: dict[str, Bound] = {}
    sets: tuple[tuple[float, float], ...] = ()

    def p_right(self, probabilities: NDArray[np.floating], measures: Mapping[str, float]) -> float:
        """Return the probability that the most probable label is right.

        Args:
            probabilities: (C,) of the modality.
            measures: What was measured of its input; what is missing lowers nothing.
        """
        winner = int(probabilities.argmax())
        first, second = np.partition(np.maximum(probabilities, _FLOOR), -2)[:-3:-1].tolist()
        logit = self.bias + self.by_label[winner]
        logit += self.confidence * log_odds(first) + self.margin * math.log(first / second)
        return bounded(logistic(logit - sum(self.losses(measures).values())), len(probabilities))

    def losses(self, measures: Mapping[str, float]) -> dict[str, float]:
        """Return the logits that each measure takes off."""
        known = ((name, bound) for name, bound in self.measures.items() if name in measures)
        return {name: bound.loss * bound.lacking(measures[name]) for name, bound in known}


class FusedCertainty(BaseModel):
    """The probability that a fused answer is right, from those of the modalities.

    Attributes:
        bias: Logits that are added where modalities are fused.
        agreement: The share of its evidence that another modality with the same label adds: 1 where inputs are
            independent given the emotion.
        conflict: The share that one with another label takes off.
        unsupported: The probability of a label that is not a modality's first choice.
        sets: As in `ModalityCertainty`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    bias: float = 0.0
    agreement: float = Field(ge=0, le=1)
    conflict: float = Field(ge=0, le=1)
    unsupported: float = Field(gt=0, lt=1)
    sets: tuple[tuple[float, float], ...] = ()

    def p_right(self, label: int, choices: Sequence[tuple[int, float]], n_labels: int) -> float:
        """Return the probability that a fused label is right.

        Args:
            label: The fused label.
            choices: The label of each modality, and the probability that it is right.
            n_labels: C.
        """
        if len(choices) == 1:
            return choices[0][1]
        supporters = sorted((p for chosen, p in choices if chosen == label), reverse=True)
        if not supporters:
            return bounded(self.unsupported, n_labels)
        chance = log_odds(1 / n_labels)
        agreeing = sum(max(0.0, log_odds(p) - chance) for p in supporters[1:])
        against = sum(max(0.0, log_odds(p) - chance) for chosen, p in choices if chosen != label)
        logit = self.bias + log_odds(supporters[0]) + self.agreement * agreeing - self.conflict * against
        return bounded(logistic(logit), n_labels)


class Bin(BaseModel):
    """Left-out answers of about one certainty: their mean p_right, the share that was right, and how many they were."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    p_right: float
    right: float
    n: int


class CertaintySettings(BaseModel):
    """The block `certainty` of a bundle.

    Attributes:
        modalities: By modality.
        fused: Of what is fused.
        clear: The least p_right of an answer that is called clear.
        likely: And of one that is called likely.
        measured: What it comes from: by modality, and for "fused", answers to clean inputs of corpora that were left
            out, judged by what was fitted on the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    version: Literal[1] = 1
    modalities: dict[str, ModalityCertainty]
    fused: FusedCertainty
    clear: Annotated[float, Field(gt=0, le=1)]
    likely: Annotated[float, Field(gt=0, le=1)]
    measured: dict[str, tuple[Bin, ...]] = {}

    def limits(self, risk: float) -> Limits:
        """Return where the words begin, and the least p_right of an answer where a risk is allowed."""
        return Limits(self.clear, self.likely, 1 - risk)


def reasons_for(losses: Mapping[str, float]) -> tuple[str, ...]:
    """Return what to tell people of what lowered an answer, most first."""
    named = sorted((name for name, loss in losses.items() if loss >= _SHOWN), key=lambda name: -losses[name])
    return tuple(dict.fromkeys(_REASONS.get(name, name) for name in named))


def temper(probabilities: NDArray[np.floating], p_right: float) -> NDArray[np.float32]:
    """Flatten or sharpen probabilities until the most probable label has the probability of being right.

    Their order stays. That is one temperature (Guo et al., 2017, arXiv:1706.04599) for every single answer.

    Args:
        probabilities: (C,) that add up to 1.
        p_right: What the highest of them is to be, above 1 / C.

    Returns:
        (C,) float32; as near to it as the order allows, where two labels have nearly the same probability.

    Example:
        >>> temper(np.array([0.9, 0.08, 0.02]), 0.5).round(2).tolist()
        [0.5, 0.3, 0.2]
    """
    logs = [math.log(max(p, _FLOOR)) for p in probabilities.tolist()]
    first = max(logs)
    behind = [log - first for log in logs]  # 0 for the first
    power, odds = 0.0, [1.0] * len(logs)
    for _ in range(_MOST_STEPS):  # of Newton's method, from below: what the odds add up to is convex, and falls
        total = sum(odds)
        excess, slope = math.log(total * p_right), math.fsum(map(operator.mul, behind, odds)) / total
        if excess < _NEAR or power == _MOST_POWER:
            break
        power = min(power - excess / slope, _MOST_POWER) if slope else _MOST_POWER
        odds = [math.exp(power * b) for b in behind]
    return np.array(odds, np.float32) / np.float32(sum(odds))


def prediction_set(scores: Scores, sets: Sequence[tuple[float, float]], coverage: float) -> tuple[str, ...]:
    """Return the labels that a prediction set holds, best first.

    A split conformal set (Sadinle et al., 2019, arXiv:1609.00451): labels of at least a probability that left-out
    truths had as often as `coverage` says, and always the first one.

    Args:
        scores: The answer, with the probabilities that tell how far it can be relied on.
        sets: By coverage, that probability.
        coverage: 0 to 1.
    """
    least = float(np.interp(coverage, [at for at, _ in sets], [least for _, least in sets]))
    order = np.argsort(-scores.probabilities, kind="stable")
    kept = [scores.labels[i] for i in order if scores.probabilities[i] >= least]
    return tuple(kept or [scores.label])


def bounded(p_right: float, n_labels: int) -> float:
    """Return a probability of being right that is above chance and not above CERTAIN."""
    return min(max(p_right, 1 / n_labels + 1e-3), CERTAIN)


def log_odds(p: float) -> float:
    """Return the log-odds of a probability."""
    return math.log(max(p, _FLOOR) / max(1 - p, _FLOOR))


def logistic(logit: float) -> float:
    """Return the probability of log-odds."""
    return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))
