"""The certainty of a whole bundle: fitted for every modality and for what is fused of them, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.certainty import Bin, CertaintySettings, FusedCertainty, ModalityCertainty
from emofuse.research.evaluation.fusion.agreement_fit import choices_of, fit_fused, judge_fused_left_out
from emofuse.research.evaluation.fusion.certainty_fit import (
    Answers,
    Judged,
    area_under_roc,
    coverage_of,
    first_half,
    fit_limits,
    fit_modality,
    fit_sets,
    judge,
    judge_left_out,
    measure,
    part,
)
from emofuse.research.evaluation.scores.metrics import expected_calibration_error

FUSED: Final = "fused"
PEOPLE: Final = "people left out"
COVERAGE: Final = 0.9  # that checks are made at
_SUREST: Final = 0.2  # of the answers


@dataclass(frozen=True, slots=True)
class CertaintyCheck:
    """How one corpus's answers were judged by what was fitted on the others.

    Attributes:
        of: The modality, or FUSED.
        corpus: Its name.
        is_clean: Whether inputs were left as they were; else they were corrupted.
        n: How many answers.
        right: The share that is right.
        error_before: The expected calibration error of the most probable label's probability.
        error: That of the probability of being right.
        area_before: How likely a right answer has a higher probability than a wrong one.
        area: How likely it has a higher probability of being right.
        surest: The share that is right of the surest fifth.
        covered: How many truths are in prediction sets for COVERAGE; NaN for corrupted inputs.
        n_labels: How many labels those hold on average.
    """

    of: str
    corpus: str
    is_clean: bool
    n: int
    right: float
    error_before: float
    error: float
    area_before: float
    area: float
    surest: float
    covered: float
    n_labels: float


def fit_certainty(
    answers: Mapping[str, Sequence[Answers]],
    together: Sequence[Mapping[str, Answers]],
    weights: Mapping[str, float],
    before: CertaintySettings | None,
    n_labels: int,
) -> tuple[CertaintySettings, list[CertaintyCheck]]:
    """Fit the certainty of a bundle.

    Args:
        answers: By modality, of corpora that its network was not trained on.
        together: Answers of several modalities to the same utterances, by corpus; without any, what the bundle has
            stays, and where it has nothing, agreement raises nothing.
        weights: Of the modalities in the fusion.
        before: What the bundle has: it stays for modalities without answers.
        n_labels: Of the bundle.

    Returns:
        The block for the bundle, and how every corpus was judged by what was fitted on the others.
    """
    modalities: dict[str, ModalityCertainty] = {} if before is None else dict(before.modalities)
    measured: dict[str, tuple[Bin, ...]] = {} if before is None else dict(before.measured)
    checks: list[CertaintyCheck] = []
    for name, corpora in answers.items():
        judged = judge_left_out(corpora)
        modalities[name] = fit_modality(corpora).model_copy(update={"sets": fit_sets(judged)})
        measured[name] = measure(judged)
        for i, one in enumerate(judged):
            sets = fit_sets([*judged[:i], *judged[i + 1 :]])
            checks += [_check(name, one, sets, clean) for clean in (True, False)]
        checks.append(_check_people(name, corpora))
    fused = (
        FusedCertainty(agreement=0, conflict=0, unsupported=round(1 / n_labels, 4)) if before is None else before.fused
    )
    if together:
        choices = [choices_of(one, weights) for one in together]
        judged = judge_fused_left_out(choices, n_labels)
        everywhere = [one for each in choices for one in each]
        fused = fit_fused(everywhere, n_labels).model_copy(update={"sets": fit_sets(judged)})
        measured[FUSED] = measure(judged)
        corpus_of = [i for i, each in enumerate(choices) for _ in each]
        for one, own in zip(judged, corpus_of, strict=True):
            others = [other for other, i in zip(judged, corpus_of, strict=True) if i != own] or judged
            checks.append(_check(FUSED, one, fit_sets(others), True))
    clear, likely = fit_limits(measured)
    block = CertaintySettings(modalities=modalities, fused=fused, clear=clear, likely=likely, measured=measured)
    return block, [check for check in checks if check.n]


def _check_people(of: str, corpora: Sequence[Answers]) -> CertaintyCheck:
    """Judge every other person of all corpora by what is fitted on the others: new people, where corpora are known."""
    known = [part(one, first_half(one)) for one in corpora]
    new = [judge(fit_modality(known), part(one, ~first_half(one))) for one in corpora]
    sets = fit_sets([judge(fit_modality(known), one) for one in known])
    joined = Answers(
        PEOPLE,
        np.concatenate([one.answers.probabilities for one in new]),
        np.concatenate([one.answers.truth for one in new]),
        np.concatenate([one.answers.speakers for one in new]),
        np.concatenate([one.answers.conditions for one in new]),
    )
    told = Judged(joined, np.concatenate([one.p_right for one in new]), np.concatenate([one.tempered for one in new]))
    return _check(of, told, sets, True)


def _check(of: str, judged: Judged, sets: Sequence[tuple[float, float]], is_clean: bool) -> CertaintyCheck:
    chosen = judged.answers.clean == is_clean
    n = int(chosen.sum())
    if not n:
        return CertaintyCheck(of, judged.answers.name, is_clean, 0, *[float("nan")] * 8)
    right, p_right = judged.answers.right[chosen], judged.p_right[chosen]
    confidence = judged.answers.probabilities[chosen].max(axis=1)
    surest = np.argsort(-p_right, kind="stable")[: max(1, round(_SUREST * n))]
    covered, n_labels = coverage_of(judged, sets, COVERAGE) if is_clean else (float("nan"), float("nan"))
    return CertaintyCheck(
        of,
        judged.answers.name,
        is_clean,
        n,
        float(right.mean()),
        _error(confidence, right),
        _error(p_right, right),
        area_under_roc(confidence, right),
        area_under_roc(p_right, right),
        float(right[surest].mean()),
        covered,
        n_labels,
    )


def _error(p_right: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the calibration error of a probability of being right: of two classes, told as the more likely one."""
    padded = np.stack([p_right, np.minimum(1 - p_right, p_right) - 1e-9], axis=1).astype(np.float32)
    return expected_calibration_error(padded, np.where(right, 0, 1).astype(np.int64))
