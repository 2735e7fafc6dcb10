"""Whether one model is better than another on the same clips, or was lucky."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from emofuse.research.evaluation.scores.comparison import PairedTest
from emofuse.research.evaluation.scores.metrics import ConfusionMetric, confusions_by_group, resampled

N_DRAWS: Final = 10_000
Difference: TypeAlias = tuple[float, tuple[float, float], float]  # with its 95 % interval and p


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """Compute the exact two-sided p of McNemar's test.

    Only the clips that exactly one of the two models got right count. The test assumes that clips are independent,
    which those of one speaker are not: if it disagrees with `paired_bootstrap`, trust the bootstrap.

    Args:
        right_a: (N,) whether the first model is right.
        right_b: (N,) whether the second model is right.

    Returns:
        The p-value.

    Source:
        McNemar, 1947, https://doi.org/10.1007/BF02295996; Dietterich, 1998,
        https://doi.org/10.1162/089976698300017197.

    Example:
        >>> mcnemar(np.array([True, True, False]), np.array([True, False, True]))
        1.0
    """
    n_only_a = int(np.sum(right_a & ~right_b))
    n_only_b = int(np.sum(right_b & ~right_a))
    if n_only_a == n_only_b:
        return 1.0
    return float(binomtest(n_only_a, n_only_a + n_only_b, 0.5).pvalue)


def paired_bootstrap(
    metric: ConfusionMetric,
    truth: NDArray[np.int64],
    guess_a: NDArray[np.int64],
    guess_b: NDArray[np.int64],
    groups: Sequence[str],
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Difference:
    """Compare two models by a bootstrap over groups.

    Each draw takes whole groups (speakers) with replacement, the same for both models. The p-value is twice the share
    of draws on the far side of no difference, counting one more draw, so that it is never 0. A single group is no
    evidence about others: p is 1 then, and the interval is (-1, 1).

    Args:
        metric: Of `metrics.METRICS`.
        truth: (N,) class indices.
        guess_a: (N,) predicted class indices of the first model, or (S, N) for S seeds, whose metrics are averaged.
        guess_b: The same of the second model; S may differ.
        groups: The N groups of the clips.
        n_draws: The number of samples.
        seed: Of the random numbers.

    Returns:
        The metric of the first model minus that of the second, its 95 % interval, and the two-sided p-value.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 15-16; by speaker: Bisani and Ney, 2004,
        https://doi.org/10.1109/ICASSP.2004.1326009.

    Example:
        >>> from emofuse.research.evaluation.scores.metrics import accuracy_of
        >>> truth = np.array([0, 1, 0, 1])
        >>> paired_bootstrap(accuracy_of, truth, truth, truth, ["anna", "anna", "ben", "ben"], n_draws=10)
        (0.0, (0.0, 0.0), 1.0)
    """
    guesses = [np.atleast_2d(guess) for guess in (guess_a, guess_b)]
    n_classes = 1 + int(max(truth.max(), *(guess.max() for guess in guesses)))
    counts = [confusions_by_group(truth, guess, groups, n_classes) for guess in guesses]
    return paired_difference(metric, counts[0], counts[1], n_draws, seed)


def paired_difference(
    metric: ConfusionMetric, a: NDArray[np.int64], b: NDArray[np.int64], n_draws: int = N_DRAWS, seed: int = 0
) -> Difference:
    """Compare two models by a bootstrap over groups, as `paired_bootstrap` does, from their confusions.

    Args:
        metric: Of `metrics.METRICS`.
        a: (S, G, C, C) counts of the first model, of S seeds and G groups.
        b: The same of the second model, of the same groups.
        n_draws: The number of samples.
        seed: Of the random numbers.

    Returns:
        The difference, its 95 % interval, and the two-sided p-value.

    Example:
        >>> from emofuse.research.evaluation.scores.metrics import accuracy_of
        >>> counts = np.array([[[[1, 0], [0, 1]]]])
        >>> paired_difference(accuracy_of, counts, counts)  # a single group
        (0.0, (-1.0, 1.0), 1.0)
    """
    observed = float(metric(a.sum(axis=1)).mean()) - float(metric(b.sum(axis=1)).mean())
    if a.shape[1] == 1:
        return observed, (-1.0, 1.0), 1.0
    differences = resampled(metric, a, n_draws, seed) - resampled(metric, b, n_draws, seed)
    low, high = np.percentile(differences, [2.5, 97.5])
    n_far = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return observed, (float(low), float(high)), min(1.0, 2 * (n_far + 1) / (n_draws + 1))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p-values of several tests, so that the family-wise error rate is that of one test.

    Args:
        p_values: Of the tests.

    Returns:
        The adjusted p-values, in the same order.

    Source:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979, Scandinavian Journal of Statistics 6.

    Example:
        >>> holm([0.01, 0.5, 0.02])
        (0.03, 0.5, 0.04)
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = least
    return tuple(adjusted)


def paired_tests(
    drawn: Sequence[Difference], right: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]]
) -> tuple[PairedTest, ...]:
    """Test several pairs of models together.

    Args:
        drawn: The result of the bootstrap for each pair.
        right: For each pair, (N,) whether the first model and whether the second model is right, for McNemar's test.

    Returns:
        The tests, with both p-values also adjusted for the number of pairs.

    Example:
        >>> marks = np.array([True, False])
        >>> paired_tests([(0.1, (0.0, 0.2), 0.04)], [(marks, marks)])[0].p_bootstrap_holm
        0.04
    """
    exact = [mcnemar(first, second) for first, second in right]
    drawn_holm, exact_holm = holm([p for _, _, p in drawn]), holm(exact)
    return tuple(
        PairedTest(
            difference=difference,
            interval_95=interval,
            p_bootstrap=p,
            p_bootstrap_holm=drawn_holm[i],
            n_only=(int((first & ~second).sum()), int((second & ~first).sum())),
            p_mcnemar=exact[i],
            p_mcnemar_holm=exact_holm[i],
        )
        for i, ((difference, interval, p), (first, second)) in enumerate(zip(drawn, right, strict=True))
    )
