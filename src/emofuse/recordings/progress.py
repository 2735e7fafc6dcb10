"""How far the work on a recording is, by its stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["transcribing", "analysing", "drawing"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is.

    Attributes:
        time_s: Reached in this stage, in seconds of the recording.
        duration_s: Of the recording; None where it is not known.
        stage: What is being done with it.
        stages: All that is done with it, in order; `stage` is one of them.

    Example:
        >>> Progress(5.0, 10.0, "drawing", ("analysing", "drawing")).share
        0.75
    """

    time_s: float
    duration_s: float | None
    stage: Stage = "analysing"
    stages: tuple[Stage, ...] = ("analysing",)

    @property
    def share(self) -> float | None:
        """Of all the work, 0 to 1; None where the duration is not known."""
        if not self.duration_s:
            return None
        within = min(max(self.time_s / self.duration_s, 0.0), 1.0)
        return (self.stages.index(self.stage) + within) / len(self.stages)


OnProgress = Callable[[Progress], None]
