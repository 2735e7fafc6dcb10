"""A comparison as a folder: comparison.json, .md, .html and .png."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emofuse.atomic import atomic, make_folder
from emofuse.evaluation.canvas import INK, PALETTE, clipped, framed, in_percent, plain, save
from emofuse.evaluation.compare import Comparison, Pair
from emofuse.evaluation.contents import alarm, facts, kept_apart, percent, points, signed, tested
from emofuse.evaluation.document import Block, Code, Document, Facts, Heading, Picture, Table, Text
from emofuse.evaluation.report import write_pages
from emofuse.evaluation.result import Metric

COMPARISON_NAME: Final = "comparison.json"
_PICTURE: Final = "comparison.png"
_OWN: Final = ("selection", "transductive", "seeds", "command", "versions")
"""The lines of a stamp that are a model's own, even where all are the same."""

_METRICS: Final = ("UAR", "accuracy", "macro F1")
_ALPHA: Final = 0.05


def write_comparison(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Write the comparison into `folder`, each file whole or not at all; return what was written, the JSON first.

    Raises OutputError when `folder` cannot be written to.
    """
    place = make_folder(folder)
    target = place / COMPARISON_NAME
    with atomic(target) as name:
        name.write_text(comparison.model_dump_json(indent=2) + "\n", encoding="utf-8")
    picture = save(draw_comparison(comparison), place / _PICTURE)
    return [target, *write_pages(comparison_document(comparison), place, "comparison"), picture]


def comparison_document(comparison: Comparison) -> Document:
    """Return the comparison as a page: scores, what differs, and how it was made."""
    blocks: list[Block] = [
        _scores(comparison),
        Picture(_PICTURE, "Every model's scores with their 95 % intervals, and the differences of each pair"),
        Heading("Do they differ?"),
        *(Text(_verdict(comparison, pair)) for pair in comparison.pairs),
        _pairs(comparison),
        Text(comparison.method),
        Heading("How it was made: the same for all"),
    ]
    of_all = facts(comparison.stamp)
    shared = tuple(line for line in of_all.pairs if line[0] not in _OWN and _is_shared(line, comparison))
    blocks.append(Facts(shared, of_all.alarms))
    for model in comparison.models:
        size = (("parameters", f"{model.n_parameters:,}"),) if model.n_parameters else ()
        own = tuple(line for line in model.stamp.lines() if line not in shared)
        blocks += [Heading(f"How it was made: {model.name}"), Facts((*size, *own))]
    commands = dict.fromkeys(model.stamp.command for model in comparison.models)
    blocks += [Heading("Make it again"), *map(Code, commands)]
    *most, last = [model.name for model in comparison.models]
    title = f"{', '.join(most)} and {last} on {comparison.stamp.corpus}"
    return Document(title, alarm(comparison.stamp), tuple(blocks))


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw UAR and accuracy as bars with their intervals, and below them the difference of every pair with its own."""
    models, pairs, stamp = comparison.models, comparison.pairs, comparison.stamp
    shown = [m.name for m in models[0].metrics if m.name in _METRICS[:2]]
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


def _scores(comparison: Comparison) -> Table:
    leaky = " (LEAKY)" if comparison.stamp.leaky else ""
    names = [m.name for m in comparison.models[0].metrics if m.name in _METRICS]
    rows = tuple(
        (model.name + leaky, *(_with_interval(m) for m in model.metrics if m.name in names))
        for model in comparison.models
    )
    header = ("model", *(f"{name} (95 % interval)" for name in names))
    return Table(header, rows, n_numbers=len(names), is_alarm=bool(leaky))


def _pairs(comparison: Comparison) -> Table:
    rows = tuple(
        (
            f"{p.a} − {p.b}",
            points(p.difference),
            f"{signed(p.interval_95[0])} to {signed(p.interval_95[1])}",
            _p(p.p_bootstrap),
            _p(p.p_bootstrap_holm),
            f"{p.n_only_a} : {p.n_only_b}",
            _p(p.p_mcnemar),
            _p(p.p_mcnemar_holm),
        )
        for p in comparison.pairs
    )
    header = ("pair", comparison.metric, "95 %", "p, bootstrap", "Holm", "only one right", "p, McNemar", "Holm")
    return Table(header, rows, n_numbers=7, is_alarm=bool(comparison.stamp.leaky))


def _verdict(comparison: Comparison, p: Pair) -> str:
    if p.p_bootstrap_holm >= _ALPHA:
        return f"{p.a} and {p.b}: no difference of {comparison.metric} is shown ({_p(p.p_bootstrap_holm)}, Holm)."
    better, worse = (p.a, p.b) if p.difference > 0 else (p.b, p.a)
    gain = f"{points(abs(p.difference))} of {comparison.metric}"
    return f"{better} is better than {worse}: {gain} ({_p(p.p_bootstrap_holm)}, Holm)."


def _with_interval(metric: Metric) -> str:
    low, high = metric.interval_95
    return f"{percent(metric.value)} ({100 * low:.1f} to {100 * high:.1f})"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _is_shared(line: tuple[str, str], comparison: Comparison) -> bool:
    return all(line in model.stamp.lines() for model in comparison.models)


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
        is_shown = pair.p_bootstrap_holm < _ALPHA
        colour, fill = (PALETTE[0], PALETTE[0]) if is_shown else (INK, "white")
        low, high = (100 * end for end in pair.interval_95)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="round")
        axes.plot(100 * pair.difference, place, marker="o", markersize=7, color=colour, markerfacecolor=fill)
        axes.annotate(
            f"{signed(pair.difference)}, {_p(pair.p_bootstrap_holm)}",
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
