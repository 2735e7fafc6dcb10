"""The frame around every figure: what it shows, of which model, and how that was measured."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from emofuse.emotions import COLOURS, TO_BASE
from emofuse.files import atomic_write
from emofuse.research.evaluation.reports.document import printable
from emofuse.research.evaluation.reports.sections import LEAKY
from emofuse.research.evaluation.scores.report import ReportProvenance

DPI: Final = 150
PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's palette, darkest first (https://jfly.uni-koeln.de/color/)."""

OURS: Final = "#0072B2"
OTHERS: Final = "#B8BEC6"
INK: Final = "#1d2126"
FAINT: Final = "#5c6670"
RED: Final = "#b3001b"

_FAMILY: Final = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Hebrew, Arabic
_OF_THE_SYSTEM: Final = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans Devanagari",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Nirmala UI",
    "Unifont",
)
"""Families that systems have for the scripts that the first one lacks."""

_WIDTH_IN: Final = 8.0
_LINE_IN: Final = 0.17  # of the small print
_SMALL_PT: Final = 8.0
_KEY_IN: Final = 0.3  # a row of a key
_CHARACTERS: Final = 132  # of the small print across the width


def framed(title: str, stamp: ReportProvenance, foot: str, body_in: float, key_rows: int = 0) -> Figure:
    """Return a figure 8 inches wide whose body is `body_in` high, under its title and over its key and `foot`.

    Where the stamp is leaky, a red banner tops it and the word stands across the body.
    """
    protocol = textwrap.wrap(printable(stamp.protocol), _CHARACTERS)
    small_print = textwrap.wrap(printable(foot), _CHARACTERS)
    heading = textwrap.wrap(printable(title), 72)
    banner_in = 0.34 if stamp.leaky else 0.0
    head_in = 0.16 + 0.27 * len(heading) + _LINE_IN * len(protocol) + banner_in
    foot_in = 0.16 + _LINE_IN * len(small_print)
    key_in = _KEY_IN * key_rows
    height_in = head_in + body_in + key_in + foot_in
    body = (0.01, (key_in + foot_in) / height_in, 0.98, body_in / height_in)
    layout = ConstrainedLayoutEngine(rect=body, w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(_WIDTH_IN, height_in), layout=layout, facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    top = 1 - (banner_in + 0.1) / height_in
    _write(figure, top, "\n".join(heading), 13, INK, weight="bold")
    _write(figure, top - 0.27 * len(heading) / height_in, "\n".join(protocol), _SMALL_PT, FAINT)
    _write(figure, (foot_in - 0.06) / height_in, "\n".join(small_print), _SMALL_PT, FAINT)
    if stamp.leaky:
        _mark_leaky(figure, banner_in / height_in)
    return figure


def add_key(figure: Figure, handles: Sequence[Artist], n_columns: int) -> None:
    """Explain the marks in the rows that `framed` kept under the body."""
    engine = figure.get_layout_engine()
    bottom = engine.get()["rect"][1] if engine is not None else 0.0
    at: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, bottom), "borderaxespad": 0.3}
    key = figure.legend(handles=handles, ncols=n_columns, frameon=False, fontsize=9, **at)
    key.set_in_layout(False)
    for text in key.get_texts():
        text.set_parse_math(False)


def plain(axes: Axes, grid: Literal["x", "y"]) -> None:
    """Take the box off axes, and set their text small and dark; faint lines mark the values of `grid`."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(OTHERS)
    axes.tick_params(labelsize=9, colors=INK, length=3)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color="#e6e9ed", linewidth=0.8)


def in_percent(axes: Axes, axis: str, low: float = 0.0, high: float = 1.0) -> None:
    """Let an axis of fractions run from `low` to `high`, marked in percent."""
    step = 0.2 if high - low > 0.5 else 0.1
    ticks = np.arange(np.ceil(low / step), np.floor(high / step + 1e-9) + 1) * step
    if axis == "x":
        axes.set_xlim(low, high)
        axes.set_xticks(ticks, [f"{t:.0%}" for t in ticks])
    else:
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, [f"{t:.0%}" for t in ticks])


def clipped(text: str, most: int) -> str:
    """Make one line of at most `most` characters of text: what is too much is left out before its last four."""
    line = printable(text)
    return line if len(line) <= most else f"{line[: most - 5]}…{line[-4:]}"


def colour_of(label: str) -> str:
    """Return the colour of an emotion: that of the base emotion it maps to, or grey."""
    return COLOURS.get(TO_BASE.get(label) or label, "#999999")


def letter_families() -> list[str]:
    """Return the fonts that letters are taken from: each from the first that has it."""
    found = set(fontManager.get_font_names())
    return [_FAMILY, *(family for family in _OF_THE_SYSTEM if family in found)]


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all. Raises OutputError when that cannot be."""
    families = letter_families()
    for text in figure.findobj(Text):
        text.set_fontfamily(families)
    with atomic_write(path) as name, warnings.catch_warnings():
        # a letter that no font here has is drawn as a box; the pages beside the figure have the name in full
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(name, format="png", dpi=DPI)
    return path


def _mark_leaky(figure: Figure, share: float) -> None:
    band = Rectangle((0, 1 - share), 1, share, transform=figure.transFigure, facecolor=RED, edgecolor="none")
    figure.add_artist(band)
    figure.text(0.5, 1 - share / 2, LEAKY, color="white", weight="bold", fontsize=10, ha="center", va="center")
    across: dict[str, Any] = {"rotation": 24, "ha": "center", "va": "center", "zorder": 10}
    figure.text(0.5, 0.46, "LEAKY", color=RED, alpha=0.16, weight="bold", fontsize=90, **across)


def _write(figure: Figure, top: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
    figure.text(
        0.02, top, text, va="top", fontsize=size, color=colour, weight=weight, parse_math=False, linespacing=1.25
    )
