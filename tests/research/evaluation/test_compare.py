"""Models side by side: the tests of their differences, what is refused, and what is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from emofuse.errors import UsageError
from emofuse.research.evaluation.reports.compare import compare, comparison_document, write_comparison
from emofuse.research.evaluation.reports.comparison_figure import draw_comparison
from emofuse.research.evaluation.reports.document import to_markdown
from emofuse.research.evaluation.reports.sections import LEAKY
from emofuse.research.evaluation.scores.comparison import Comparison
from emofuse.research.evaluation.scores.metrics import uar_of
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord
from emofuse.research.evaluation.scores.significance import holm, mcnemar, paired_bootstrap
from make_reports import leaky_stamp, predictions, report, stamp

COMMAND = "emofuse compare a.toml b.toml c.toml"
Evaluated = tuple[EvaluationReport, Predictions]


def evaluated(model: str, **changes: object) -> Evaluated:
    found = predictions(**changes)
    return report(
        found, model=model, curves=(), stamp=stamp(seeds=found.seeds, command=f"emofuse evaluate {model}")
    ), found


@pytest.fixture(scope="module")
def three() -> list[Evaluated]:
    """Return a model, one like it, and a better one with two seeds."""
    return [
        evaluated("plain"),
        evaluated("like it", noise_seed=1),
        evaluated("better", skill=1.4, noise_seed=2, seeds=(1, 2)),
    ]


@pytest.fixture(scope="module")
def comparison(three: list[Evaluated]) -> Comparison:
    """Return their comparison."""
    return compare([r for r, _ in three], [p for _, p in three], COMMAND)


def test_every_pair_is_tested_by_both_tests(comparison: Comparison, three: list[Evaluated]) -> None:
    assert [(p.a, p.b) for p in comparison.pairs] == [("plain", "like it"), ("plain", "better"), ("like it", "better")]
    (_, plain), _, (_, better) = three
    pair = comparison.pairs[1]
    difference, interval, p = paired_bootstrap(uar_of, plain.truth, plain.guesses, better.guesses, plain.speakers)
    assert (pair.difference, pair.interval_95, pair.p_bootstrap) == (difference, interval, p)
    right = plain.vote() == plain.truth, better.vote() == better.truth
    assert pair.p_mcnemar == mcnemar(*right)
    assert pair.n_only == (np.sum(right[0] & ~right[1]), np.sum(right[1] & ~right[0]))


def test_a_difference_is_that_of_the_reports(comparison: Comparison, three: list[Evaluated]) -> None:
    uar = {r.model: r.metric("UAR").value for r, _ in three}
    for pair in comparison.pairs:
        assert pair.difference == pytest.approx(uar[pair.a] - uar[pair.b])
    assert comparison.pairs[1].difference < -0.05
    assert comparison.pairs[1].p_bootstrap_holm < 0.01
    assert comparison.pairs[0].p_bootstrap_holm > 0.05


def test_either_p_is_corrected_over_the_pairs(comparison: Comparison) -> None:
    pairs = comparison.pairs
    assert tuple(p.p_bootstrap_holm for p in pairs) == holm([p.p_bootstrap for p in pairs])
    assert tuple(p.p_mcnemar_holm for p in pairs) == holm([p.p_mcnemar for p in pairs])
    assert "Holm-corrected over the 3 pairs" in comparison.method


def test_a_pair_alone_is_not_corrected(three: list[Evaluated]) -> None:
    reports, found = zip(*three[:2], strict=True)
    alone = compare(reports, found, COMMAND)
    assert alone.pairs[0].p_bootstrap == alone.pairs[0].p_bootstrap_holm
    assert "Holm" not in alone.method


def test_every_score_keeps_its_own_stamp(comparison: Comparison, three: list[Evaluated]) -> None:
    assert [m.stamp for m in comparison.models] == [r.stamp for r, _ in three]
    assert [m.metrics for m in comparison.models] == [r.metrics for r, _ in three]
    assert comparison.models[2].stamp.seeds == (1, 2)


def test_the_order_of_the_clips_does_not_matter(comparison: Comparison, three: list[Evaluated]) -> None:
    random = np.random.default_rng(0)
    mixed = [p.ordered_as([p.clips[i] for i in random.permutation(len(p.clips))]) for _, p in three[1:]]
    assert compare([r for r, _ in three], [three[0][1], *mixed], COMMAND).pairs == comparison.pairs


def under(model: str, found: Predictions, **changes: object) -> Evaluated:
    return report(found, model=model, curves=(), stamp=stamp(**changes)), found


def other_corpus() -> Evaluated:
    return under("b", predictions(), corpus="EMO-DB")


def other_labels() -> Evaluated:
    labels = ("calm", "neutral", *predictions().labels[2:])
    return under("b", replace(predictions(), labels=labels), labels=labels)


def other_folds() -> Evaluated:
    """Swap the test speakers of two folds."""
    folds = list(stamp().folds)
    swapped = [
        *(f.model_copy(update={"test": g.test}) for f, g in ((folds[0], folds[1]), (folds[1], folds[0]))),
        *folds[2:],
    ]
    return under("b", predictions(), folds=tuple(swapped))


def other_clips() -> Evaluated:
    clips = predictions().clips
    return under("b", replace(predictions(), clips=("another.wav", *clips[1:])))


def other_truth() -> Evaluated:
    truth = predictions().truth.copy()
    truth[5] = (truth[5] + 1) % 8
    return under("b", replace(predictions(), truth=truth))


def leaky_split() -> Evaluated:
    return report(predictions(), model="b", curves=(), stamp=leaky_stamp()), predictions()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (other_corpus, r"corpus \(RAVDESS speech; EMO-DB\)"),
        (other_labels, r"labels \(neutral, calm, .*; calm, neutral, "),
        (other_folds, r"folds \(other speakers are tested\)"),
        (other_clips, r"folds \(other clips are tested\)"),
        (other_truth, r"folds \(other clips are tested\)"),
        (leaky_split, r"folds \(one split is LEAKY\)"),
    ],
)
def test_what_was_not_tested_alike_is_not_compared(other: Callable[[], Evaluated], message: str) -> None:
    a, b = evaluated("a"), other()
    with pytest.raises(UsageError, match=f"a and b cannot be compared: they differ in their {message}") as caught:
        compare([a[0], b[0]], [a[1], b[1]], COMMAND)
    assert "\n" not in str(caught.value)


def test_predictions_of_another_report_are_refused(three: list[Evaluated]) -> None:
    (plain, found), _, (better, two_seeds) = three
    for wrong in (two_seeds, replace(found, folds=("1",) * len(found.folds))):
        with pytest.raises(UsageError, match="the report of plain are not those it was made from"):
            compare([plain, better], [wrong, two_seeds], COMMAND)


def test_one_model_or_one_name_is_no_comparison(three: list[Evaluated]) -> None:
    (plain, found), *_ = three
    with pytest.raises(UsageError, match="two or more"):
        compare([plain], [found], COMMAND)
    with pytest.raises(UsageError, match="two or more"):
        compare([plain, plain], [found], COMMAND)
    with pytest.raises(UsageError, match="the same name: plain, plain"):
        compare([plain, plain], [found, found], COMMAND)


def test_a_score_without_stamp_is_not_compared(three: list[Evaluated]) -> None:
    (plain, found), (like, other), _ = three
    fields = {name: getattr(like, name) for name in EvaluationReport.model_fields if name != "stamp"}
    with pytest.raises(UsageError, match="only with its stamp"):
        compare([plain, EvaluationReport.model_construct(**fields)], [found, other], COMMAND)


def test_the_folder_holds_it_as_json_pages_and_picture(comparison: Comparison, tmp_path: Path) -> None:
    written = write_comparison(comparison, tmp_path / "new")
    names = ["comparison.json", "comparison.md", "comparison.html", "comparison.png"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    document = json.loads(written[0].read_text(encoding="utf-8"))
    assert document["format"] == "emofuse-comparison/1"
    assert document["command"] == COMMAND
    assert Comparison.model_validate(document) == comparison
    picture = cv2.imread(str(written[3]))
    assert picture.shape[1] == 1200
    assert picture.std() > 10
    assert (picture[:, :3] == 255).all()
    assert (picture[:, -3:] == 255).all()
    page = written[2].read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    assert len(list(root.iter("img"))) == 1
    assert not re.search(r'src="http|url\(', page)


def test_the_page_says_what_differs_and_how_all_was_made(comparison: Comparison) -> None:
    text = to_markdown(comparison_document(comparison))
    pair = comparison.pairs[1]
    assert f"better is better than plain: +{-100 * pair.difference:.1f} points of UAR (p" in text
    assert "plain and like it: no difference of UAR is shown (p = " in text
    low, high = (f"{100 * end:+.1f}".replace("-", "−") for end in pair.interval_95)
    row = next(line for line in text.splitlines() if line.startswith("| plain − better |"))
    assert f"| {low} to {high} |" in row
    assert f"| {pair.n_only[0]} : {pair.n_only[1]} |" in row
    assert comparison.method in text
    shared, *own = text.split("## How it was made: ")[1:]
    assert shared.startswith("the same for all\n\n- **corpus**: RAVDESS speech")
    assert "- **fold 6**: " in shared
    assert "- **speakers**: disjoint in every fold" in shared
    assert "**seeds**" not in shared
    assert [part.splitlines()[0] for part in own] == ["plain", "like it", "better"]
    for part, model in zip(own, comparison.models, strict=True):
        for name, value in model.stamp.lines():
            if name in ("selection", "seeds", "command", "versions", "transductive"):
                assert f"- **{name}**: {value}" in part
    assert f"```sh\n{COMMAND}\n```" in text


def test_what_the_models_do_not_share_is_not_said_of_all(three: list[Evaluated]) -> None:
    (plain, found), *_ = three
    folds: list[FoldRecord] = list(plain.stamp.folds)
    folds[0] = folds[0].model_copy(update={"valid": ("ravdess-09",), "n_valid": 60, "n_train": 1140})
    other = under("b", predictions(noise_seed=4), folds=tuple(folds), transductive=True)
    text = to_markdown(comparison_document(compare([plain, other[0]], [found, other[1]], COMMAND)))
    shared, first, second = text.split("## How it was made: ")[1:]
    assert "fold 1" not in shared
    assert "fold 2" in shared
    assert "train 1080" in first and "fold 1" in first
    assert "train 1140" in second
    assert "- **transductive**: yes" in second


def test_a_leaky_comparison_is_red(tmp_path: Path) -> None:
    found = [predictions(), predictions(noise_seed=1)]
    leaky = [report(p, model=m, curves=(), stamp=leaky_stamp()) for p, m in zip(found, "ab", strict=True)]
    compared = compare(leaky, found, COMMAND)
    _, markdown, page, picture = write_comparison(compared, tmp_path)
    assert f"> 🟥 **{LEAKY}**" in markdown.read_text(encoding="utf-8")
    assert "| a (LEAKY) |" in markdown.read_text(encoding="utf-8")
    assert f'<p class="banner">{LEAKY}</p>' in page.read_text(encoding="utf-8")
    top = cv2.imread(str(picture))[5].astype(int)
    assert (np.abs(top - (0x1B, 0x00, 0xB3)) <= 2).all()


def test_the_figure_has_a_bar_per_model_and_a_line_per_pair(comparison: Comparison) -> None:
    uar, accuracy, differences = draw_comparison(comparison).axes
    assert (uar.get_title(loc="left"), accuracy.get_title(loc="left")) == ("UAR", "accuracy")
    assert [bar.get_width() for bar in uar.patches] == [m.metrics[0].value for m in comparison.models]
    assert [t.get_text() for t in uar.get_yticklabels()] == ["plain", "like it", "better"]
    assert [t.get_text() for t in differences.get_yticklabels()] == [f"{p.a} − {p.b}" for p in comparison.pairs]
    ends = [line.get_xdata() for line in differences.lines if len(line.get_xdata()) == 2][:3]
    assert [tuple(x) for x in ends] == [pytest.approx([100 * e for e in p.interval_95]) for p in comparison.pairs]
