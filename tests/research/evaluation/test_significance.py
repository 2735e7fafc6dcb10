"""The tests of significance against values worked out by hand, and against chance itself."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from emofuse.research.evaluation.scores.metrics import accuracy_of, uar_of
from emofuse.research.evaluation.scores.significance import holm, mcnemar, paired_bootstrap
from reference_metrics import score, unweighted_average_recall


def marks(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.array([True] * both + [True] * only_a + [False] * only_b + [False] * neither)
    b = np.array([True] * both + [False] * only_a + [True] * only_b + [False] * neither)
    return a, b


def test_mcnemar_by_hand() -> None:
    # of 10 coins, 0 or 1 or 9 or 10 heads: 2 (1 + 10) / 1024
    assert mcnemar(*marks(50, 1, 9, 7)) == pytest.approx(22 / 1024)
    assert mcnemar(*marks(0, 9, 1, 0)) == pytest.approx(22 / 1024)
    # of 6, none: 2 / 64, and what both got right or wrong does not count
    assert mcnemar(*marks(1000, 6, 0, 1000)) == pytest.approx(2 / 64)


@pytest.mark.parametrize("n", [0, 1, 30])
def test_mcnemar_of_equal_counts_shows_nothing(n: int) -> None:
    assert mcnemar(*marks(5, n, n, 5)) == 1.0


def test_mcnemar_nears_its_chi_square_with_many_clips() -> None:
    p = mcnemar(*marks(500, 190, 140, 300))
    statistic = (abs(190 - 140) - 1) ** 2 / (190 + 140)
    assert p == pytest.approx(math.erfc(math.sqrt(statistic / 2)), rel=0.03)


def test_holm_by_hand() -> None:
    # sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not end under 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_holm_of_one_or_none_or_large() -> None:
    assert holm([0.04]) == (0.04,)
    assert holm([]) == ()
    assert holm([0.6, 0.7]) == (1.0, 1.0)


def problem(skill_a: float, skill_b: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return truths, guesses of two models, and speakers: 24 with 30 clips each, some of them hard for both."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 4, 720)
    hard = np.repeat(random.normal(0, 0.08, 24), 30)
    guess = [
        np.where(random.random(720) < np.clip(s + hard, 0, 1), truth, random.integers(0, 4, 720))
        for s in (skill_a, skill_b)
    ]
    return truth, guess[0], guess[1], [f"s{i // 30:02}" for i in range(720)]


def test_a_model_does_not_differ_from_itself() -> None:
    truth, guess, _, speakers = problem(0.5, 0.5)
    assert paired_bootstrap(uar_of, truth, guess, guess, speakers, n_draws=200) == (0.0, (0.0, 0.0), 1.0)


def test_the_better_model_is_found() -> None:
    truth, a, b, speakers = problem(0.7, 0.4)
    difference, (low, high), p = paired_bootstrap(uar_of, truth, a, b, speakers, n_draws=999)
    assert difference == pytest.approx(score(truth, a, 4).uar - score(truth, b, 4).uar)
    assert 0 < low < difference < high
    assert p == pytest.approx(2 / 1000)  # no draw of 999 on the far side, and one more


def test_the_order_of_the_models_turns_the_sign_alone() -> None:
    truth, a, b, speakers = problem(0.5, 0.52)
    difference, (low, high), p = paired_bootstrap(uar_of, truth, a, b, speakers, n_draws=500)
    turned = paired_bootstrap(uar_of, truth, b, a, speakers, n_draws=500)
    assert turned[0] == pytest.approx(-difference)
    assert turned[1] == pytest.approx((-high, -low))
    assert turned[2] == p


def test_it_draws_as_a_plain_loop_would() -> None:
    truth, a, b, speakers = problem(0.55, 0.5)
    names = np.array(speakers)
    random = np.random.default_rng(3)
    values = []
    for _ in range(300):
        chosen = np.concatenate([np.flatnonzero(names == f"s{i:02}") for i in random.integers(0, 24, 24)])
        values.append(
            unweighted_average_recall(truth[chosen], a[chosen]) - unweighted_average_recall(truth[chosen], b[chosen])
        )
    low, high = np.percentile(values, [2.5, 97.5])
    n_far = min(np.sum(np.array(values) <= 0), np.sum(np.array(values) >= 0))
    found = paired_bootstrap(uar_of, truth, a, b, speakers, n_draws=300, seed=3)
    assert found[1] == pytest.approx((low, high))
    assert found[2] == pytest.approx(min(1.0, 2 * (n_far + 1) / 301))


def test_whole_speakers_are_drawn() -> None:
    """Each of two speakers is all for one model: a draw is a win, a loss or a tie, however many their clips."""
    truth = np.zeros(200, dtype=np.int64)
    a = np.array([0] * 100 + [1] * 100)
    difference, interval, p = paired_bootstrap(accuracy_of, truth, a, 1 - a, ["x"] * 100 + ["y"] * 100, n_draws=500)
    assert (difference, interval, p) == (0.0, (-1.0, 1.0), 1.0)


def test_one_speaker_says_nothing_of_others() -> None:
    truth = np.zeros(50, dtype=np.int64)
    difference, interval, p = paired_bootstrap(accuracy_of, truth, truth, truth + 1, ["x"] * 50)
    assert (difference, interval, p) == (1.0, (-1.0, 1.0), 1.0)


def test_the_seeds_of_a_model_are_averaged() -> None:
    truth, a, b, speakers = problem(0.7, 0.4)
    difference, _, _ = paired_bootstrap(accuracy_of, truth, np.stack([a, b]), b, speakers, n_draws=50)
    assert difference == pytest.approx((np.mean(a == truth) - np.mean(b == truth)) / 2)
    thrice = paired_bootstrap(accuracy_of, truth, np.stack([a, a, a]), b, speakers, n_draws=50)
    once = paired_bootstrap(accuracy_of, truth, a, b, speakers, n_draws=50)
    assert thrice[0] == pytest.approx(once[0])
    assert thrice[1] == pytest.approx(once[1])


def test_equal_models_seldom_differ() -> None:
    """Of 120 pairs that are as good as each other, about 6 may look different at 0.05; 15 has a chance under 0.1 %."""
    shown = [paired_bootstrap(uar_of, *problem(0.5, 0.5, seed), n_draws=300)[2] < 0.05 for seed in range(120)]
    assert sum(shown) < 15


def test_ten_thousand_draws_take_no_time() -> None:
    truth, a, b, speakers = problem(0.5, 0.5)
    start = time.perf_counter()
    paired_bootstrap(uar_of, truth, np.stack([a] * 3), np.stack([b] * 3), speakers)
    assert time.perf_counter() - start < 2
