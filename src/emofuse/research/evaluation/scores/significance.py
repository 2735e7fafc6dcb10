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
    """Return the exact two-sided p of McNemar's test on (N,) marks of what two models got right.

    Only the clips that one of the two got right count (McNemar, 1947, https://doi.org/10.1007/BF02295996;
    Dietterich, 1998, https://doi.org/10.1162/089976698300017197). It takes clips as independent, which those of
    one speaker are not: where it disagrees with `paired_bootstrap`, believe that.
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
    """Return a's metric minus b's, its 95 % interval, and the two-sided p of no difference.

    guess_a and guess_b: (N,), or (S, N) for S seeds, whose metrics are averaged; S may differ. Each draw takes
    whole groups (speakers) with replacement, the same for both models. The p is twice the share of draws on the
    far side of no difference, counting one more draw, so that it is never 0. A single group says nothing of others:
    p is 1 then, and the interval all there is. (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    ch. 15-16; by speaker: Bisani and Ney, 2004, https://doi.org/10.1109/ICASSP.2004.1326009.)
    """
    guesses = [np.atleast_2d(guess) for guess in (guess_a, guess_b)]
    n_classes = 1 + int(max(truth.max(), *(guess.max() for guess in guesses)))
    counts = [confusions_by_group(truth, guess, groups, n_classes) for guess in guesses]
    return paired_difference(metric, counts[0], counts[1], n_draws, seed)


def paired_difference(
    metric: ConfusionMetric, a: NDArray[np.int64], b: NDArray[np.int64], n_draws: int = N_DRAWS, seed: int = 0
) -> Difference:
    """Return what `paired_bootstrap` does, of two models' confusions (S, G, C, C) of S seeds and the same G groups."""
    observed = float(metric(a.sum(axis=1)).mean()) - float(metric(b.sum(axis=1)).mean())
    if a.shape[1] == 1:
        return observed, (-1.0, 1.0), 1.0
    differences = resampled(metric, a, n_draws, seed) - resampled(metric, b, n_draws, seed)
    low, high = np.percentile(differences, [2.5, 97.5])
    n_far = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
    return observed, (float(low), float(high)), min(1.0, 2 * (n_far + 1) / (n_draws + 1))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust the p of each of several tests so that all together err as rarely as one (Holm, 1979, Scand. J. Stat. 6).

    The smallest is multiplied by their number, the next by one less, and so on; none ends under a smaller one's.
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
    """Test several pairs of models together. drawn: what the bootstrap says of each pair; right: (N,) marks of what the
    first and the second of each got right, for McNemar's test. Either p is adjusted for the number of pairs."""
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
