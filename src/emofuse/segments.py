"""Cuts a recording into stretches of one label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.timeline_json import TIME_DECIMALS
from emofuse.types import UNCERTAIN, Moment

SMOOTHING_S: Final = 1.0  # segments come from probabilities averaged over this long, so labels do not flicker
MIN_SEGMENT_S: Final = 0.4  # a shorter segment is folded into its neighbour


@dataclass(frozen=True, slots=True)
class Segment:
    """An interval of time with one label.

    Attributes:
        start_s: When it begins, in seconds.
        end_s: When it ends, in seconds.
        label: The emotion.
        confidence: The mean probability of the label over the interval, in [0, 1].
        is_uncertain: Whether the answer is "uncertain" in half of its moments or more.

    Example:
        >>> Segment(0.0, 2.0, "sad", 0.6).answer
        'sad'
    """

    start_s: float
    end_s: float
    label: str
    confidence: float
    is_uncertain: bool = False

    @property
    def answer(self) -> str:
        """The answer to show: the label, or `UNCERTAIN`."""
        return UNCERTAIN if self.is_uncertain else self.label


def cut_segments(moments: Sequence[Moment], labels: Sequence[str], duration_s: float | None) -> list[Segment]:
    """Cut moments into stretches of one label, as `Timeline.segments` describes.

    Args:
        moments: In the order of time.
        labels: The emotions, in the order of every probability.
        duration_s: Of the recording, in seconds; None where it is not known.

    Returns:
        The stretches in order, without overlaps.
    """
    spoken = [(m.time_s, m.fused.probabilities) for m in moments if m.fused is not None]
    if not spoken or duration_s == 0:  # a photo lasts no time
        return []
    abstains = np.array([m.fused.answer == UNCERTAIN for m in moments if m.fused is not None])
    # What JSON keeps of them, so that a timeline read back has the same segments.
    times = np.array([time_s for time_s, _ in spoken], dtype=np.float64).round(TIME_DECIMALS)
    raw = np.stack([p for _, p in spoken]).astype(np.float64).round(4).astype(np.float32)
    smooth = smooth_probabilities(times, raw, SMOOTHING_S)
    hop_s = usual_hop([m.time_s for m in moments])
    runs = _fold_short(_runs(times, smooth, hop_s, duration_s), MIN_SEGMENT_S)
    return [_segment(run, raw, abstains, labels) for run in runs]


def share_of_time(segments: Sequence[Segment]) -> dict[str, float]:
    """Return for how many seconds each label lasts, the longest first; a label without a segment is not in it.

    Example:
        >>> share_of_time([Segment(0.0, 2.0, "sad", 0.6), Segment(2.0, 5.0, "happy", 0.9)])
        {'happy': 3.0, 'sad': 2.0}
    """
    total: dict[str, float] = {}
    for segment in segments:
        total[segment.label] = total.get(segment.label, 0.0) + segment.end_s - segment.start_s
    return dict(sorted(total.items(), key=lambda share: -share[1]))


def label_between(segments: Sequence[Segment], start_s: float, end_s: float) -> str | None:
    """Return the label that lasts longest from start_s to end_s; None where nothing was read then.

    Example:
        >>> label_between([Segment(0.0, 2.0, "sad", 0.6), Segment(2.0, 5.0, "happy", 0.9)], 1.5, 3.0)
        'happy'
    """
    near = [
        Segment(max(s.start_s, start_s), min(s.end_s, max(end_s, start_s + 1e-3)), s.label, s.confidence)
        for s in segments
        if s.start_s < max(end_s, start_s + 1e-3) and s.end_s > start_s
    ]
    return next(iter(share_of_time(near)), None)


def smooth_probabilities(
    times: NDArray[np.float64], probabilities: NDArray[np.float32], width_s: float
) -> NDArray[np.float32]:
    """Average each row over the rows within width_s / 2 of it, in time.

    times: (T,) seconds, rising; probabilities: (T, C). Returns (T, C); each row still sums to 1.
    """
    left = np.searchsorted(times, times - width_s / 2, side="left")
    right = np.searchsorted(times, times + width_s / 2, side="right")
    total = np.vstack([np.zeros((1, probabilities.shape[1])), np.cumsum(probabilities, axis=0, dtype=np.float64)])
    mean: NDArray[np.float64] = (total[right] - total[left]) / (right - left)[:, None]
    return mean.astype(np.float32)


def interval_start(time_s: float, before_s: float, hop_s: float) -> float:
    """Return since when a moment stands: the moment before it, or hop_s ago at the beginning or after a gap.

    before_s: the time of the moment before, -inf where there is none; hop_s: the usual distance of moments.
    """
    gap_s = max(3 * hop_s, 1.0) + 1e-6  # times are sums of hops, and not exact
    return max(0.0, time_s - hop_s) if time_s - before_s > gap_s else before_s


def usual_hop(times: Sequence[float]) -> float:
    """Return the median distance of the moments, spoken or not: where few spoke, those are far apart."""
    distinct = np.unique(np.round(times, TIME_DECIMALS))
    return max(float(np.median(np.diff(distinct))), 1e-3) if len(distinct) > 1 else MIN_SEGMENT_S


@dataclass(slots=True)
class _Run:
    """Moments first to last, both included, of one label."""

    first: int
    last: int
    start_s: float
    end_s: float
    label: int


def _runs(
    times: NDArray[np.float64], smooth: NDArray[np.float32], hop_s: float, duration_s: float | None
) -> list[_Run]:
    runs: list[_Run] = []
    before_s = -math.inf
    for i, (time_s, label) in enumerate(zip(times.tolist(), smooth.argmax(axis=1).tolist(), strict=True)):
        start_s = interval_start(time_s, before_s, hop_s)
        if runs and runs[-1].label == label and start_s == before_s:
            runs[-1].last, runs[-1].end_s = i, time_s
        else:
            runs.append(_Run(i, i, start_s, time_s, label))
        before_s = time_s
    first, last = runs[0], runs[-1]
    if duration_s is not None and last.end_s < duration_s <= last.end_s + 1.5 * hop_s:
        last.end_s = duration_s  # the last picture is shown until the end
    if first.end_s <= first.start_s and (first is last or runs[1].start_s > first.end_s):
        first.end_s = first.start_s + hop_s  # nothing is before a moment at the very start: it stands for what follows
    return runs


def _fold_short(runs: list[_Run], shortest_s: float) -> list[_Run]:
    """Fold each short run into the one before it; one that nothing comes before, into the one after it."""
    kept: list[_Run] = []
    for run in runs:
        before = kept[-1] if kept and math.isclose(kept[-1].end_s, run.start_s, abs_tol=1e-6) else None
        if before is None:
            kept.append(run)
            continue
        before_is_short = before.end_s - before.start_s < shortest_s
        run_is_short = run.end_s - run.start_s < shortest_s
        if before_is_short and run.end_s - run.start_s > before.end_s - before.start_s:
            before.label = run.label
        elif not (before_is_short or run_is_short or before.label == run.label):
            kept.append(run)
            continue
        before.last, before.end_s = run.last, run.end_s
    return kept


def _segment(run: _Run, raw: NDArray[np.float32], abstains: NDArray[np.bool_], labels: Sequence[str]) -> Segment:
    chosen = slice(run.first, run.last + 1)
    confidence, is_uncertain = float(raw[chosen, run.label].mean()), float(abstains[chosen].mean()) >= 0.5
    return Segment(run.start_s, run.end_s, labels[run.label], confidence, is_uncertain)
