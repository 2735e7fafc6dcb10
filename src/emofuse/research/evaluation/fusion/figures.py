"""The figures of a comparison of fusions, in colours that every eye tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from emofuse.research.evaluation.fusion.result import FusionMethod, FusionReport
from emofuse.research.evaluation.fusion.settings import WORDS
from emofuse.research.evaluation.reports.figure_frame import (
    INK,
    OURS,
    PALETTE,
    add_key,
    clipped,
    framed,
    in_percent,
    plain,
    save,
)
from emofuse.research.evaluation.reports.sections import format_counts, kept_apart

_SINGLE: Final = "#E69F00"  # Okabe and Ito's orange: told from OURS, their blue, by every eye
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_KEY_COLUMNS: Final = 4
_ACROSS: Final = 2  # confusions side by side


def save_fusion_figures(report: FusionReport, folder: Path) -> list[Path]:
    """Draw what the report has the data for, and write it into `folder` as PNG; return what was written."""
    drawn = {"performance.png": draw_performance(report), "per_class.png": draw_classes(report)}
    if any(c.shares for c in report.contributions):
        drawn["contribution.png"] = draw_contributions(report)
    if report.corrupted:
        drawn["robustness.png"] = draw_robustness(report)
    drawn["confusion.png"] = draw_confusions(report)
    return [save(figure, folder / name) for name, figure in drawn.items()]


def draw_performance(report: FusionReport) -> Figure:
    """Draw every method's score as a bar with its interval, and a line at the best single modality."""
    names = list(dict.fromkeys((report.metric, "micro F1")))
    figure = _framed("Performance", report, 0.42 * len(report.methods) + 0.9, key_rows=1)
    places = np.arange(len(report.methods))
    panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    for axes, name in zip(panels, names, strict=True):
        metrics = [m.metric(name) for m in report.methods]
        values, ends = np.array([m.value for m in metrics]), np.array([m.interval_95 for m in metrics])
        reach = np.stack([values - ends[:, 0], ends[:, 1] - values]).clip(min=0)
        axes.barh(places, values, height=0.62, color=[_SINGLE if m.is_single else OURS for m in report.methods])
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor=INK, capsize=3.5, linewidth=1.4)
        for place, value, end in zip(places, values, ends[:, 1], strict=True):
            written = axes.text(end + 0.015, float(place), f"{100 * value:.1f}", va="center", fontsize=9.5, color=INK)
            if value < report.named(report.best_single).metric(name).value:  # on white, where the line may cross it
                written.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        axes.axvline(report.named(report.best_single).metric(name).value, color=INK, linestyle=":", linewidth=1.2)
        axes.set_title(name, fontsize=11, color=INK, loc="left", weight="bold")
        plain(axes, grid="x")
        in_percent(axes, "x")
    panels[0].set_yticks(places, [clipped(m.name, 24) for m in report.methods], parse_math=False)
    panels[0].invert_yaxis()
    best = Line2D([], [], color=INK, linestyle=":", label=f"{report.best_single} alone, the best by validation")
    add_key(figure, [Patch(color=_SINGLE, label="one modality"), Patch(color=OURS, label="fusion"), best], 3)
    return figure


def draw_contributions(report: FusionReport) -> Figure:
    """Draw the Shapley value of each modality in every fusion, with its interval."""
    shown = [c for c in report.contributions if c.shares]
    colours = {m: PALETTE[i % len(PALETTE)] for i, m in enumerate(report.modalities)}
    height = 0.8 / len(colours)
    figure = _framed("What each modality adds", report, 0.7 * len(shown) + 0.7, key_rows=1)
    axes = figure.add_subplot()
    for i, contribution in enumerate(shown):
        for share in contribution.shares:
            place = i + height * (list(colours).index(share.modality) - (len(colours) - 1) / 2)
            low, high = share.interval_95
            axes.barh(place, share.value, height=0.92 * height, color=colours[share.modality])
            reach = [[max(share.value - low, 0)], [max(high - share.value, 0)]]
            axes.errorbar(share.value, place, xerr=reach, color=INK, capsize=3, linewidth=1.2)
            axes.annotate(
                f"{100 * share.value:.1f}",
                (max(high, share.value, 0), place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=INK,
            )
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(shown)), [clipped(c.method, 24) for c in shown], parse_math=False)
    axes.invert_yaxis()
    axes.set_title(f"Shapley value, in points of {report.metric}", fontsize=10, color=INK, loc="left")
    plain(axes, grid="x")
    ends = [end for c in shown for share in c.shares for end in (*share.interval_95, share.value, 0.0)]
    axes.set_xlim(1.1 * min(ends), 1.15 * max(ends))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "−"))
    add_key(figure, [Patch(color=colour, label=_word(m)) for m, colour in colours.items()], _KEY_COLUMNS)
    return figure


def draw_classes(report: FusionReport) -> Figure:
    """Draw the F1 of every class as a row of marks, one for each method."""
    labels = report.stamp.labels
    n_rows = -(-len(report.methods) // _KEY_COLUMNS)
    figure = _framed("Class by class", report, 0.62 * len(labels) + 0.6, key_rows=n_rows)
    axes = figure.add_subplot()
    spread = np.linspace(-0.3, 0.3, len(report.methods))
    for shift, (method, look) in zip(spread, _looks(report).items(), strict=True):
        f1s = [c.f1 for c in report.named(method).per_class]
        axes.plot(f1s, np.arange(len(labels)) + shift, linestyle="none", **look)
    for place in range(1, len(labels)):
        axes.axhline(place - 0.5, color="#e6e9ed", linewidth=0.8)
    names = [f"{clipped(c.label, 18)}\n{c.n:,} clips" for c in report.methods[0].per_class]
    axes.set_yticks(range(len(labels)), names, parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_title("F1", fontsize=11, color=INK, loc="left", weight="bold")
    plain(axes, grid="x")
    f1s = [c.f1 for method in report.methods for c in method.per_class]
    in_percent(axes, "x", *_around(f1s))
    _add_methods_key(figure, report)
    return figure


def draw_robustness(report: FusionReport) -> Figure:
    """Draw the score under rising noise, and under rising loss, of each modality; at 0 nothing is corrupted."""
    rows = [what for what in ("noise", "loss") if any(c.what == what for c in report.corrupted)]
    n_key = -(-len(report.methods) // _KEY_COLUMNS)
    figure = _framed("When a modality is spoilt or lost", report, 2.5 * len(rows) + 0.3, key_rows=n_key)
    panels = figure.subplots(len(rows), len(report.modalities), squeeze=False, sharey=True, sharex="row")
    for row, what in enumerate(rows):
        for column, modality in enumerate(report.modalities):
            axes = panels[row][column]
            _draw_spoilt(axes, report, what, modality)
            axes.set_title(f"{what} in {_word(modality)}", fontsize=10, color=INK, loc="left", parse_math=False)
            plain(axes, grid="y")
            axes.tick_params(labelsize=8.5)
            strengths = sorted({c.strength for c in report.corrupted if c.what == what})
            axes.set_xticks([0.0, *strengths], [_strength(what, x) for x in (0.0, *strengths)])
            if what == "noise":
                axes.set_xlabel("standard deviations of noise", fontsize=8.5, color=INK)
            else:
                axes.set_xlabel("utterances that lose it", fontsize=8.5, color=INK)
        panels[row][0].set_ylabel(report.metric, fontsize=9, color=INK)
    values = [c.value for c in report.corrupted] + [m.metric(report.metric).value for m in report.methods]
    in_percent(panels[0][0], "y", *_around(values))
    _add_methods_key(figure, report)
    return figure


def _strength(what: str, value: float) -> str:
    return f"{value:g}" if what == "noise" else f"{value:.0%}"


def _draw_spoilt(axes: Axes, report: FusionReport, what: str, modality: str) -> None:
    for method, look in _looks(report).items():
        points = [c for c in report.corrupted if (c.method, c.what, c.modality) == (method, what, modality)]
        whole = report.named(method).metric(report.metric).value
        x, y = [0.0, *(c.strength for c in points)], [whole, *(c.value for c in points)]
        axes.plot(x, y, linewidth=1.2, linestyle="--" if report.named(method).is_single else "-", **look)


def draw_confusions(report: FusionReport) -> Figure:
    """Draw the confusion matrix of every method: a row is a true emotion, and its cells add up to 100 %."""
    n, n_rows = len(report.stamp.labels), -(-len(report.methods) // _ACROSS)
    side = max(2.3, 0.42 * n + 0.9)
    figure = _framed("Confusion", report, side * n_rows + 0.2)
    panels = figure.subplots(n_rows, _ACROSS, squeeze=False)
    for axes in panels.flat[len(report.methods) :]:
        axes.set_visible(False)
    for axes, method in zip(panels.flat, report.methods, strict=False):
        _draw_confusion(axes, method)
    for axes in panels[:, 0]:
        axes.set_ylabel("the true emotion", fontsize=9, color=INK)
    for axes in panels[-1, :]:
        axes.set_xlabel("the predicted emotion", fontsize=9, color=INK)
    return figure


def _draw_confusion(axes: Axes, method: FusionMethod) -> None:
    counts, written = np.asarray(method.confusion), format_counts(method.confusion)
    labels = [clipped(label, 12) for label in method.stamp.labels]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(labelsize=8.5, length=0, colors=INK)
    axes.set_title(clipped(method.name, 30), fontsize=10, color=INK, loc="left", weight="bold", parse_math=False)
    axes.spines[:].set_visible(False)
    for (row, column), share in np.ndenumerate(shares):
        text: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if share > 0.55 else INK}
        if len(labels) > 5:
            axes.text(column, row, f"{100 * share:.0f}", fontsize=8, **text)
        else:
            axes.text(column, row - 0.13, f"{100 * share:.0f} %", fontsize=9, **text)
            axes.text(column, row + 0.26, written[row][column], fontsize=6.5, **text)


def _looks(report: FusionReport) -> dict[str, dict[str, Any]]:
    """Return how each method is drawn: by a colour and a mark of its own; single modalities are hollow."""
    looks: dict[str, dict[str, Any]] = {}
    for i, method in enumerate(report.methods):
        colour = PALETTE[i % len(PALETTE)]
        fill = "white" if method.is_single else colour
        marks = {"marker": _MARKERS[i % len(_MARKERS)], "markersize": 6.5, "markerfacecolor": fill}
        looks[method.name] = {"color": colour, "markeredgecolor": colour, **marks}
    return looks


def _add_methods_key(figure: Figure, report: FusionReport) -> None:
    handles = [
        Line2D([], [], linestyle="none", label=clipped(name, 24), **look) for name, look in _looks(report).items()
    ]
    add_key(figure, handles, _KEY_COLUMNS)


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that leaves a little room around the values."""
    return max(0.0, min(values) - 0.04), min(1.0, max(values) + 0.04)


def _word(modality: str) -> str:
    return WORDS.get(modality, modality)


def _framed(subject: str, report: FusionReport, body_in: float, key_rows: int = 0) -> Figure:
    stamp = report.stamp
    n_tested = sum(fold.n_test for fold in stamp.folds)
    draws = f" in each of {report.n_draws} draws" if report.n_draws > 1 else ""
    looking = stamp.transductive or any(m.stamp.transductive for m in report.methods)
    foot = (
        f"{n_tested:,} utterances{draws}, {len(stamp.folds)} folds · {kept_apart(stamp)} · "
        f"{'TRANSDUCTIVE: looked at test clips, without their labels' if looking else 'not transductive'} · seeds "
        f"{', '.join(map(str, stamp.seeds))} · 95 % intervals over {report.unit} · {stamp.versions}"
    )
    return framed(f"{subject}: {report.name}", stamp, foot, body_in, key_rows)
