"""Measures who is told to speak, where one of two people side by side does (docs/people.md).

    python benchmarks/speakers.py DATA

Each clip of RAVDESS's fifth actor and of CREMA-D's first is shown with its sound beside the other actor, who is silent
(the first third of a second, forth and back), on either side; and the silent one alone under the same sound.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import load_bundle
from emofuse.media import open_media
from emofuse.types import OUT_OF_VIEW, AudioBlock, Frame, Packet

SIDE: Final = (240, 320)  # height, width of a half
N_SILENT: Final = 10  # pictures

Image = NDArray[np.uint8]


def main() -> None:
    """Print how the moments in which speech is heard are answered."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    actors = [
        [_read(p) for p in sorted(data.glob("ravdess_original/videos/Actor_05/*.mp4"))],
        [_read(p) for p in sorted(data.glob("cremad/videos/1001*.flv"))],
    ]
    found: dict[str, Counter[str]] = {"one of two speaks": Counter(), "who is in view is silent": Counter()}
    for clips, others in (actors, actors[::-1]):
        still = [packet.image for packet in others[0] if isinstance(packet, Frame)][:N_SILENT]
        for n, clip in enumerate(clips):
            found["one of two speaks"] += _answers(clip, still, is_left=n % 2 == 0)
            found["who is in view is silent"] += _answers(clip, still, is_left=None)
    print(json.dumps(found))


def _answers(clip: Sequence[Packet], still: Sequence[Image], is_left: bool | None) -> Counter[str]:
    """Count answers. is_left: on which side who speaks is; None: not in view."""
    analyzer, told, where = Analyzer(load_bundle("base")), Counter[str](), dict[int, float]()
    there_and_back = [*range(len(still)), *range(len(still) - 2, 0, -1)]
    n_frames = 0
    for packet in clip:
        if isinstance(packet, AudioBlock):
            analyzer.push(packet)
            continue
        silent = still[there_and_back[n_frames % len(there_and_back)]]
        n_frames += 1
        halves = [silent] if is_left is None else [packet.image, silent] if is_left else [silent, packet.image]
        analyzer.push(Frame(np.hstack([_fit(half) for half in halves]), packet.time_s))
        where |= {
            f.track_id: float(f.box_xyxy[0]) for f in analyzer.view(packet.time_s).faces if f.track_id is not None
        }
    analyzer.flush()
    for _, track_id in analyzer.take_speakers():
        if track_id == OUT_OF_VIEW:
            told["nobody in view"] += 1
        else:
            told["right" if is_left is not None and (where[track_id] < SIDE[1]) == is_left else "wrong"] += 1
    return told


def _fit(image: Image) -> Image:
    height, width = SIDE
    scale = max(height / image.shape[0], width / image.shape[1])
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])


def _read(path: Path) -> list[Packet]:
    with open_media(path) as media:
        return [Frame(_fit(p.image), p.time_s) if isinstance(p, Frame) else p for p in media]


if __name__ == "__main__":
    main()
