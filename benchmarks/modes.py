"""Queue-based against per-frame prediction, on clips whose emotion is known.

    python benchmarks/modes.py [--bundle BUNDLE ...] CORPUS FOLDER [CORPUS FOLDER ...]

For each bundle and mode: seconds of CPU for a second of video (decoding included); how old a picture is when the first
moment that counts it is there (waiting for the next hop, plus the computation); changes of the fused label in a minute;
in how much of the time the fused label is the clip's; and for how many clips the whole recording's is. The clips here
are few and acted, so the last two only compare the modes.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, get_args

import numpy as np

from emofuse.emotions import mapping_matrix
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings, Mode
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.media import open_media
from emofuse.research.corpora.manifest import Clip
from emofuse.research.corpora.registry import read_corpus
from emofuse.types import Frame, Moment

HEADER: Final = (
    "| bundle | mode | CPU s per s | delay median / 95 % (ms) | changes per minute | time right | clips right |"
)


@dataclass(slots=True)
class Measured:
    """What was seen of one mode, over all clips."""

    cpu_s: float = 0.0
    stream_s: float = 0.0
    delays_s: list[float] = field(default_factory=list)
    n_changes: int = 0
    n_moments: int = 0
    n_right: int = 0
    n_clips: int = 0
    n_clips_right: int = 0


def main() -> None:
    """Measure every bundle in both modes, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", help="a reader's name and a folder, once or more")
    parser.add_argument("--bundle", action="append", default=[], help="a bundle's name or folder; default: base")
    arguments = parser.parse_args()
    names = arguments.corpora
    clips = [clip for name, root in zip(names[::2], names[1::2], strict=True) for clip in read_corpus(name, root)]
    print(HEADER)
    print("|" + "---|" * 7)
    for bundle in map(load_bundle, arguments.bundle or ["base"]):
        for mode in get_args(Mode):
            measured = Measured()
            for clip in clips:
                measure(clip, bundle, mode, measured)
            print(row(bundle.manifest.name, mode, measured))


def measure(clip: Clip, bundle: Bundle, mode: Mode, measured: Measured) -> None:
    """Analyse a clip, and add what it gave."""
    analyzer = Analyzer(bundle, settings=AnalyzerSettings(mode=mode))
    moments: list[Moment] = []
    waiting: list[float] = []  # times of pictures that no moment counts yet
    began = time.process_time()
    with open_media(clip.path) as media:
        for packet in media:
            if isinstance(packet, Frame):
                waiting.append(packet.time_s)
            clock = time.perf_counter()
            made = analyzer.push(packet)
            spent_s = time.perf_counter() - clock
            for moment in made:
                # a network of clips may have said what it says some pictures ago
                seen = [scores.end_s for name, scores in moment.by_modality.items() if name in ("face", "clip")]
                newest_s = min(seen, default=-math.inf) + 1e-6
                measured.delays_s += [packet.time_s - t + spent_s for t in waiting if t <= newest_s]
                waiting = [t for t in waiting if t > newest_s]
            moments += made
        moments += analyzer.flush()
    measured.cpu_s += time.process_time() - began
    fused = [moment for moment in moments if moment.fused is not None]
    measured.stream_s += moments[-1].time_s
    measured.n_changes += sum(a.fused.label != b.fused.label for a, b in pairwise(fused) if a.fused and b.fused)
    wanted = bundle.labels[int(mapping_matrix((clip.emotion,), bundle.labels)[0].argmax())]
    measured.n_moments += len(fused)
    measured.n_right += sum(moment.fused.label == wanted for moment in fused if moment.fused)
    mean = np.mean([moment.fused.probabilities for moment in fused if moment.fused], axis=0)
    measured.n_clips += 1
    measured.n_clips_right += bundle.labels[int(mean.argmax())] == wanted


def row(name: str, mode: Mode, measured: Measured) -> str:
    """Return a line of the table."""
    low, high = 1000 * np.percentile(measured.delays_s, [50, 95])
    cells = [
        f"`{name}`",
        mode,
        f"{measured.cpu_s / measured.stream_s:.2f}",
        f"{low:.0f} / {high:.0f}",
        f"{60 * measured.n_changes / measured.stream_s:.0f}",
        f"{measured.n_right / measured.n_moments:.0%}",
        f"{measured.n_clips_right} of {measured.n_clips}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
