"""A whole comparison of fusions on a small feature set: what is trained, what is reused, and what is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from emofuse.errors import RecipeError
from emofuse.research.evaluation.fusion.figures import draw_contributions, draw_performance, draw_robustness
from emofuse.research.evaluation.fusion.result import FusionReport, Verdict
from emofuse.research.evaluation.fusion.run import ComparisonRuns, run_methods
from emofuse.research.evaluation.fusion.scores import fusion_report
from emofuse.research.evaluation.fusion.sections import fusion_document, sentence
from emofuse.research.evaluation.fusion.settings import (
    FusionComparisonSettings,
    PublishedSettings,
    load_fusion_comparison,
)
from emofuse.research.evaluation.fusion.write import write_fusion
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols.learners import RunContext
from emofuse.research.evaluation.reports.document import to_markdown
from emofuse.research.evaluation.scores.predictions import read_predictions
from make_feature_corpus import TINY, write_feature_corpus
from reference_metrics import unweighted_average_recall

pytestmark = pytest.mark.load  # it trains dozens of networks

COMMAND = "emofuse compare --fusion tiny.toml"
Change = Callable[..., FusionComparisonSettings]


class Compared(NamedTuple):
    """A comparison that was run."""

    settings: FusionComparisonSettings
    folder: Path
    runs: ComparisonRuns
    report: FusionReport


@pytest.fixture(scope="module")
def change(tmp_path_factory: pytest.TempPathFactory) -> Change:
    """Return a function that loads the tiny comparison with `key=value` overrides."""
    place = tmp_path_factory.mktemp("sets")
    corpus = write_feature_corpus(place / "small")
    (place / "tiny.toml").write_text(TINY.format(corpus=corpus), encoding="utf-8")
    unwanted = '["gated", "unified"]'
    return lambda *overrides: load_fusion_comparison(place / "tiny.toml", [f"leave_out={unwanted}", *overrides])


@pytest.fixture(scope="module")
def compared(change: Change, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Run it once."""
    settings, folder = change(), tmp_path_factory.mktemp("runs")
    runs = run_methods(settings, None, RunContext(folder, settings.seeds, COMMAND))
    return Compared(settings, folder, runs, fusion_report(settings, runs, COMMAND))


def test_every_method_is_tested_on_the_same_clips(compared: Compared) -> None:
    report = compared.report
    assert [m.name for m in report.methods] == ["audio", "text", "early", "late-vote", "late-learned", "attention"]
    assert [m.is_single for m in report.methods] == [True, True, False, False, False, False]
    assert report.modalities == ("acoustic", "lexical")
    assert {tuple(one.predictions.clips for one in ran) for ran in compared.runs.ran.values()} == {
        (compared.runs.ran["audio"][0].predictions.clips,)
    }
    assert {sum(fold.n_test for fold in m.stamp.folds) for m in report.methods} == {72}
    assert all(np.sum(m.confusion) == 72 for m in report.methods)
    assert not report.stamp.leaky


def test_fusions_of_two_halves_of_what_is_to_be_known_beat_either(compared: Compared) -> None:
    report = compared.report
    early = report.named("early").metric("UAR").value
    assert early > max(report.named(name).metric("UAR").value for name in ("audio", "text")) + 0.1
    verdict = next(v for v in report.verdicts if v.fusion == "early")
    assert verdict.single == report.best_single
    assert verdict.difference == pytest.approx(early - report.named(report.best_single).metric("UAR").value)


def test_a_score_is_the_mean_over_seeds(compared: Compared) -> None:
    found = compared.runs.ran["early"][0].predictions
    expected = [unweighted_average_recall(found.truth, guess) for guess in found.guesses]
    metric = compared.report.named("early").metric("UAR")
    assert metric.by_seed == pytest.approx(expected)
    assert metric.interval_95[0] < metric.value < metric.interval_95[1]


def test_the_best_single_modality_is_chosen_on_the_validation_parts(compared: Compared) -> None:
    singles = [m for m in compared.report.methods if m.is_single]
    assert compared.report.best_single == max(singles, key=lambda m: m.valid).name
    for method in singles:
        results = [r for one in compared.runs.ran[method.name] for r in one.results]
        each = [unweighted_average_recall(r.valid_truth, r.valid.argmax(axis=1)) for r in results]
        assert method.valid == pytest.approx(np.mean(each))


def test_ensembles_are_compared_with_ensembles(change: Change, compared: Compared) -> None:
    together = 'methods.{0}-all={{model={{name="late-fusion",members=["{0}"],over_seeds=true}}}}'
    settings = change(*(together.format(name) for name in ("audio", "text", "early")))
    runs = run_methods(settings, None, RunContext(compared.folder, settings.seeds, COMMAND))
    report = fusion_report(settings, runs, COMMAND)
    assert {m.name for m in report.methods if m.over_seeds} == {"audio-all", "text-all", "early-all"}
    rivals = {v.fusion: v.single for v in report.verdicts}
    assert rivals["early-all"] == max(("audio-all", "text-all"), key=lambda name: report.named(name).valid)
    assert {rivals[name] for name in rivals if name != "early-all"} == {compared.report.best_single}
    seeds = runs.ran["early-all"][0].predictions.log_probabilities
    assert len(seeds) == len(settings.seeds) > 1 and all(np.array_equal(seed, seeds[0]) for seed in seeds)
    assert "compared with the best single modality that is one, too" in to_markdown(fusion_document(report))


def test_late_fusions_use_the_trainings_of_the_single_modalities(compared: Compared) -> None:
    trained = {path.name for path in (compared.folder / "trainings").iterdir()}
    assert trained == {"audio", "text", "early", "attention"}


def test_a_second_time_nothing_is_trained(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "fit", lambda *a, **k: pytest.fail("trained again"))
    context = RunContext(compared.folder, compared.settings.seeds, COMMAND)
    again = run_methods(compared.settings, None, context)
    assert fusion_report(compared.settings, again, COMMAND) == compared.report


def test_a_modality_alone_is_what_is_left_when_the_other_is_masked(compared: Compared) -> None:
    """A single modality is not moved by losing the other, and a vote without one member is the other member."""
    runs = compared.runs
    only = {c.modalities: k for k, c in enumerate(runs.conditions) if c.what == "only"}
    text = runs.ran["text"][0]
    assert text.under[only["lexical",]].argmax(axis=-1).tolist() == text.predictions.guesses.tolist()
    assert np.ptp(text.under[only["acoustic",]], axis=-1).max() < 1e-6
    vote = runs.ran["late-vote"][0].under[only["lexical",]]
    assert vote.argmax(axis=-1).tolist() == text.predictions.guesses.tolist()


def test_shares_add_up_to_what_a_fusion_gains_over_the_commonest_emotion(compared: Compared) -> None:
    assert [c.method for c in compared.report.contributions] == ["early", "late-vote", "late-learned", "attention"]
    for contribution in compared.report.contributions:
        nothing, *_, everything = (s.value for s in contribution.subsets)
        assert nothing == pytest.approx(0.25)
        assert everything == pytest.approx(compared.report.named(contribution.method).metric("UAR").value)
        assert sum(s.value for s in contribution.shares) == pytest.approx(everything - nothing)
        assert [s.modality for s in contribution.shares] == ["acoustic", "lexical"]


def test_noise_and_loss_cost_what_they_hit(compared: Compared) -> None:
    found = {(c.method, c.what, c.modality): c.value for c in compared.report.corrupted}
    whole = {m.name: m.metric("UAR").value for m in compared.report.methods}
    assert len(found) == 6 * 2 * 2
    for what in ("noise", "loss"):
        assert found["text", what, "acoustic"] == pytest.approx(whole["text"])
        assert found["text", what, "lexical"] < whole["text"] - 0.05
        assert found["early", what, "lexical"] < whole["early"]


def test_styles_are_scored_apart(compared: Compared) -> None:
    by_style = compared.report.named("early").by_style
    assert [(s.style, s.n) for s in by_style] == [("improvised", 36), ("scripted", 36)]
    found, clips = compared.runs.ran["early"][0].predictions, compared.runs.clips[0]
    mask = np.asarray(clips.styles) == "scripted"
    expected = [unweighted_average_recall(found.truth[mask], guess[mask]) for guess in found.guesses]
    assert by_style[1].value == pytest.approx(np.mean(expected))


def test_drawn_clips_are_averaged_over_the_draws(change: Change, tmp_path: Path) -> None:
    # named before one of its members, which is not a single modality
    late = 'methods.first={model={name="late-fusion",rule="mean",members=["text","second"]}}'
    second = 'methods.second={model={name="gated-fusion",width=8}}'
    left_out = 'leave_out=["gated","unified","attention","late-learned"]'
    quick = (late, second, left_out, "seeds=[1]", "train.epochs=1")
    drawing = change("reference={size=48,draws=2,seed=5}", *quick)
    runs = run_methods(drawing, None, RunContext(tmp_path, drawing.seeds, COMMAND))
    report = fusion_report(drawing, runs, COMMAND)
    assert (report.n_draws, [len(clips.truth) for clips in runs.clips]) == (2, [48] * 2)
    clips = [set(one.predictions.clips) for one in runs.ran["early"]]
    assert clips[0] != clips[1]
    each = [unweighted_average_recall(one.predictions.truth, one.predictions.guesses[0]) for one in runs.ran["early"]]
    assert report.named("early").metric("UAR").by_seed == pytest.approx(each)
    assert [m.name for m in report.methods] == ["audio", "text", "early", "late-vote", "first", "second"]
    assert "48 of 72 utterances, drawn with the seeds 5 to 6" in report.stamp.protocol
    assert {p.name for p in (tmp_path / "trainings").iterdir()} == {"draw1", "draw2"}
    written = {path.relative_to(tmp_path).as_posix() for path in write_fusion(report, runs, tmp_path)}
    assert {"fusion.json", "methods/early/draw2/predictions.csv"} <= written


def test_one_set_is_tested_by_what_was_trained_on_another(change: Change, tmp_path: Path) -> None:
    other = write_feature_corpus(tmp_path / "other", n=8, acoustic=5, seed=3)
    across = change(f'test_on=["{other}"]', "seeds=[1]")
    with pytest.raises(RecipeError, match="only lexical features: there is nothing to fuse"):
        # they share words alone, as their sounds have other features: nothing is left to fuse
        run_methods(across, None, RunContext(tmp_path / "runs", (1,), COMMAND))
    alike = write_feature_corpus(tmp_path / "alike", n=8, seed=3)
    across = change(f'test_on=["{alike}"]', "seeds=[1]", 'leave_out=["gated","unified","attention"]')
    runs = run_methods(across, None, RunContext(tmp_path / "runs", (1,), COMMAND))
    assert [len(clips.truth) for clips in runs.clips] == [48]
    assert "trained on small, tested on all of alike" in runs.splits[0].description


def test_the_folder_holds_everything(compared: Compared, tmp_path: Path) -> None:
    report = compared.report
    written = {path.relative_to(tmp_path).as_posix() for path in write_fusion(report, compared.runs, tmp_path)}
    pictures = {f"{name}.png" for name in ("performance", "per_class", "contribution", "robustness", "confusion")}
    assert {"fusion.json", "fusion.md", "fusion.html", *pictures} <= written
    assert written == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert FusionReport.model_validate(json.loads((tmp_path / "fusion.json").read_text(encoding="utf-8"))) == report
    written = read_predictions(tmp_path / "methods/early/predictions.csv")
    assert written.guesses.tolist() == compared.runs.ran["early"][0].predictions.guesses.tolist()
    for name in pictures:
        picture = cv2.imread(str(tmp_path / name))
        assert picture.shape[1] == 1200 and picture.std() > 10
        assert (picture[:, :3] == 255).all() and (picture[:, -3:] == 255).all()
    page = (tmp_path / "fusion.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert len(list(root.iter("img"))) == len(pictures)
    assert not re.search(r'src="http|url\(', page)


def test_the_page_says_it_plainly(compared: Compared) -> None:
    published = PublishedSettings(
        metric="micro F1", source="them", caution="Theirs are others.", scores={"early": 0.626}
    )
    report = compared.report.model_copy(update={"published": published})
    text = to_markdown(fusion_document(report))
    early = report.named("early").metric("micro F1")
    row = next(line for line in text.splitlines() if line.startswith("| early |"))
    assert f"| {early.value:.1%} | ± {100 * early.deviation_folds:.1f} |" in row
    assert row.endswith("| 62.6% |")
    assert "Published: them. Theirs are others." in text
    for verdict in report.verdicts:
        assert sentence("UAR", verdict) in text
    assert "no utterance has visual features" in text.lower()
    assert "Chosen on the validation parts." in text
    assert "a paired bootstrap over 6 speakers" in text and "too narrow rather than too wide" in text
    assert "commonest emotion of the corpus" in text
    assert f"the highest UAR on the validation parts (audio {report.named('audio').valid:.1%}" in text
    assert f"```sh\n{COMMAND}\n```" in text


@pytest.mark.parametrize(
    ("difference", "interval", "p", "expected"),
    [
        (0.061, (0.04, 0.083), 0.001, "Early fusion beats text alone by 6.1 points of UAR, 95 % interval 4.0 to 8.3."),
        (
            0.004,
            (-0.01, 0.02),
            0.4,
            "Early fusion does not clearly beat text alone: +0.4 points of UAR, 95 % interval −1.0 to +2.0.",
        ),
        (
            -0.05,
            (-0.08, -0.02),
            0.01,
            "Early fusion is worse than text alone by 5.0 points of UAR, 95 % interval 2.0 to 8.0.",
        ),
    ],
)
def test_a_verdict_is_a_plain_sentence(
    difference: float, interval: tuple[float, float], p: float, expected: str
) -> None:
    counts = {"n_only": (1, 2), "p_mcnemar": 1.0, "p_mcnemar_holm": 1.0}
    verdict = Verdict(
        fusion="early",
        single="text",
        difference=difference,
        interval_95=interval,
        p_bootstrap=p,
        p_bootstrap_holm=p,
        **counts,
    )
    assert sentence("UAR", verdict) == expected


def test_figures_show_the_numbers_of_the_report(compared: Compared) -> None:
    report = compared.report
    uar, micro = draw_performance(report).axes
    assert (uar.get_title(loc="left"), micro.get_title(loc="left")) == ("UAR", "micro F1")
    assert [bar.get_width() for bar in uar.patches] == [m.metric("UAR").value for m in report.methods]
    (shares,) = draw_contributions(report).axes
    assert [bar.get_width() for bar in shares.patches] == [s.value for c in report.contributions for s in c.shares]
    panels = draw_robustness(report).axes
    titles = ["noise in audio", "noise in text", "loss in audio", "loss in text"]
    assert [axes.get_title(loc="left") for axes in panels] == titles
    first = panels[0].lines[0]
    found = {(c.method, c.what, c.modality): c.value for c in report.corrupted}
    expected = [report.named("audio").metric("UAR").value, found["audio", "noise", "acoustic"]]
    assert list(first.get_ydata()) == pytest.approx(expected)
