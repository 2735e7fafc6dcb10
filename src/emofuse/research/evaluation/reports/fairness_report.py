"""A comparison of groups as a page, with its figure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from emofuse.research.evaluation.protocols.fairness import LEAST, AttributeResult, FairnessReport
from emofuse.research.evaluation.reports.document import (
    Block,
    Code,
    DefinitionList,
    Document,
    Heading,
    Picture,
    Table,
    Text,
)
from emofuse.research.evaluation.reports.figure_frame import INK, OTHERS, OURS, framed, in_percent, plain
from emofuse.research.evaluation.reports.sections import caution, percent, points, span_or
from emofuse.research.evaluation.reports.write import write_illustrated
from emofuse.research.evaluation.scores.metrics import UNKNOWN, Interval

NAME: Final = "fairness"
_FIGURE: Final = "fairness.png"
_MOST: Final = 12  # groups of an attribute that are listed, the worst
_READING: Final = (
    "The worst group comes first. UAR and accuracy are of all recordings of a group; their 95 % intervals, and those "
    "of gaps, resample its people. A gap is between the best and the worst group, over the emotions that all have; an "
    "interval that reaches 0 is no finding, and groups that were chosen as the best and the worst of many differ by "
    "chance as well. Equalised odds: for one emotion against the rest, the larger of the largest difference between "
    f"two groups of recall, and of false alarms. Groups of fewer than {LEAST} recordings are left out."
)


def write_fairness(report: FairnessReport, folder: str | Path) -> list[Path]:
    """Write fairness.json, .md, .html and .png into a folder; return what was written, the JSON first.

    Raises OutputError where the folder cannot be written to, UsageError where somebody else's page is in the way.
    """
    return write_illustrated(report, fairness_document(report), draw_groups(report), folder, NAME)


def fairness_document(report: FairnessReport) -> Document:
    """Return the comparison as a page."""
    blocks: list[Block] = [Text(_READING), *gaps_table(report)]
    for one in report.attributes:
        blocks += [Heading(f"By {one.attribute.replace('_', ' ')}"), *_attribute(one)]
    blocks += [
        Picture(_FIGURE, "Recall of every group with its interval"),
        Heading("How it was measured"),
        DefinitionList(
            tuple((name, told) for name, told in report.stamp.lines() if name not in ("command", "fold all"))
        ),
        Code(report.stamp.command),
    ]
    return Document(report.title, caution(report.stamp), tuple(blocks))


def gaps_table(report: FairnessReport) -> list[Block]:
    """Return a row for each attribute that tells two groups apart: the worst, the best, and the gap."""
    rows = tuple(
        (
            one.attribute.replace("_", " "),
            str(len(one.groups)),
            points(one.gap),
            between_points(one.gap_95),
            f"{max(one.equalised_odds.values(), default=0.0):.2f}",
            "" if one.odds_95 == UNKNOWN else f"{one.odds_95[0]:.2f} to {one.odds_95[1]:.2f}",
            one.groups[0].name,
            one.groups[-1].name,
        )
        for one in report.attributes
        if one.gap is not None
    )
    if not rows:
        return [Text("The data do not distinguish two groups.")]
    header = ("by", "groups", "gap", "95 %", "equalised odds", "95 %", "worst", "best")
    return [Table(header, rows, 5)]


def _attribute(one: AttributeResult) -> list[Block]:
    told = f"{one.n_left_out} recordings are left out: the group is unknown, or too small."
    blocks: list[Block] = [Text(told)] if one.n_left_out else []
    rows = tuple(
        (
            group.name,
            str(group.n),
            str(group.n_people),
            percent(group.uar),
            span_or("one person", group.uar_95),
            percent(group.accuracy),
            span_or("one person", group.accuracy_95),
            percent(group.confidence),
            f"{group.calibration_error:.3f}",
        )
        for group in one.groups[:_MOST]
    )
    if not rows:
        return [*blocks, Text("No group is large enough.")]
    if len(one.groups) > _MOST:
        blocks.append(Text(f"The worst {_MOST} of {len(one.groups)} groups; the best is {one.groups[-1].name}."))
    header = ("group", "n", "people", "UAR", "95 %", "accuracy", "95 %", "confidence", "ECE")
    blocks.append(Table(header, rows, len(header) - 1))
    if one.equalised_odds:
        odds = ", ".join(f"{label} {value:.2f}" for label, value in one.equalised_odds.items())
        blocks.append(Text(f"Equalised-odds differences: {odds}."))
    return blocks


def between_points(interval: Interval) -> str:
    """Write an interval of differences in percentage points."""
    return "" if interval == UNKNOWN else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}".replace("-", "−")


def draw_groups(report: FairnessReport) -> Figure:
    """Draw the recall of every group with its interval, attribute by attribute."""
    shown = [(one.attribute, group) for one in report.attributes for group in one.groups[:_MOST]]
    figure = framed(report.title, report.stamp, "95 % intervals over people.", 0.27 * max(len(shown), 2) + 0.5)
    axes = figure.add_subplot()
    for place, (_, group) in enumerate(shown):
        if group.uar_95 != UNKNOWN:
            axes.plot(group.uar_95, (place, place), color=OURS, linewidth=2.2, solid_capstyle="butt")
        axes.plot(group.uar, place, marker="o", color=OURS, markersize=5)
    borders = [i for i in range(1, len(shown)) if shown[i][0] != shown[i - 1][0]]
    for border in borders:
        axes.axhline(border - 0.5, color=OTHERS, linewidth=0.8)
    names = [f"{attribute.replace('_', ' ')}: {group.name}" for attribute, group in shown]
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("UAR", fontsize=10, color=INK)
    plain(axes, grid="x")
    in_percent(axes, "x")
    return figure
