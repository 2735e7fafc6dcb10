"""How far an answer can be relied on: the functions that a bundle carries."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.answers import RISK, AnswerMaker, read_prior
from emofuse.inference.bundle import BUNDLES, MANIFEST, Bundle, load_bundle
from emofuse.inference.certainty import (
    Bound,
    CertaintySettings,
    FusedCertainty,
    ModalityCertainty,
    prediction_set,
    temper,
)
from emofuse.types import UNCERTAIN, Scores

FLAT = ModalityCertainty(bias=0, by_label=(0.0,) * 7, confidence=1, margin=0, sets=((0.5, 0.4), (0.9, 0.1)))


def settings(agreement: float = 0.5, conflict: float = 0.5, unsupported: float = 0.3) -> CertaintySettings:
    fused = FusedCertainty(agreement=agreement, conflict=conflict, unsupported=unsupported, sets=FLAT.sets)
    return CertaintySettings(modalities={"face": FLAT, "voice": FLAT}, fused=fused, clear=0.8, likely=0.5)


def maker(certainty: CertaintySettings | None = None, risk: float = RISK, coverage: float | None = None) -> AnswerMaker:
    weights = {"face": 1.0, "voice": 1.0, "text": 1.0}
    return AnswerMaker(weights, "logarithmic", certainty=certainty or settings(), risk=risk, coverage=coverage)


def scores(modality: str, *probabilities: float, **measures: float) -> Scores:
    """Probabilities of the first labels; the others share the rest."""
    rest = (1 - sum(probabilities)) / (7 - len(probabilities))
    p = np.array([*probabilities, *[rest] * (7 - len(probabilities))], np.float32)
    return Scores(modality, BASE, p, 0.0, 1.0, measures=measures)


@pytest.mark.parametrize("p_right", [0.15, 0.4, 0.71, 0.99])
def test_tempering_gives_the_first_label_the_probability_of_being_right(p_right: float) -> None:
    before = np.array([0.3, 0.05, 0.4, 0.1, 0.05, 0.04, 0.06])
    after = temper(before, p_right)
    assert after.max() == pytest.approx(p_right, abs=2e-3)
    assert np.argsort(-after, kind="stable").tolist() == np.argsort(-before, kind="stable").tolist()
    assert after.sum() == pytest.approx(1, abs=1e-5)


def test_a_bad_input_lowers_confidence_and_is_named() -> None:
    bound = Bound(low=5.5, scale=0.5, loss=0.8)
    small = FLAT.model_copy(update={"measures": {"size_octaves": bound}})
    answers = maker(settings().model_copy(update={"modalities": {"face": small}}))
    near, far = (answers.judge(scores("face", 0.7, size_octaves=size)) for size in (6.0, 4.5))
    assert near.certainty is not None and far.certainty is not None
    assert near.certainty.p_right == pytest.approx(0.7, abs=2e-3) and near.certainty.lowered_by == ()
    assert far.certainty.p_right == pytest.approx(1 / (1 + np.exp(2 * 0.8) * 0.3 / 0.7), abs=2e-3)
    assert far.certainty.lowered_by == ("small face",)
    assert far.label == near.label and far.confidence < near.confidence
    assert np.array_equal(far.evidence, near.evidence)  # what was found stays as it was


def test_no_measure_raises_confidence_and_none_counts_without_end() -> None:
    bound = Bound(low=0.0, high=1.0, scale=1.0, loss=0.5)
    values = [bound.lacking(value) for value in (-100, -3, 0, 0.5, 1, 2, 100)]
    assert values == [4, 3, 0, 0, 0, 1, 4]
    assert all(before >= after for before, after in pairwise(values[:3]))


@pytest.mark.parametrize(("agreement", "expected"), [(0.0, 0.6), (1.0, 0.9)])
def test_agreement_raises_confidence_as_far_as_was_measured(agreement: float, expected: float) -> None:
    answers = maker(settings(agreement=agreement))
    _, fused = answers.fuse({"face": scores("face", 0.6), "voice": scores("voice", 0.5)})
    assert fused is not None and fused.label == "neutral"
    assert fused.confidence == pytest.approx(expected, abs=2e-3)


def test_conflict_lowers_it() -> None:
    _, fused = maker(settings(conflict=0.5)).fuse({"face": scores("face", 0.7), "voice": scores("voice", 0.1, 0.5)})
    assert fused is not None and fused.label == "neutral" and fused.confidence < 0.7
    _, alone = maker(settings(conflict=0.5)).fuse({"face": scores("face", 0.7)})
    assert alone is not None and alone.confidence == pytest.approx(0.7, abs=2e-3)


def test_a_label_that_nobody_chose_needs_two_that_have_it_second() -> None:
    """The sum of evidence may be highest for a label that is not a modality's first."""
    face, voice = scores("face", 0.44, 0.42, 0.01), scores("voice", 0.01, 0.42, 0.44)
    _, fused = maker(risk=1.0).fuse({"face": face, "voice": voice})
    assert fused is not None and fused.label == "happy"
    assert fused.answer == "happy" and fused.confidence == pytest.approx(0.3, abs=2e-3)
    voice = Scores("voice", BASE, np.array([0.01, 0.3, 0.31, 0.32, 0.02, 0.02, 0.02], np.float32), 0, 1)
    _, fused = maker(risk=1.0).fuse({"face": face, "voice": voice})
    assert fused is not None and fused.label == "happy" and fused.answer == UNCERTAIN


def test_an_answer_is_uncertain_where_the_risk_is_more_than_allowed() -> None:
    face = {"face": scores("face", 0.6)}
    answers = {risk: maker(risk=risk).fuse(face)[1] for risk in (0.3, 0.5)}
    assert [one and one.answer for one in answers.values()] == [UNCERTAIN, "neutral"]
    assert all(one is not None and one.label == "neutral" for one in answers.values())  # the winner is kept
    assert {one.certainty.word for one in answers.values() if one and one.certainty} == {"likely"}


def test_prediction_sets_grow_with_coverage_and_hold_the_label() -> None:
    given = scores("face", 0.35, 0.3, 0.2)
    assert prediction_set(given, ((0.5, 0.4), (0.9, 0.1)), 0.5) == ("neutral",)
    assert prediction_set(given, ((0.5, 0.4), (0.9, 0.1)), 0.9) == ("neutral", "happy", "sad")
    told, fused = maker(coverage=0.9).fuse({"face": given})
    assert fused is not None and fused.certainty is not None and fused.certainty.labels == ("neutral", "happy", "sad")
    assert told["face"].certainty is not None and told["face"].certainty.labels == ("neutral", "happy", "sad")


def test_a_modality_that_nothing_was_fitted_for_tells_nothing() -> None:
    told, fused = maker().fuse({"face": scores("face", 0.7), "text": scores("text", 0.6)})
    assert told["face"].certainty is not None and told["text"].certainty is None
    assert fused is not None and fused.certainty is None and fused.answer == fused.label
    assert fused.raw is None  # and is what it was before


def test_a_prior_weighs_answers_and_leaves_evidence() -> None:
    prior = np.array([0.9, *[0.1 / 6] * 6])
    answers = replace(maker(), prior=prior)
    face = scores("face", 0.2, 0.5)
    told, fused = answers.fuse({"face": face})
    assert fused is not None and fused.label == told["face"].label == "neutral"
    assert np.array_equal(told["face"].evidence, face.probabilities)
    again, _ = answers.fuse(told)  # a mean over moments is made of what was told: the prior counts once
    assert np.allclose(again["face"].probabilities, told["face"].probabilities)


@pytest.fixture(scope="module")
def base() -> Bundle:
    return load_bundle("base")


def test_priors_are_flat_of_the_training_or_a_file(base: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "prior.json"
    file.write_text(json.dumps({label: 1 + (label == "sad") for label in BASE}), encoding="utf-8")

    def prior(text: str) -> list[float] | None:
        found = AnswerMaker.of_bundle(base, base.weights, base.pool, read_prior(text)).prior
        return None if found is None else found.round(3).tolist()

    assert prior("flat") is None
    assert prior(str(file)) == [0.125, 0.125, 0.25, 0.125, 0.125, 0.125, 0.125]
    corpus = prior("corpus")
    assert corpus is not None and corpus[0] > corpus[5] and sum(corpus) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.json", r"--prior none\.json"),
        ("[1]", "it is not an object of numbers"),
        ('{"happy": "1"}', "it is not an object of numbers"),
        ('{"happy": 1}', "'neutral' is missing, or is not a label"),
        (json.dumps(dict.fromkeys(BASE, 0)), "a number in it is not above 0"),
    ],
)
def test_a_prior_that_is_of_no_use_is_named(base: Bundle, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "prior.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        AnswerMaker.of_bundle(base, base.weights, base.pool, read_prior(text if "none" in text else str(file)))


def test_a_bundle_without_the_block_tells_nothing_and_refuses_sets(tmp_path: Path) -> None:
    for file in (BUNDLES / "base").glob("*.onnx"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((BUNDLES / "base" / MANIFEST).read_text(encoding="utf-8"))
    del manifest["certainty"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    old = load_bundle(tmp_path)
    face = {"face": scores("face", 0.6)}
    told, fused = AnswerMaker.of_bundle(old, old.weights, old.pool).fuse(face)
    assert told["face"] is face["face"] and fused is not None and fused.certainty is None
    with pytest.raises(UsageError, match="is not calibrated for how reliable its answers are"):
        AnswerMaker.of_bundle(old, old.weights, old.pool, coverage=0.9)
