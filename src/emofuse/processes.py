"""How processes end: those that were begun with the one that began them, and a command at SIGTERM as at Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import Final

TERMINATED: Final = 128 + signal.SIGTERM  # the exit code of a command that was told to end, as a shell gives it


def end_with_parent() -> None:
    """Let this process, which multiprocessing has begun, end as soon as the one that began it does, however that ended.

    What it was writing stays behind, hidden; the next process that writes into the folder clears it (`staging`).
    """
    threading.Thread(target=_wait_for_parent, name="end with parent", daemon=True).start()


def stop_when_terminated() -> None:
    """Let SIGTERM raise SystemExit(TERMINATED), so that a command puts its files away as it does at Ctrl-C.

    Only the main thread can ask for this; in another one it does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this process was not begun by multiprocessing"
    parent.join()
    os._exit(1)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
