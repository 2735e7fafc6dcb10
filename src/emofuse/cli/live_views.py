"""What shows a live session: a window (Tk, which Python brings), a terminal, or nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from rich.live import Live

from emofuse.cli.console import OUT
from emofuse.formatting import documentary_line
from emofuse.inference.live import LiveSession
from emofuse.inference.live_updates import LiveUpdate
from emofuse.outputs.lettering import Image
from emofuse.outputs.live_terminal import SHOWN_LINES, LivePanel, status_line

KEYS: Final = "space: pause   s: snapshot   q: quit"
_TERMINAL_PERIOD_S: Final = 0.15
_POLL_S: Final = 0.03  # keys and closed windows are looked for so often


class View(Protocol):
    """Shows updates, and hands out the keys that were pressed: " ", "s" or "q"."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, update: LiveUpdate, session: LiveSession, picture: Callable[[], Image]) -> str:
        """Show an update, which may be empty; `picture` draws it. Returns the keys pressed."""
        ...


class NoView:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, update: LiveUpdate, session: LiveSession, picture: Callable[[], Image]) -> str:
        """See View."""
        return ""


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


class TerminalView:
    """Bars that move, printed over and over in place."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._keys = TerminalKeys()
        has_keys = sys.stdin is not None and sys.stdin.isatty()
        self._panel = LivePanel(name, labels, KEYS if has_keys else "Ctrl-C ends it")
        self._live = Live(self._panel, console=OUT, auto_refresh=False, transient=True)
        self._shown_s = -1.0

    def __enter__(self) -> Self:
        self._keys.__enter__()
        if OUT.is_terminal:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if OUT.is_terminal:
            self._live.__exit__(kind, error, trace)
        self._keys.__exit__(kind, error, trace)

    def show(self, update: LiveUpdate, session: LiveSession, picture: Callable[[], Image]) -> str:
        """See View."""
        for moment in update.steady:
            self._panel.push(moment)
        for line in update.lines:
            self._panel.push_line(line)
        now_s = time.monotonic()
        if now_s - self._shown_s < _TERMINAL_PERIOD_S:
            return ""
        self._shown_s = now_s
        self._panel.update(session.stats(), session.is_paused)
        if OUT.is_terminal:
            self._live.update(self._panel, refresh=True)
        return self._keys.pressed()


class WindowView:
    """A Tk window with the picture, its boxes and the rolling chart. Raises ImportError without Tk, RuntimeError
    without a screen."""

    def __init__(self, name: str) -> None:
        import tkinter

        self._error: type[Exception] = tkinter.TclError
        try:
            self._root = tkinter.Tk(className="emofuse")
        except tkinter.TclError as error:
            raise RuntimeError(str(error)) from error
        self._root.title(f"emofuse live: {name}")
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._press("q"))
        self._root.bind("<Key>", lambda event: self._press(event.char))
        self._photo = tkinter.PhotoImage(master=self._root)
        self._picture = tkinter.Label(self._root, image=self._photo, borderwidth=0)
        self._picture.pack()
        self._words = tkinter.Label(self._root, anchor="w", justify="left")  # it takes no room before there are any
        self._lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self._below = tkinter.Label(self._root, text=KEYS, anchor="w")
        self._below.pack(fill="x")
        self._pressed = ""
        self._polled_s = -1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(self._error):  # it is gone already
            self._root.destroy()

    def show(self, update: LiveUpdate, session: LiveSession, picture: Callable[[], Image]) -> str:
        """See View."""
        if update.frame is not None:
            self._photo.configure(data=ppm(picture()), format="PPM")
        if update.lines:
            self._lines += [documentary_line(line.text) for line in update.lines]
            self._words.configure(text="\n".join(self._lines), wraplength=self._photo.width() or 0)
            self._words.pack(fill="x", before=self._below)
        now_s = time.monotonic()
        if update.frame is not None or now_s - self._polled_s > _POLL_S:
            self._polled_s = now_s
            paused = "paused   " if session.is_paused else ""
            self._below.configure(text=f"{paused}{status_line(session.stats())}   |   {KEYS}")
            self._root.update()
        keys, self._pressed = self._pressed, ""
        return keys

    def _press(self, key: str) -> None:
        self._pressed += key


def ppm(image: NDArray[np.uint8]) -> bytes:
    """Return (H, W, 3) uint8 RGB as a PPM file, which Tk reads by itself: no other library is needed."""
    height, width = image.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(image).tobytes()


def has_screen() -> bool:
    """Whether a window could be opened, as far as can be told without trying."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def make_view(wanted: str, name: str, labels: Sequence[str], notice: Callable[[str], None]) -> View:
    """Return the view that is wanted: "window", "terminal" or "none"; "auto" is a window where there is a screen."""
    if wanted == "none":
        return NoView()
    if wanted == "terminal" or (wanted == "auto" and not has_screen()):
        return TerminalView(name, labels)
    try:
        return WindowView(name)
    except ImportError:
        notice("no window: Python here comes without Tk (on Debian and Ubuntu: apt install python3-tk)")
    except RuntimeError as error:
        notice(f"no window: {error}")
    return TerminalView(name, labels)
