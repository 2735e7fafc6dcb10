"""Late fusion: the weights are those that fit the validation clips best, and nothing of the test clips decides them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.inference.network import log_probabilities
from emofuse.research.evaluation.fusion.late_fusion import LARGEST, fuse_folds, product_weights
from emofuse.research.evaluation.protocols.folds import FoldResult
from emofuse.research.evaluation.scores.metrics import fit_temperature
from emofuse.research.models.settings import FaceNetSettings, SvmSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe
from make_ravdess import tiny_recipe

N_CLASSES = 4


def settings(rule: Literal["learned", "product", "mean", "vote"] = "learned") -> LateFusionSettings:
    members = tuple(tiny_recipe(SvmSettings()).model_copy(update={"name": name}) for name in ("one", "two"))
    return LateFusionSettings(members=members, rule=rule)


def drawn(n: int, strength: float, seed: int, truth: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (N, C) log-probabilities that favour the true class by so many deviations of their noise, calibrated."""
    logits = np.random.default_rng(seed).normal(size=(n, N_CLASSES))
    logits[np.arange(n), truth] += strength
    return log_probabilities((strength * logits).astype(np.float32))


def labels(n: int, seed: int = 9) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, N_CLASSES, n)


def loss(weights: Sequence[float], scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    pooled = np.einsum("m,mnc->nc", np.asarray(weights, np.float64), scores.astype(np.float64))
    return float((np.log(np.exp(pooled).sum(axis=1)) - pooled[np.arange(len(truth)), truth]).mean())


def right(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    return float((scores.argmax(axis=1) == truth).mean())


def result(strength: float, seed: int, n_valid: int = 300, n_test: int = 300, n_parameters: int = 5) -> FoldResult:
    valid, test = labels(n_valid), labels(n_test, 10)
    return FoldResult(
        drawn(n_test, strength, seed, test), drawn(n_valid, strength, seed + 1, valid), valid, n_parameters, None
    )


def test_weights_are_where_the_loss_is_least() -> None:
    truth = labels(400)
    scores = np.stack([drawn(400, 1.5, 1, truth), drawn(400, 0.7, 2, truth)])
    found = product_weights(scores, truth)
    grid = np.arange(0, 3, 0.05)
    losses = np.array([[loss((a, b), scores, truth) for b in grid] for a in grid])
    row, column = np.unravel_index(losses.argmin(), losses.shape)
    assert found == pytest.approx([grid[row], grid[column]], abs=0.05)
    assert loss(found, scores, truth) <= losses.min() + 1e-6
    step = 1e-3
    for member in range(2):
        higher, lower = found.copy(), found.copy()
        higher[member] += step
        lower[member] -= step
        slope = (loss(higher, scores, truth) - loss(lower, scores, truth)) / (2 * step)
        assert slope == pytest.approx(0, abs=1e-4)
    # drawn calibrated and apart, so that their product is nearly what is to be believed
    assert found == pytest.approx([1, 1], abs=0.35)


def test_a_member_that_knows_nothing_has_next_to_no_weight() -> None:
    truth = labels(2_000)
    noise = log_probabilities(np.random.default_rng(3).normal(size=(2_000, N_CLASSES)).astype(np.float32))
    found = product_weights(np.stack([drawn(2_000, 1.5, 1, truth), noise]), truth)
    assert found[0] == pytest.approx(1, abs=0.15)
    assert 0 <= found[1] < 0.06


def test_a_member_that_is_wrong_is_not_believed_the_other_way_round() -> None:
    truth = labels(400)
    contrary = log_probabilities(-drawn(400, 1.0, 2, truth))
    assert product_weights(np.stack([drawn(400, 1.5, 1, truth), contrary]), truth)[1] == 0


def test_validation_clips_that_are_all_right_do_not_make_weights_endless() -> None:
    truth = np.arange(8) % N_CLASSES
    sure = log_probabilities(np.eye(N_CLASSES, dtype=np.float32)[truth])
    found = product_weights(np.stack([sure, sure]), truth)
    assert (found <= LARGEST).all() and np.isfinite(found).all()


def test_two_that_err_apart_are_better_together() -> None:
    one, two = result(1.2, 1), result(1.2, 5)
    truth = labels(300, 10)
    for rule in ("learned", "product", "mean", "vote"):
        (fused,) = fuse_folds(settings(rule), [[one], [two]])
        assert right(fused.test, truth) > max(right(one.test, truth), right(two.test, truth)) + 0.05
        assert right(fused.valid, one.valid_truth) > max(right(m.valid, m.valid_truth) for m in (one, two)) + 0.05


def test_the_product_rule_weighs_the_calibrated_members() -> None:
    one, two = result(1.5, 1), result(0.6, 5)
    two = replace(two, test=4 * two.test, valid=4 * two.valid)  # far too sure, which calibration takes back
    (fused,) = fuse_folds(settings(), [[one], [two]])
    temperatures = [fit_temperature(m.valid, m.valid_truth) for m in (one, two)]
    assert temperatures == pytest.approx([1, 4], rel=0.25)
    valid, test = (
        np.stack([log_probabilities(part, t) for part, t in zip(parts, temperatures, strict=True)])
        for parts in ((one.valid, two.valid), (one.test, two.test))
    )
    weights = product_weights(valid, one.valid_truth)
    np.testing.assert_allclose(fused.test, weights[0] * test[0] + weights[1] * test[1], rtol=1e-5)
    np.testing.assert_allclose(fused.valid, weights[0] * valid[0] + weights[1] * valid[1], rtol=1e-5)


def test_the_mean_rule_averages_calibrated_probabilities() -> None:
    one, two = result(1.5, 1), result(0.6, 5)
    two = replace(two, test=4 * two.test, valid=4 * two.valid)
    (fused,) = fuse_folds(settings("mean"), [[one], [two]])
    each = [np.exp(log_probabilities(m.test, fit_temperature(m.valid, m.valid_truth))) for m in (one, two)]
    np.testing.assert_allclose(np.exp(fused.test), (each[0] + each[1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(np.exp(fused.test).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(fused.valid).sum(axis=1), 1, rtol=1e-5)


def test_the_networks_of_all_seeds_answer_as_one() -> None:
    """Two seeds, two folds: in the place of each stands the mean of its fold's, calibrated by their own clips."""
    first, second = [result(1.2, 1), result(0.8, 20)], [result(1.2, 5), result(0.8, 30)]
    second[0] = replace(second[0], test=3 * second[0].test, valid=3 * second[0].valid)
    one = LateFusionSettings(members=settings().members[:1], rule="product", over_seeds=True)
    fused = fuse_folds(one, [[*first, *second]], n_seeds=2)
    assert len(fused) == 4 and fused[0] is not fused[1]
    for fold in range(2):
        expected = np.mean([first[fold].calibrated, second[fold].calibrated], axis=0)
        for seed in range(2):
            np.testing.assert_array_equal(fused[2 * seed + fold].test.argmax(axis=1), expected.argmax(axis=1))
        assert fused[fold].n_parameters == first[fold].n_parameters + second[fold].n_parameters
    truth = labels(300, 10)
    assert right(fused[0].test, truth) > max(right(seed[0].test, truth) for seed in (first, second)) + 0.05


def test_one_member_is_not_fused_with_itself() -> None:
    with pytest.raises(UsageError, match="two or more members, or one over_seeds"):
        LateFusionSettings(members=settings().members[:1])


def of(*rows: Sequence[float]) -> FoldResult:
    """Return a member that says these probabilities of the test clips, and is calibrated already."""
    valid = labels(200)
    sure = drawn(200, 1.5, 3, valid)
    sure = log_probabilities(sure, fit_temperature(sure, valid))
    return FoldResult(np.log(np.array(rows, dtype=np.float32)), sure, valid, 1, None)


def test_votes_are_counted_and_not_how_sure_they_are() -> None:
    surest, others = of([0.97, 0.01, 0.01, 0.01]), of([0.3, 0.4, 0.15, 0.15])
    (fused,) = fuse_folds(settings("vote"), [[surest], [others], [others]])
    assert fused.test.argmax(axis=1).tolist() == [1]
    (mean,) = fuse_folds(settings("mean"), [[surest], [others], [others]])
    assert mean.test.argmax(axis=1).tolist() == [0]
    np.testing.assert_allclose(np.exp(fused.test).sum(axis=1), 1, rtol=1e-5)


def test_a_tied_vote_goes_to_the_larger_sum_of_probabilities_and_not_to_the_first_class() -> None:
    one, two = of([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.6, 0.1]), of([0.1, 0.2, 0.1, 0.6], [0.7, 0.1, 0.1, 0.1])
    (fused,) = fuse_folds(settings("vote"), [[one], [two]])
    assert fused.test.argmax(axis=1).tolist() == [3, 0]
    # a class without a vote does not win, though its sum is the largest
    third, fourth = of([0.0001, 0.4999, 0.5, 0.00001]), of([0.5, 0.4999, 0.0001, 0.00001])
    (between,) = fuse_folds(settings("vote"), [[third], [fourth]])
    assert between.test.argmax(axis=1)[0] in (0, 2)


@pytest.mark.parametrize("rule", ["learned", "product", "mean", "vote"])
def test_who_says_all_classes_alike_has_no_say(rule: Literal["learned", "product", "mean", "vote"]) -> None:
    silent, one, two = of([0.25] * 4), of([0.1, 0.2, 0.6, 0.1]), of([0.1, 0.5, 0.3, 0.1])
    (alone,) = fuse_folds(settings(rule), [[silent], [one]])
    assert alone.test.argmax(axis=1).tolist() == [2]
    (three,) = fuse_folds(settings(rule), [[silent], [one], [two]])
    (pair,) = fuse_folds(settings(rule), [[one], [two]])
    if rule != "learned":  # whose weights depend on how many validate
        np.testing.assert_allclose(log_probabilities(three.test), log_probabilities(pair.test), atol=1e-5)
    (nobody,) = fuse_folds(settings(rule), [[silent], [silent]])
    assert np.ptp(nobody.test) < 1e-5


@pytest.mark.parametrize("rule", ["learned", "product", "mean", "vote"])
def test_nothing_of_the_test_clips_decides_how_they_are_put_together(rule: str) -> None:
    one, two = result(1.5, 1), result(0.6, 5)
    (fused,) = fuse_folds(settings(rule), [[one], [two]])
    others = np.random.default_rng(4).normal(size=(7, N_CLASSES)).astype(np.float32)
    swapped = [replace(one, test=np.concatenate([one.test[:5], others])), replace(two, test=two.test[:12])]
    (again,) = fuse_folds(settings(rule), [[swapped[0]], [swapped[1]]])
    assert np.array_equal(again.valid, fused.valid)
    assert np.array_equal(again.test[:5], fused.test[:5])  # so the weights and temperatures are the same
    assert again.test.shape == (12, N_CLASSES)


def test_folds_are_fused_each_by_its_own_validation_clips() -> None:
    strong, weak, noise = result(2.0, 1), result(0.8, 5), result(0.0, 7)
    together = fuse_folds(settings(), [[strong, noise], [noise, weak]])
    alone = [*fuse_folds(settings(), [[strong], [noise]]), *fuse_folds(settings(), [[noise], [weak]])]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.test, b.test) and np.array_equal(a.valid, b.valid)
    first, second = together
    truth = labels(300, 10)
    for fused, member in ((first, strong), (second, weak)):  # each follows the one that knows something there
        assert right(fused.test, truth) == pytest.approx(right(member.test, truth), abs=0.03)
    assert right(strong.test, truth) > right(weak.test, truth) + 0.1


def test_a_fused_result_is_of_all_its_members() -> None:
    one, two = result(1.0, 1, n_parameters=7), result(1.0, 5, n_parameters=0)
    (fused,) = fuse_folds(settings(), [[one], [two]])
    assert (fused.n_parameters, fused.curve) == (7, None)
    assert fused.test.dtype == fused.valid.dtype == np.float32
    assert np.array_equal(fused.valid_truth, one.valid_truth)
    with pytest.raises(ValueError, match="zip"):
        fuse_folds(settings(), [[one, one], [two]])


def test_members_have_names_of_their_own_and_are_of_utterances() -> None:
    one = tiny_recipe(SvmSettings())
    with pytest.raises(ValueError, match="two members have the same name: tiny, tiny"):
        tiny_recipe(SvmSettings()).model_validate(
            {"name": "f", "data": one.data, "model": {"name": "late-fusion", "members": [one, one]}}
        )
    face = Recipe(name="face", data=FaceDataSettings(), model=FaceNetSettings())
    with pytest.raises(UsageError, match="of utterances, not of single pictures"):
        Recipe(name="f", data=one.data, model=LateFusionSettings(members=(one, face)))
