"""A timeline as a figure of matplotlib, for whoever puts it beside others; the PNG format needs none."""

from __future__ import annotations

import math
from typing import Any, Final

from emofuse.emotions import rgb
from emofuse.errors import UsageError
from emofuse.timeline import Timeline

_INCHES: Final = (9.0, 3.0)
_SHADE: Final = 0.15  # opacity of the segments behind the curves


def plot_timeline(timeline: Timeline, axes: Any = None) -> Any:
    """Draw the fused probability of each label over time, and the segments as shades behind them.

    Args:
        timeline: Any.
        axes: Those of matplotlib to draw on; new ones by default.

    Returns:
        The axes.

    Raises:
        UsageError: matplotlib is not installed.
    """
    if axes is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise UsageError("matplotlib is not installed", "pip install 'emofuse[plots]'") from None
        axes = pyplot.subplots(figsize=_INCHES, layout="constrained")[1]
    times = [moment.time_s for moment in timeline.moments]
    for i, label in enumerate(timeline.labels):
        course = [math.nan if m.fused is None else float(m.fused.probabilities[i]) for m in timeline.moments]
        # A moment stands for the time before it, so its value leads up to it.
        mark = "." if len(times) < 2 else ""
        axes.plot(times, course, drawstyle="steps-pre", marker=mark, color=_colour(label), label=label)
    for segment in timeline.segments():
        axes.axvspan(segment.start_s, segment.end_s, color=_colour(segment.label), alpha=_SHADE, linewidth=0)
    axes.set(xlabel="time (s)", ylabel="probability", ylim=(0.0, 1.0))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return axes


def _colour(label: str) -> tuple[float, float, float]:
    red, green, blue = (value / 255 for value in rgb(label))
    return red, green, blue
