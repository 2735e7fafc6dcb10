"""The figures: what they say, that nothing is clipped, and that a leaky one cannot be mistaken."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from emofuse.errors import OutputError, UsageError
from emofuse.research.corpora.registry import CORPORA
from emofuse.research.evaluation.reports.figure_frame import OTHERS, OURS, RED, letter_families, save
from emofuse.research.evaluation.reports.figures import (
    draw_baselines,
    draw_by_speaker,
    draw_confusion,
    draw_curves,
    draw_per_class,
    save_figures,
)
from emofuse.research.evaluation.reports.sections import LEAKY
from emofuse.research.evaluation.scores.baselines import baselines_for
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import Curve, EvaluationReport, FoldRecord
from make_reports import curves, leaky_stamp, predictions, report, stamp

DRAWINGS = {
    "anchors.png": draw_baselines,
    "per_class.png": draw_per_class,
    "confusion.png": draw_confusion,
    "by_speaker.png": draw_by_speaker,
    "curves.png": draw_curves,
}
RED_BGR = tuple(int(RED[i : i + 2], 16) for i in (5, 3, 1))


@pytest.fixture(scope="module")
def honest() -> EvaluationReport:
    """Return a report with all that a figure can show."""
    return report()


def texts(figure: Figure) -> str:
    """Return all that is written on a figure."""
    return "\n".join(found.get_text() for found in figure.findobj(lambda a: hasattr(a, "get_text")))


def pixels(figure: Figure) -> np.ndarray:
    """Draw a figure and return it, (H, W, 3) uint8 RGB."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def edges(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[:3].reshape(-1, 3), picture[-3:].reshape(-1, 3), picture[:, :3].reshape(-1, 3)])


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_says_of_what_it_is_and_how_it_was_measured(honest: EvaluationReport, name: str) -> None:
    figure = DRAWINGS[name](honest)
    written = texts(figure).replace("\n", " ")
    for part in ("voice on RAVDESS speech", "actor-6fold", "1,440 clips of 24 speakers", "6 folds", "seeds 1, 2, 3"):
        assert part in written
    for part in ("speakers disjoint", "not transductive", "best UAR on the fold's 2 validation actors", "torch 2.6.0"):
        assert part in written
    assert "LEAKY" not in written
    picture = pixels(figure)
    assert picture.shape[1] == 1200
    assert picture.std() > 10
    assert (edges(picture) == 255).all()  # nothing runs over the edge


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_leaky_figure_is_red_across(name: str) -> None:
    figure = DRAWINGS[name](report(stamp=leaky_stamp(transductive=True)))
    written = texts(figure).replace("\n", " ")
    assert LEAKY in written
    assert "speakers NOT disjoint" in written
    assert "TRANSDUCTIVE" in written
    across = next(t for t in figure.texts if t.get_text() == "LEAKY")
    assert to_hex(across.get_color()) == RED
    top = pixels(figure)[5]
    assert (top == np.array(RED_BGR[::-1])).all()  # a band of red from side to side


def test_the_confusion_has_the_share_and_the_count_of_every_cell(honest: EvaluationReport) -> None:
    axes = draw_confusion(honest).axes[0]
    shown = [t.get_text() for t in axes.texts]
    assert len(shown) == 128
    happy = np.array(honest.confusion[2])
    assert f"{100 * happy[2] / happy.sum():.0f} %" in shown
    assert f"{happy[7]:.1f}" in shown
    image = np.asarray(axes.images[0].get_array())
    assert image.sum(axis=1) == pytest.approx(np.ones(8))
    assert [t.get_text() for t in axes.get_yticklabels()] == list(honest.stamp.labels)


def test_per_class_shows_recall_precision_and_f1(honest: EvaluationReport) -> None:
    axes = draw_per_class(honest).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([c.recall for c in honest.per_class])
    precision, f1, chance = axes.lines
    assert precision.get_xdata() == pytest.approx([c.precision for c in honest.per_class])
    assert f1.get_xdata() == pytest.approx([c.f1 for c in honest.per_class])
    assert chance.get_xdata()[0] == 1 / 8


def test_speakers_are_sorted_best_first(honest: EvaluationReport) -> None:
    axes = draw_by_speaker(honest).axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    expected = sorted(honest.by_speaker, key=lambda g: -g.uar)
    assert names == [g.group for g in expected]
    assert axes.lines[-1].get_xdata() == pytest.approx([g.uar for g in expected])


def test_curves_begin_where_there_are_values(honest: EvaluationReport) -> None:
    figure = draw_curves(honest)
    assert [axes.get_title() for axes in figure.axes] == [
        "loss, training part",
        "loss, validation part",
        "UAR, validation part",
    ]
    for axes, first in zip(figure.axes, (1, 2, 2), strict=True):
        assert len(axes.lines) == 19  # 6 folds with 3 seeds, and the mean
        mean = axes.lines[-1]
        known = np.isfinite(mean.get_ydata())
        assert mean.get_xdata()[known][0] == first
        assert mean.get_xdata()[-1] == min(len(c.train_loss) for c in honest.curves)
    key = [t.get_text() for t in figure.legends[0].get_texts()]
    assert key == [*(f"fold {i}" for i in range(1, 7)), "mean, until one stops"]


def test_a_panel_without_values_is_left_out() -> None:
    bare = Curve(fold="1", seed=1, train_loss=(2.0, 1.0), valid_loss=(None, None), valid_uar=())
    figure = draw_curves(report(curves=(bare,)))
    assert [axes.get_title() for axes in figure.axes] == ["loss, training part"]


def test_anchors_are_sorted_and_ours_stands_out(honest: EvaluationReport) -> None:
    axes = draw_baselines(honest).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(widths)
    assert len(widths) == 6
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    at = widths.index(honest.metric("UAR").value)
    assert colours[at] == OURS.lower()
    assert {c for i, c in enumerate(colours) if i != at} == {OTHERS.lower()}
    low, high = honest.metric("UAR").interval_95
    (whisker,) = axes.collections[0].get_segments()
    assert sorted(whisker[:, 0]) == pytest.approx([low, high])
    written = texts(axes.figure)
    assert f"95 % from {low:.1%} to {high:.1%}" in written
    assert "people, voice only" in written  # beside the accuracy


def test_notes_say_where_a_protocol_differs() -> None:
    anchors = baselines_for(CORPORA["ravdess"].published, "loso", "UAR", [1] * 8)
    written = texts(draw_baselines(report(anchors=anchors)))
    assert "its protocol is another: 6 folds over actors" in written.replace("\n", " ")


def test_figures_are_saved_at_150_dots_per_inch(honest: EvaluationReport, tmp_path: Path) -> None:
    written = save_figures(honest, tmp_path / "new")
    assert [path.name for path in written] == list(DRAWINGS)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(DRAWINGS)
    for path in written:
        picture = cv2.imread(str(path))
        assert picture.shape[1] == 8 * 150
        assert picture.shape[0] > 500
        assert picture.std() > 10


def test_what_has_no_data_is_not_drawn_and_an_older_one_goes(honest: EvaluationReport, tmp_path: Path) -> None:
    save_figures(honest, tmp_path)
    (tmp_path / "mine.png").write_bytes(b"x")
    bare = honest.model_copy(update={"curves": (), "anchors": (), "by_speaker": ()})
    assert [path.name for path in save_figures(bare, tmp_path)] == ["per_class.png", "confusion.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion.png", "mine.png", "per_class.png"]


def test_a_report_without_stamp_is_not_drawn(honest: EvaluationReport, tmp_path: Path) -> None:
    fields = {name: getattr(honest, name) for name in EvaluationReport.model_fields if name != "stamp"}
    with pytest.raises(UsageError, match="only with its stamp: stamp"):
        save_figures(EvaluationReport.model_construct(**fields), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(honest: EvaluationReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        save_figures(honest, tmp_path / "file" / "figures")


HARD_NAME = "a model with a name that goes on and on, $x_{ and <b> | `code` & __more__, and does not end"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DRAWINGS)
def test_hard_names_fit(name: str) -> None:
    labels = ("neutral beyond all measure", "$\\frac{", "happy|er", "<sad>", "_angry_", "fear", "100%", "a\nb\x1b")
    found = replace(predictions(), labels=labels)
    hard = report(found, model=HARD_NAME, stamp=stamp(labels=labels, protocol="word " * 100, selection="x" * 300))
    picture = pixels(DRAWINGS[name](hard))
    assert (edges(picture) == 255).all()


def large() -> tuple[Predictions, EvaluationReport]:
    """Return a report of 300 speakers in 30 folds, twelve classes, one epoch, one seed."""
    random = np.random.default_rng(0)
    labels = tuple(f"emotion {i}" for i in range(12))
    speakers = tuple(f"speaker-{i // 10:04}" for i in range(3000))
    folds = tuple(str(i // 100) for i in range(3000))
    found = Predictions(
        clips=tuple(map(str, range(3000))),
        speakers=speakers,
        sexes=("unknown",) * 3000,
        folds=folds,
        labels=labels,
        seeds=(7,),
        truth=random.integers(0, 12, 3000),
        log_probabilities=np.log(random.dirichlet(np.ones(12), (1, 3000))).astype(np.float32),
    )
    records = tuple(
        FoldRecord(
            name=str(i),
            train=("x",),
            valid=(),
            test=speakers[100 * i : 100 * i + 100 : 10],
            n_train=9,
            n_valid=0,
            n_test=100,
        )
        for i in range(30)
    )
    one_epoch = [Curve(fold=str(i), seed=7, train_loss=(2.0,), valid_loss=(None,), valid_uar=(0.1,)) for i in range(30)]
    under = stamp(labels=labels, label_map={}, folds=records, seeds=(7,))
    return found, report(found, stamp=under, curves=tuple(one_epoch))


@pytest.mark.filterwarnings("error")
def test_many_speakers_folds_and_classes_are_drawn_without_their_names() -> None:
    _, made = large()
    for draw in DRAWINGS.values():
        assert (edges(pixels(draw(made))) == 255).all()
    speakers = draw_by_speaker(made)
    assert speakers.axes[0].get_ylabel() == "300 speakers, best first"
    assert not speakers.axes[0].get_yticklabels()
    assert speakers.get_figheight() < 8
    assert len(draw_confusion(made).axes[0].texts) == 144  # a share, and no count
    training = draw_curves(made)
    assert training.legends[0].get_texts()[0].get_text() == "one of 30 trainings"
    assert all(line.get_marker() == "o" for axes in training.axes for line in axes.lines)


def test_speakers_that_are_not_known_are_not_said_to_be_disjoint() -> None:
    fold = FoldRecord(name="Test", train=(), valid=(), test=(), n_train=9, n_valid=2, n_test=1440)
    found = predictions()
    found = replace(found, folds=("Test",) * len(found.clips))
    written = texts(draw_confusion(report(found, stamp=stamp(folds=(fold,), leaky=None), curves=curves()[:1])))
    assert "speakers unknown" in written
    assert "1,440 clips of speakers without names" in written


def test_nothing_of_matplotlib_is_left_changed() -> None:
    """Drawing neither imports pyplot nor changes a setting, so that it can be used beside one's own figures."""
    code = """
import sys, matplotlib, make_reports
from emofuse.research.evaluation.reports.figures import draw_confusion
def settings():  # asking for the backend imports pyplot
    return {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}
before = settings()
draw_confusion(make_reports.report()).canvas.draw()
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    tests = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=tests, check=True)


@pytest.mark.parametrize("name", ["Zoë Şahin", "Νίκος", "Юрий Гагарин", "שרה", "سارة", "Nguyễn Thị"])
def test_names_with_other_letters_are_written_as_they_are(name: str, tmp_path: Path, honest: EvaluationReport) -> None:
    groups = [replace_group(honest, text) for text in (name, "".join("?" if ord(c) > 127 else c for c in name))]
    drawn = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of a letter that the font lacks
        for number, group in enumerate(groups):
            figure = draw_by_speaker(group)
            drawn.append(pixels(figure))
            save(figure, tmp_path / f"{number}.png")
    assert name in texts(draw_by_speaker(groups[0]))
    assert drawn[0].shape != drawn[1].shape or (drawn[0] != drawn[1]).any()


def replace_group(one: EvaluationReport, name: str) -> EvaluationReport:
    first, *others = one.by_speaker
    return one.model_copy(update={"by_speaker": (first.model_copy(update={"group": name}), *others)})


def test_scripts_that_the_first_font_lacks_are_taken_from_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fontManager, "get_font_names", lambda: ["Unifont", "Noto Sans CJK JP", "Some Serif"])
    assert letter_families() == ["DejaVu Sans", "Noto Sans CJK JP", "Unifont"]


def test_a_letter_that_no_font_has_ends_nothing(tmp_path: Path, honest: EvaluationReport) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert save(draw_by_speaker(replace_group(honest, "\U0001f0a1")), tmp_path / "a.png").stat().st_size > 0
