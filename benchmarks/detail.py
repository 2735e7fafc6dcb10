"""What the options that trade detail for speed lose: answers beside those of a detection in every picture.

    python benchmarks/detail.py [CLIP ...]

By default the clip that ships. For each option and mode, over all clips: how far the face's and the fused
probabilities are from those of `--detect-period-s 0` at the same time (the 95th percentile and the maximum, over
labels and moments), in how many moments the fused label is another, how far the fused probabilities of whole recordings
are off at most, and the share of pictures in which the detector looked.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import emofuse
import emofuse.inference.analyzer
import emofuse.media
from emofuse.cli.demo import CLIP
from emofuse.cli.speed_options import FAST
from emofuse.inference.detector import YuNetDetector
from emofuse.timeline import Timeline
from emofuse.types import Frame, Scores

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "--detect-period-s 0.25": {"detect_period_s": 0.25},
    "--detect-period-s 0.5": {"detect_period_s": 0.5},
    "--every 2": {"every": 2},
    "--every 5": {"every": 5},
    "--min-face 100": {"min_face_px": 100.0},
    "--fast": {name: getattr(FAST, name) for name in ("every", "detect_period_s", "face_period_s")},
}


@dataclass(slots=True)
class Lost:
    """How far one option is off."""

    face: list[float] = field(default_factory=list)
    fused: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    n_other: int = 0
    n_looked: int = 0
    n_pictures: int = 0

    def add(self, exact: Timeline, found: Timeline) -> None:
        """Compare the moments that both have, and the answers for the whole."""
        at = {round(moment.time_s, 6): moment for moment in exact.moments}
        for moment in found.moments:
            other = at.get(round(moment.time_s, 6))
            if other is None or other.fused is None or moment.fused is None:
                continue
            self.fused.append(apart(other.fused, moment.fused))
            self.n_other += other.fused.label != moment.fused.label
            if "face" in other.by_modality and "face" in moment.by_modality:
                self.face.append(apart(other.by_modality["face"], moment.by_modality["face"]))
        if exact.summary.fused is not None and found.summary.fused is not None:
            self.whole.append(apart(exact.summary.fused, found.summary.fused))


def apart(a: Scores, b: Scores) -> float:
    """Return the largest difference of two answers' probabilities."""
    return float(np.abs(a.probabilities - b.probabilities).max())


class Counted(YuNetDetector):
    """Counts its pictures."""

    n = 0

    def detect(self, image: NDArray[np.uint8]) -> Any:
        Counted.n += 1
        return super().detect(image)


def main() -> None:
    """Print a row for each option and mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, default=[CLIP])
    arguments = parser.parse_args()
    emofuse.inference.analyzer.YuNetDetector = Counted  # type: ignore[attr-defined,misc]
    titles = ("option", "mode", "face p95 / max", "fused p95 / max", "another label", "whole", "pictures looked at")
    table = Table(*titles)
    pipeline = emofuse.Pipeline.load()
    lost = {(name, mode): Lost() for mode in ("queue", "frame") for name in OPTIONS}
    for clip in arguments.clips:
        with emofuse.media.open_media(clip) as media:
            n_pictures = sum(isinstance(packet, Frame) for packet in media)
        for mode in ("queue", "frame"):
            exact = pipeline(clip, mode=mode, detect_period_s=0.0)
            for name, settings in OPTIONS.items():
                Counted.n = 0
                one = lost[name, mode]
                one.add(exact, pipeline(clip, mode=mode, **settings))
                one.n_looked += Counted.n
                one.n_pictures += n_pictures
    for (name, mode), one in lost.items():
        table.add_row(
            name,
            mode,
            f"{np.quantile(one.face, 0.95):.3f} / {max(one.face):.3f}",
            f"{np.quantile(one.fused, 0.95):.3f} / {max(one.fused):.3f}",
            f"{one.n_other} of {len(one.fused)}",
            f"{max(one.whole):.3f}",
            f"{one.n_looked / one.n_pictures:.0%}",
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
