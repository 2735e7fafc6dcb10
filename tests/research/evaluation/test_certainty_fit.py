"""Certainty is found again where it is known, and the thresholds that ship hold what they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.bundle import load_bundle
from emofuse.inference.certainty import Bin, CertaintySettings
from emofuse.research.evaluation.fusion.agreement_fit import choices_of, fit_fused, judge_choices
from emofuse.research.evaluation.fusion.bundle_certainty import fit_certainty
from emofuse.research.evaluation.fusion.certainty_fit import (
    CLEAN,
    CLEAR,
    LIKELY,
    WINDOW,
    Answers,
    area_under_roc,
    calibration_error,
    coverage_of,
    fit_limits,
    fit_modality,
    fit_sets,
    judge_left_out,
    measure,
    share_right,
)

N_LABELS = 4


def answers(n: int, seed: int, too_sure: float = 1.0, corrupted: float = 0.0, shift: float = 0.0) -> Answers:
    """Evidence of Gaussians at one of four places, told `too_sure` times too surely. A share of the inputs is
    corrupted: their evidence is noise, and the level of it is measured."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, N_LABELS, n)
    is_corrupted = random.random(n) < corrupted
    seen = (2.0 + shift) * np.eye(N_LABELS)[truth] * ~is_corrupted[:, None] + random.normal(size=(n, N_LABELS))
    logits = 2.0 * seen * too_sure
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    snr_db = np.where(is_corrupted, random.normal(5, 1, n), random.normal(40, 2, n))
    return Answers(
        f"corpus {seed}",
        p / p.sum(axis=1, keepdims=True),
        truth,
        np.array([f"{seed}-{i % 10}" for i in range(n)]),
        np.where(is_corrupted, "noise", CLEAN),
        {"snr_db": snr_db},
    )


def test_too_sure_answers_are_told_as_sure_as_they_are() -> None:
    judged = judge_left_out([answers(2000, 0, too_sure=3.0), answers(2000, 1, too_sure=3.0)])
    before = np.mean([one.answers.probabilities.max(axis=1).mean() - one.answers.right.mean() for one in judged])
    assert before > 0.1
    assert calibration_error(measure(judged)) < 0.03
    assert all(one.p_right.mean() == pytest.approx(one.answers.right.mean(), abs=0.03) for one in judged)


def test_a_bad_input_is_found_to_lower_certainty_and_a_harmless_measure_is_not() -> None:
    corpora = [answers(3000, seed, corrupted=0.3) for seed in (0, 1)]
    fitted = fit_modality(corpora)
    assert set(fitted.measures) == {"snr_db"} and fitted.measures["snr_db"].loss > 0.2
    p = np.array([0.7, 0.1, 0.1, 0.1])
    assert fitted.p_right(p, {"snr_db": 5.0}) < fitted.p_right(p, {"snr_db": 40.0}) - 0.15
    assert fitted.p_right(p, {"snr_db": 60.0}) == fitted.p_right(p, {"snr_db": 40.0})
    clean = fit_modality([answers(3000, seed) for seed in (0, 1)])
    assert all(bound.loss < 0.2 for bound in clean.measures.values())


def test_a_step_of_energy_is_one_that_inputs_can_be_short_of() -> None:
    """A network that is sure of some inputs spreads their energies upwards, which tells nothing of the low ones."""
    random = np.random.default_rng(5)
    one = answers(4000, 3, corrupted=0.15)
    is_noise = one.conditions != CLEAN
    energy = np.where(is_noise, random.uniform(1.85, 2.0, 4000), 2.0 + random.exponential(3.0, 4000))
    mixed = replace(one, conditions=np.full(4000, CLEAN), measures={"energy": energy})
    bound = fit_modality([mixed]).measures["energy"]
    assert energy.std() > 2 and bound.scale == pytest.approx(0.1, abs=0.03)
    assert bound.lacking(1.85) > 0.8 and bound.loss > 0.3


def test_prediction_sets_hold_the_truth_as_often_as_was_asked_for() -> None:
    fitted_on, new = (answers(3000, seed, shift=-1.0) for seed in (0, 1))
    judged = judge_left_out([fitted_on, new])
    sets = fit_sets(judged[:1])
    found = {coverage: coverage_of(judged[1], sets, coverage) for coverage in (0.7, 0.9, 0.95)}
    assert all(covered == pytest.approx(coverage, abs=0.04) for coverage, (covered, _) in found.items()), found
    sizes = [size for _, size in found.values()]
    assert sizes == sorted(sizes) and sizes[0] >= 1


def pair(n: int, seed: int, is_independent: bool) -> dict[str, Answers]:
    """Two modalities; either each has its own evidence, or the second one repeats the first one's."""
    first = answers(n, seed)
    random = np.random.default_rng(100 + seed)
    if is_independent:
        seen = 2.0 * np.eye(N_LABELS)[first.truth] + random.normal(size=(n, N_LABELS))
        p = np.exp(2.0 * seen)
        probabilities = p / p.sum(axis=1, keepdims=True)
    else:
        probabilities = first.probabilities
    second = Answers(first.name, probabilities, first.truth, first.speakers, first.conditions)
    return {
        "face": Answers(*(getattr(first, f) for f in ("name", "probabilities", "truth", "speakers", "conditions"))),
        "voice": second,
    }


@pytest.mark.parametrize(("is_independent", "least", "most"), [(True, 0.6, 1.0), (False, 0.0, 0.1)])
def test_agreement_counts_as_far_as_evidence_is_not_shared(is_independent: bool, least: float, most: float) -> None:
    found = choices_of(pair(3000, 0, is_independent), {"face": 1.0, "voice": 1.0})
    fitted = fit_fused(found, N_LABELS)
    assert least <= fitted.agreement <= most
    judged = judge_choices(fitted, found[0])
    assert calibration_error(measure([judged])) < 0.05


def test_a_bundle_keeps_what_nothing_new_is_known_of() -> None:
    block, checks = fit_certainty({"face": [answers(500, 0), answers(500, 1)]}, [], {"face": 1.0}, None, N_LABELS)
    assert list(block.modalities) == ["face"] and block.fused.agreement == 0
    assert [check.corpus for check in checks] == ["corpus 0", "corpus 1", "people left out"]
    assert all(check.covered == pytest.approx(0.9, abs=0.07) for check in checks)
    again, _ = fit_certainty({"voice": [answers(500, 2), answers(500, 3)]}, [], {"voice": 1.0}, block, N_LABELS)
    assert again.modalities["face"] == block.modalities["face"] and "voice" in again.modalities


def test_the_area_under_the_curve() -> None:
    score = np.array([0.9, 0.8, 0.8, 0.1])
    assert area_under_roc(score, np.array([True, True, False, False])) == 0.875
    assert np.isnan(area_under_roc(score, np.ones(4, bool)))


def bins(right: NDArray[np.float64]) -> tuple[Bin, ...]:
    places = np.arange(0.025, 1, 0.05)
    return tuple(Bin(p_right=float(p), right=float(r), n=100) for p, r in zip(places, right, strict=True))


def test_words_begin_where_every_modality_earns_them() -> None:
    honest = np.arange(0.025, 1, 0.05)
    assert fit_limits({"face": bins(honest)}) == (0.75, 0.45)  # a window's answers are right as often as its middle
    assert fit_limits({"face": bins(honest), "voice": bins(np.minimum(honest, 0.75))})[0] == 1.0  # never clear


@pytest.fixture(scope="module", params=["base", "large", "permissive"])
def shipped(request: pytest.FixtureRequest) -> CertaintySettings:
    certainty = load_bundle(request.param).manifest.certainty
    assert certainty is not None
    return certainty


def test_the_words_that_ship_are_those_of_their_data(shipped: CertaintySettings) -> None:
    assert (shipped.clear, shipped.likely) == fit_limits(shipped.measured)
    for name, found in shipped.measured.items():
        for start, wanted in ((shipped.clear, CLEAR), (shipped.likely, LIKELY)):
            share = share_right(found, start, start + WINDOW)
            assert share is None or share >= wanted, name


def test_what_ships_is_calibrated_on_corpora_that_were_left_out(shipped: CertaintySettings) -> None:
    assert set(shipped.measured) == {"face", "voice", "text", "fused"}
    errors = {name: calibration_error(found) for name, found in shipped.measured.items()}
    assert max(errors.values()) <= 0.08, errors


def test_agreement_that_ships_counts_for_less_than_independent_evidence(shipped: CertaintySettings) -> None:
    assert 0 < shipped.fused.agreement < 1
    assert shipped.fused.unsupported < shipped.likely  # a label that nobody chose is never more than unsure
