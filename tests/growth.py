"""How the time of a function grows with its input: linear and quadratic are told apart on a busy machine, too."""

from __future__ import annotations

import time
from collections.abc import Callable

N_TRIES = 5


def growth(function: Callable[[str], object], make: Callable[[int], str], n: int) -> float:
    """Return how many times as long 4 n takes as n: about 4 where it is linear, 16 where it is quadratic.

    The quickest of several tries counts, and a millisecond is added to both, which hides what is too quick to matter.
    """
    small, large = make(n), make(4 * n)
    return (_quickest_s(function, large) + 1e-3) / (_quickest_s(function, small) + 1e-3)


def _quickest_s(function: Callable[[str], object], text: str) -> float:
    spent_s = []
    for _ in range(N_TRIES):
        start_s = time.thread_time()  # not that of other processes
        function(text)
        spent_s.append(time.thread_time() - start_s)
        if sum(spent_s) > 2.0:
            break
    return min(spent_s)
