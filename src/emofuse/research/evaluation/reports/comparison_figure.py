"""The figure of a comparison."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofuse.research.evaluation.reports.figure_frame import INK, PALETTE, clipped, framed, in_percent, plain
from emofuse.research.evaluation.reports.sections import kept_apart, signed, tested
from emofuse.research.evaluation.scores.comparison import ALPHA, Comparison, Pair, written_p

_METRICS: Final = ("UAR", "accuracy")


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw UAR and accuracy as bars with their intervals, and below them the difference of every pair with its own."""
    models, pairs, stamp = comparison.models, comparison.pairs, comparison.stamp
    shown = [m.name for m in models[0].metrics if m.name in _METRICS]
    body_in = 0.42 * len(models) + 0.42 * len(pairs) + 1.7
    looking = [m.name for m in models if m.stamp.transductive]
    foot = (
        f"{tested(stamp)}, {len(stamp.folds)} folds · {kept_apart(stamp)} · "
        + (f"TRANSDUCTIVE: {', '.join(looking)} · " if looking else "none is transductive · ")
        + " · ".join(f"{m.name}: seeds {', '.join(map(str, m.stamp.seeds))}" for m in models)
    )
    figure = framed(f"Side by side on {stamp.corpus}", stamp, foot, body_in)
    grid = figure.add_gridspec(2, len(shown), height_ratios=[0.42 * len(models) + 0.3, 0.42 * len(pairs) + 0.3])
    for column, metric in enumerate(shown):
        axes = figure.add_subplot(grid[0, column])
        _draw_scores(axes, comparison, metric)
        if column:
            axes.set_yticklabels([])
    _draw_differences(figure.add_subplot(grid[1, :]), comparison)
    return figure


def _draw_scores(axes: Axes, comparison: Comparison, metric: str) -> None:
    scores = [next(m for m in model.metrics if m.name == metric) for model in comparison.models]
    places = np.arange(len(scores))
    colours = [PALETTE[i % len(PALETTE)] for i in places]
    values = np.array([m.value for m in scores])
    ends = np.array([m.interval_95 for m in scores])
    reach = np.stack([values - ends[:, 0], ends[:, 1] - values]).clip(min=0)
    axes.barh(places, values, height=0.6, color=colours)
    axes.errorbar(values, places, xerr=reach, fmt="none", ecolor=INK, capsize=3.5, linewidth=1.4)
    for place, value, end in zip(places, values, ends[:, 1], strict=True):
        axes.text(end + 0.015, float(place), f"{100 * value:.1f}", va="center", fontsize=9.5, color=INK)
    axes.set_yticks(places, [clipped(model.name, 30) for model in comparison.models], parse_math=False)
    axes.invert_yaxis()
    axes.set_title(metric, fontsize=11, color=INK, loc="left", weight="bold")
    plain(axes, grid="x")
    in_percent(axes, "x")


def _names(pair: Pair) -> str:
    a, b = clipped(pair.a, 30), clipped(pair.b, 30)
    return f"{a} − {b}" if len(a) + len(b) <= 34 else f"{a}\n− {b}"


def _draw_differences(axes: Axes, comparison: Comparison) -> None:
    pairs = comparison.pairs
    places = np.arange(len(pairs))
    for place, pair in zip(places, pairs, strict=True):
        is_shown = pair.p_bootstrap_holm < ALPHA
        colour, fill = (PALETTE[0], PALETTE[0]) if is_shown else (INK, "white")
        low, high = (100 * end for end in pair.interval_95)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
        axes.plot(100 * pair.difference, place, marker="o", markersize=7, color=colour, markerfacecolor=fill)
        axes.annotate(
            f"{signed(pair.difference)}, {written_p(pair.p_bootstrap_holm)}",
            (max(high, 0), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.axvline(0, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(places, [_names(pair) for pair in pairs], parse_math=False)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    reach = max(1.0, *(100 * abs(end) for pair in pairs for end in pair.interval_95))
    axes.set_xlim(-1.15 * reach, 1.55 * reach)
    title = f"difference of {comparison.metric} in points, its 95 % interval and Holm's p"
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    plain(axes, grid="x")
