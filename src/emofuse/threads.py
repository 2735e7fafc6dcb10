"""How the cores are shared: decoding, analysis and drawing are threads of ours (`overlap`), and libraries have more.

FFmpeg decodes on a thread for each core. The networks of a face and of a voice are too small to gain from more than
one; a network of clips takes up to four. OpenCV's pool only gets in the way of the others, and is switched off where a
process is ours: a command and its workers. A library that is imported changes nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

_NICER: Final = 5  # steps of priority, of 20: a quarter of the time where another wants all of it
THREADS: Final = "EMOFUSE_THREADS"  # the number, in the environment, so that processes that we begin have it too


def allowed_threads() -> int:
    """Return how many threads a decoder or a large network may use: EMOFUSE_THREADS, or the cores of this process."""
    asked = os.environ.get(THREADS, "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(threads: int | None = None, n_processes: int = 1) -> None:
    """Set, for this process and those that it begins, how many threads libraries use.

    Args:
        threads: For each process; by default the cores are divided among them.
        n_processes: How many work at once.
    """
    if threads is None and n_processes > 1 and not os.environ.get(THREADS):
        threads = max(1, allowed_threads() // n_processes)
    if threads is not None:
        os.environ[THREADS] = str(threads)
    free_opencv()


def come_last() -> None:
    """Let the thread that calls it, and those that it begins, have what the others leave, where the system has
    priorities of threads (Linux)."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _NICER)


def free_opencv() -> None:
    """Let OpenCV work in the thread that calls it, and keep no pool of its own."""
    import cv2  # here: a command that only asks for settings needs no OpenCV

    cv2.setNumThreads(1)
