"""Shapley values: by hand, and the properties that define them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.research.evaluation.fusion.shapley import contribution, shapley_weights, subsets_of

MODALITIES = ("visual", "acoustic", "lexical")


def test_subsets_go_from_none_to_all() -> None:
    assert subsets_of("ab") == [frozenset(), {"a"}, {"b"}, {"a", "b"}]
    assert len(subsets_of(MODALITIES)) == 8


def test_of_two_players_it_is_the_mean_of_coming_first_and_coming_last() -> None:
    values = np.array([0.25, 0.5, 0.6, 0.8])  # none, a, b, both
    assert shapley_weights("ab") @ values == pytest.approx([(0.5 - 0.25 + 0.8 - 0.6) / 2, (0.6 - 0.25 + 0.8 - 0.5) / 2])


def test_it_is_the_mean_over_all_orders_of_what_a_player_adds() -> None:
    values = dict(zip(subsets_of(MODALITIES), np.random.default_rng(1).uniform(size=8), strict=True))
    expected = dict.fromkeys(MODALITIES, 0.0)
    for order in permutations(MODALITIES):
        for i, modality in enumerate(order):
            expected[modality] += (values[frozenset(order[: i + 1])] - values[frozenset(order[:i])]) / 6
    found = shapley_weights(MODALITIES) @ np.array(list(values.values()))
    assert found == pytest.approx(list(expected.values()))
    assert found.sum() == pytest.approx(values[frozenset(MODALITIES)] - values[frozenset()])


def confusions(right: float, seed: int) -> NDArray[np.int64]:
    """Return (1, 6, 2, 2): six speakers with 50 clips of each of two classes, so many of which are right."""
    hits = np.random.default_rng(seed).binomial(50, right, (1, 6, 2))
    first, second = hits[..., 0], hits[..., 1]
    return np.stack([np.stack([first, 50 - first], -1), np.stack([50 - second, second], -1)], -2).astype(np.int64)


def test_shares_are_of_the_metric_and_their_intervals_hold_them() -> None:
    counts = {frozenset(): confusions(0.5, 1), frozenset("a"): confusions(0.8, 2)}
    counts |= {frozenset("b"): confusions(0.5, 3), frozenset("ab"): confusions(0.8, 4)}
    found = contribution("early", ("a", "b"), counts, "UAR")
    assert [s.modalities for s in found.subsets] == [(), ("a",), ("b",), ("a", "b")]
    assert [s.value for s in found.subsets] == pytest.approx([0.5, 0.8, 0.5, 0.8], abs=0.05)
    a, b = found.shares
    assert a.value + b.value == pytest.approx(found.subsets[-1].value - found.subsets[0].value)
    assert (a.value, b.value) == (pytest.approx(0.3, abs=0.06), pytest.approx(0.0, abs=0.06))
    assert a.interval_95[0] > 0.15
    assert b.interval_95[0] < b.value < b.interval_95[1]


def test_one_speaker_says_nothing_of_others() -> None:
    one = confusions(0.8, 1)[:, :1]
    found = contribution("early", ("a",), {frozenset(): one, frozenset("a"): one}, "UAR")
    assert found.shares[0].interval_95 == (-1.0, 1.0)
