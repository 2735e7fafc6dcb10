"""Keys pressed on a terminal, read without waiting."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any, Self


class TerminalKeys:
    """Hands out the keys pressed since the last time, "" where none was or the input is no terminal."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._is_open = False

    def __enter__(self) -> Self:
        if sys.stdin is None or not sys.stdin.isatty():
            return self
        self._is_open = True
        if os.name != "nt":
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)  # keys come one by one, and Ctrl-C still interrupts
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """Return the keys pressed since the last call."""
        if not self._is_open:
            return ""
        if sys.platform == "win32":
            import msvcrt

            return "".join(iter(lambda: msvcrt.getwch() if msvcrt.kbhit() else "", ""))
        import select

        keys = b""
        while select.select([sys.stdin], [], [], 0)[0]:
            read = os.read(sys.stdin.fileno(), 64)
            if not read:  # the terminal was closed
                self._is_open = False
                break
            keys += read
        return keys.decode("ascii", "ignore")
