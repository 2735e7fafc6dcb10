"""How a live session is doing, at a fixed cost however long it goes on."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

_SMALLEST_S, _LARGEST_S, _STEP = 1e-4, 100.0, 1.02  # of the bins of delays: an answer is within 2 %
_N_BINS: Final = math.ceil(math.log(_LARGEST_S / _SMALLEST_S) / math.log(_STEP)) + 1
_N_RECENT: Final = 50  # delays that the latest figure is the median of


@dataclass(frozen=True, slots=True)
class LiveStats:
    """What a live session has done so far.

    n_frames: pictures that came; n_dropped: those of them that were left out to keep up. elapsed_s: since the first
    packet. A delay is what passed from the arrival of the packet that completed a moment, plus what the packet is
    later than the moment; delays in seconds, None before there are any. changes_per_minute: of the fused label as it
    is, and steadied. n_lines: of words that were recognised; words_delay_s: from the end of a line until it was
    there, the median; missed_s: seconds of speech that were not recognised, to keep up.
    """

    n_moments: int
    n_frames: int
    n_dropped: int
    sound_s: float
    elapsed_s: float
    moments_per_s: float
    delay_median_s: float | None
    delay_p95_s: float | None
    delay_max_s: float | None
    delay_recent_s: float | None
    changes_per_minute: float
    steady_changes_per_minute: float
    n_lines: int = 0
    words_delay_s: float | None = None
    missed_s: float = 0.0


class Delays:
    """Counts delays in bins that grow by 2 %, so that the quantiles of any number of them cost the same memory."""

    def __init__(self) -> None:
        self._counts = [0] * _N_BINS
        self._recent: deque[float] = deque(maxlen=_N_RECENT)
        self._n = 0
        self.largest_s: float | None = None

    def add(self, delay_s: float) -> None:
        """Count a delay."""
        at = math.log(max(delay_s, _SMALLEST_S) / _SMALLEST_S) / math.log(_STEP)
        self._counts[min(round(at), _N_BINS - 1)] += 1
        self._n += 1
        self._recent.append(delay_s)
        self.largest_s = delay_s if self.largest_s is None else max(self.largest_s, delay_s)

    def quantile(self, share: float) -> float | None:
        """Return the delay that `share` of them do not exceed, within 2 %; None before there are any."""
        if not self._n:
            return None
        wanted, seen = share * self._n, 0
        for at, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return _SMALLEST_S * float(_STEP**at)
        return self.largest_s

    @property
    def recent_s(self) -> float | None:
        """The median of the latest delays."""
        latest = list(self._recent)  # a copy: the session's thread may be adding
        return median(latest) if latest else None
