"""How far the recordings are, on a terminal and elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from emofuse.cli.work_bars import WorkBars
from emofuse.recordings.progress import Progress


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_without_a_terminal_there_is_a_line_every_ten_seconds() -> None:
    console, clock = Console(file=io.StringIO(), width=200), Clock()
    film = Path("film.mp4")
    stages = ("transcribing", "analysing")
    with WorkBars(console, 1, is_quiet=False, clock_s=clock) as bars:
        bars.begin(film)
        for second in range(1, 36):
            clock.now_s = float(second)
            stage = "transcribing" if second < 20 else "analysing"
            reached = 4.0 * (second if second < 20 else second - 20)
            bars.reach(film, Progress(reached, 100.0, stage, stages))
        bars.end(film)
    assert console.file.getvalue().splitlines() == [
        "film.mp4: transcribing, at 0:40 of 1:40, 20%, 4.0x real time",
        "film.mp4: analysing, at 0:00 of 1:40, 50%",
        "film.mp4: analysing, at 0:40 of 1:40, 70%, 4.0x real time",
    ]


def test_quiet_is_quiet() -> None:
    console, clock = Console(file=io.StringIO(), width=200), Clock()
    with WorkBars(console, 1, is_quiet=True, clock_s=clock) as bars:
        clock.now_s = 100.0
        bars.reach(Path("film.mp4"), Progress(50.0, 100.0))
    assert console.file.getvalue() == ""


def test_on_a_terminal_bars_are_gone_before_a_result_is_printed() -> None:
    console, clock = Console(file=io.StringIO(), force_terminal=True, width=120, _environ={}), Clock()
    films = [Path("[a].mp4"), Path("b.mp4")]
    with WorkBars(console, 2, is_quiet=False, clock_s=clock) as bars:
        for film in films:
            bars.reach(film, Progress(0.0, 10.0))
        clock.now_s = 2.0
        bars.reach(films[0], Progress(8.2, 10.0))
        bars._bars.refresh()
        drawn = console.file.getvalue()
        assert "[1/2] [a].mp4" in drawn and "4.1x real time" in drawn and "all recordings" in drawn
        bars.end(films[0])
        with bars.erased():
            before = console.file.getvalue()
            assert before.endswith("\x1b[2K")  # the last line of the bars was erased
            console.print("a result")
        bars._bars.refresh()
        after = console.file.getvalue()[len(before) :]
        assert after.startswith("a result") and "[2/2] b.mp4" in after and "[a].mp4" not in after
