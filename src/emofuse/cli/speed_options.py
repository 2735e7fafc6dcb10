"""The options of `emofuse analyze` that trade detail for speed, and that share the cores."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from emofuse.cli.panels import SPEED
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.threads import share_cores

DEFAULTS = AnalyzerSettings()
FAST = AnalyzerSettings(every=2, detect_period_s=0.5, face_period_s=0.25)

FastOption = Annotated[
    bool,
    typer.Option(
        "--fast",
        help=f"Use every second picture, and score faces less often: --every {FAST.every} --detect-period-s "
        f"{FAST.detect_period_s}, and a face is scored four times a second. docs/performance.md lists the loss.",
        rich_help_panel=SPEED,
    ),
]
EveryOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Use only every Nth picture.", rich_help_panel=SPEED)
]
DetectOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help=f"Seconds between two detections of faces at most, {DEFAULTS.detect_period_s} by default; in between they "
        "are followed. 0 detects them in every picture.",
        rich_help_panel=SPEED,
    ),
]
MinFaceOption = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="PX", help="The smallest face wanted, in pixels; the larger, the faster.", rich_help_panel=SPEED
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Threads of a decoder or a large network; by default a core each, shared by --jobs.",
        rich_help_panel=SPEED,
    ),
]


def speed_settings(
    fast: bool, every: int | None, detect_period_s: float | None, min_face_px: float | None
) -> dict[str, Any]:
    """Return settings for `AnalyzerSettings`: those of --fast where it is asked for, and over them what is given."""
    names = ("every", "detect_period_s", "face_period_s")
    presets = {name: getattr(FAST, name) for name in names} if fast else {}
    given = {"every": every, "detect_period_s": detect_period_s, "min_face_px": min_face_px}
    return {**presets, **{name: value for name, value in given.items() if value is not None}}


def set_threads(threads: int | None, jobs: int | None) -> None:
    """Share the cores among the processes of this command."""
    share_cores(threads, jobs or 1)
