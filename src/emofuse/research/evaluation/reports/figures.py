"""The figures of a report. Each is drawn on a canvas of its own: nothing of matplotlib's global state is used."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from emofuse.files import make_folder
from emofuse.research.evaluation.reports.document import printable
from emofuse.research.evaluation.reports.figure_frame import (
    FAINT,
    INK,
    OTHERS,
    OURS,
    PALETTE,
    RED,
    add_key,
    clipped,
    colour_of,
    framed,
    in_percent,
    plain,
    save,
)
from emofuse.research.evaluation.reports.sections import format_counts, kept_apart, percent, tested
from emofuse.research.evaluation.scores.report import Baseline, Curve, EvaluationReport, Metric, validated

_MOST_NAMES: Final = 100  # speakers; of more, the names would not be read
_MOST_FOLDS: Final = 7  # each with a colour of its own, beside black
_KEY_COLUMNS: Final = 8
_MOST_COUNTS: Final = 10  # classes; with more, a cell has no room for a second number


def draw_confusion(report: EvaluationReport) -> Figure:
    """Draw the confusion matrix: a row is a true emotion, its cells add up to 100 %, and hold the clips below."""
    counts, written = np.asarray(report.confusion), format_counts(report.confusion)
    labels = [clipped(label, 18) for label in report.stamp.labels]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    n = len(labels)
    figure = _framed("Confusion", report, body_in=max(3.2, 0.62 * n + 1.1))
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(n), labels, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(n), labels, parse_math=False)
    axes.tick_params(labelsize=10, length=0, colors=INK)
    axes.set_xlabel("the predicted emotion", fontsize=10, color=INK)
    axes.set_ylabel("the true emotion", fontsize=10, color=INK)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.55 else INK
        text: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
        if n > _MOST_COUNTS:
            axes.text(column, row, f"{100 * share:.0f}", fontsize=8, **text)
            continue
        axes.text(column, row - 0.12, f"{100 * share:.0f} %", fontsize=10, **text)
        axes.text(column, row + 0.25, written[row][column], fontsize=7.5, **text)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
    bar.ax.tick_params(labelsize=9, length=0)
    bar.outline.set_visible(False)
    bar.set_label("share of the true emotion's clips", fontsize=9, color=INK)
    return figure


def draw_per_class(report: EvaluationReport) -> Figure:
    """Draw every emotion's recall as a bar in its colour, and its precision and F1 as marks."""
    classes = report.per_class
    figure = _framed("Emotions", report, body_in=0.42 * len(classes) + 0.5, key_rows=1)
    axes = figure.add_subplot()
    places = np.arange(len(classes))
    colours = [colour_of(c.label) for c in classes]
    axes.barh(places, [c.recall for c in classes], height=0.62, color=colours)
    marks: dict[str, Any] = {"linestyle": "none", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.8}
    (precision,) = axes.plot([c.precision for c in classes], places, marker="D", color=INK, label="precision", **marks)
    (f1,) = axes.plot([c.f1 for c in classes], places, marker="o", color=FAINT, label="F1", **marks)
    n_present = sum(c.n > 0 for c in classes)
    chance = axes.axvline(1 / n_present, color=INK, linestyle=":", linewidth=1.2, label="recall by chance")
    names = [f"{clipped(c.label, 18)}\n{c.n:,} clips" for c in classes]
    axes.set_yticks(places, names, parse_math=False)
    axes.invert_yaxis()
    plain(axes, grid="x")
    in_percent(axes, "x")
    add_key(figure, [Patch(color="#999999", label="recall"), precision, f1, chance], n_columns=4)
    return figure


def draw_by_speaker(report: EvaluationReport) -> Figure:
    """Draw the unweighted recall of every speaker, best first, beside that of all together with its interval."""
    groups = sorted(report.by_speaker, key=lambda g: g.uar, reverse=True)
    named = len(groups) <= _MOST_NAMES
    body_in = 0.6 + (0.2 * max(len(groups), 4) if named else 4.0)
    figure = _framed("Speakers", report, body_in, key_rows=1)
    axes = figure.add_subplot()
    places = np.arange(len(groups))
    overall = next((m for m in report.metrics if m.name == "UAR"), None)
    if overall is not None:
        axes.axvspan(*overall.interval_95, color=OURS, alpha=0.12, linewidth=0, label="95 % interval of all")
        axes.axvline(overall.value, color=OURS, linewidth=1.5, label=f"all together: UAR {percent(overall.value)}")
    marks: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 6 if named else 3}
    axes.plot([g.accuracy for g in groups], places, **marks, markerfacecolor="white", color=FAINT, label="accuracy")
    axes.plot([g.uar for g in groups], places, **marks, color=OURS, label="UAR of a speaker")
    axes.set_yticks(places if named else [], [clipped(g.group, 24) for g in groups] if named else [], parse_math=False)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    plain(axes, grid="x")
    if named:
        axes.tick_params(axis="y", labelsize=8.5)
        axes.grid(axis="y", color="#f1f3f5", linewidth=0.8)
    else:
        axes.set_ylabel(f"{len(groups):,} speakers, best first", fontsize=9, color=INK)
    in_percent(axes, "x")
    add_key(figure, axes.get_legend_handles_labels()[0], n_columns=4)
    return figure


def draw_curves(report: EvaluationReport) -> Figure:
    """Draw loss and validation recall by epoch: a thin line per training in its fold's colour, their mean in black."""
    panels = [panel for panel in _PANELS if any(_values(c, panel.field).size for c in report.curves)]
    folds = list(dict.fromkeys(curve.fold for curve in report.curves))
    colours = {fold: PALETTE[i] if len(folds) <= _MOST_FOLDS else OURS for i, fold in enumerate(folds)}
    named = folds if len(folds) <= _MOST_FOLDS else []
    n_entries = 1 + max(len(named), 1)
    figure = _framed("Training", report, body_in=3.1, key_rows=-(-n_entries // _KEY_COLUMNS))
    rows = np.atleast_1d(figure.subplots(1, len(panels)))
    last = max(len(_values(curve, panel.field)) for curve in report.curves for panel in panels)
    look: dict[str, Any] = {"marker": "o", "markersize": 4} if last == 1 else {}  # a line of one epoch has no length
    for axes, panel in zip(rows, panels, strict=True):
        lines = {i: line for i, c in enumerate(report.curves) if (line := _values(c, panel.field)).size}
        for i, line in lines.items():
            colour = colours[report.curves[i].fold]
            axes.plot(np.arange(1, len(line) + 1), line, color=colour, linewidth=0.9, alpha=0.75, **look)
        n_all = min(map(len, lines.values()))
        mean = _mean(np.stack([line[:n_all] for line in lines.values()]))
        axes.plot(np.arange(1, n_all + 1), mean, color="black", linewidth=2.2, **look)
        axes.set_title(panel.title, fontsize=10, color=INK)
        axes.set_xlabel("epoch", fontsize=9, color=INK)
        axes.set_xlim(0, last + 1)
        axes.locator_params(axis="x", integer=True)
        plain(axes, grid="y")
        if panel.field == "valid_uar":
            in_percent(axes, "y")
    key = [Line2D([], [], color=colours[fold], linewidth=2, label=f"fold {clipped(fold, 14)}") for fold in named]
    key = key or [Line2D([], [], color=OURS, linewidth=0.9, label=f"one of {len(report.curves)} trainings")]
    key.append(Line2D([], [], color="black", linewidth=2.2, label="mean, until one stops"))
    add_key(figure, key, n_columns=min(len(key), _KEY_COLUMNS))
    return figure


def draw_baselines(report: EvaluationReport) -> Figure:
    """Draw, for every metric that has anchors, bars from lowest to highest: chance, people, systems, this model."""
    shown = [(m, [a for a in report.anchors if a.metric == m.name]) for m in report.metrics]
    shown = [(metric, anchors) for metric, anchors in shown if anchors]
    heights = [len(anchors) + 1 for _, anchors in shown]
    figure = _framed("In comparison", report, body_in=0.6 * sum(heights) + 0.75 * len(shown))
    panels = np.atleast_1d(figure.subplots(len(shown), 1, height_ratios=heights))
    for axes, (metric, anchors) in zip(panels, shown, strict=True):
        _draw_bars(axes, report, metric, anchors)
    return figure


def _framed(subject: str, report: EvaluationReport, body_in: float, key_rows: int = 0) -> Figure:
    stamp = report.stamp
    looked = "TRANSDUCTIVE: looked at test clips, without their labels" if stamp.transductive else "not transductive"
    foot = (
        f"{tested(stamp)}, {len(stamp.folds)} folds · {kept_apart(stamp)} · {looked} · "
        f"seeds {', '.join(map(str, stamp.seeds))} · selection: {stamp.selection} · {stamp.versions}"
    )
    return framed(f"{subject}: {report.model} on {stamp.corpus}", stamp, foot, body_in, key_rows)


class _Drawing(NamedTuple):
    file: str
    draw: Callable[[EvaluationReport], Figure]
    has_data: Callable[[EvaluationReport], bool]


class _Panel(NamedTuple):
    field: str
    title: str


_PANELS: Final = (
    _Panel("train_loss", "loss, training part"),
    _Panel("valid_loss", "loss, validation part"),
    _Panel("valid_uar", "UAR, validation part"),
)


def _has_baselines(report: EvaluationReport) -> bool:
    return bool({a.metric for a in report.anchors} & {m.name for m in report.metrics})


def _has_curves(report: EvaluationReport) -> bool:
    return any(_values(curve, panel.field).size for curve in report.curves for panel in _PANELS)


_DRAWINGS: Final = (
    _Drawing("anchors.png", draw_baselines, _has_baselines),
    _Drawing("per_class.png", draw_per_class, lambda report: any(c.n for c in report.per_class)),
    _Drawing("confusion.png", draw_confusion, lambda report: bool(report.confusion)),
    _Drawing("by_speaker.png", draw_by_speaker, lambda report: bool(report.by_speaker)),
    _Drawing("curves.png", draw_curves, _has_curves),
)


def save_figures(report: EvaluationReport, folder: str | Path) -> list[Path]:
    """Draw what the report has the data for, and write it into `folder` as PNG; return what was written.

    A figure of an earlier report that this one has no data for is removed. Raises UsageError for a report
    without its stamp, and OutputError when a figure cannot be written.
    """
    checked, place = validated(report), make_folder(folder)
    written = []
    for drawing in _DRAWINGS:
        path = place / drawing.file
        if drawing.has_data(checked):
            written.append(save(drawing.draw(checked), path))
        else:
            path.unlink(missing_ok=True)
    return written


def _values(curve: Curve, field: str) -> NDArray[np.float64]:
    """Return (epochs,), NaN where there was no value; empty where there was none at all."""
    values = np.array([np.nan if v is None else v for v in getattr(curve, field)], dtype=np.float64)
    return values if np.isfinite(values).any() else values[:0]


def _mean(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over (lines, epochs) of those that have a value at an epoch; NaN where none has."""
    known = np.isfinite(lines)
    total = np.where(known, lines, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _draw_bars(axes: Axes, report: EvaluationReport, metric: Metric, anchors: list[Baseline]) -> None:
    ours, leaky = (RED, "LEAKY: ") if report.stamp.leaky else (OURS, "")
    rows: list[tuple[float, str, str, bool]] = [
        (a.value, a.name, "; ".join(filter(None, (a.note, _short(a.source)))), False) for a in anchors
    ]
    low, high = metric.interval_95
    rows.append((metric.value, leaky + report.model, f"this model, 95 % from {percent(low)} to {percent(high)}", True))
    rows.sort(key=lambda row: row[0])
    for place, (value, name, note, is_ours) in enumerate(rows):
        axes.barh(place, value, height=0.62, color=ours if is_ours else OTHERS)
        end = value
        if is_ours:
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], color=INK, capsize=4, linewidth=1.5)
            end = high
        weight = "bold" if is_ours else "normal"
        axes.text(end + 0.012, place, f"{100 * value:.1f}", va="center", fontsize=10, weight=weight, color=INK)
        at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "parse_math": False}
        lines = _at_most_three(textwrap.wrap(printable(note), 48))
        shift = 0.13 * len(lines)
        axes.text(-0.015, place + shift, clipped(name, 36), va="center", fontsize=10, weight=weight, color=INK, **at)
        if lines:
            axes.text(-0.015, place + shift - 0.17, "\n".join(lines), va="top", fontsize=7, color=FAINT, **at)
    axes.set_yticks([])
    axes.set_ylim(-0.55, len(rows) - 0.45)
    axes.set_title(metric.name, fontsize=11, color=INK, loc="left", weight="bold", parse_math=False)
    plain(axes, grid="x")
    in_percent(axes, "x")


def _at_most_three(lines: list[str]) -> list[str]:
    return lines if len(lines) <= 3 else [*lines[:2], f"{lines[2]} …"]


def _short(source: str) -> str:
    """Return a source without its address, which the table gives."""
    return source.split(", https://")[0]
