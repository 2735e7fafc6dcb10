"""What many recordings cost: processor time and seconds from 1 to 64 of them, and for a thousand hours.

    python benchmarks/scale.py --jobs 2

Processor time hardly depends on what else the machine does; seconds do. The recordings are copies of one clip.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from emofuse.cli.demo import CLIP
from emofuse.media import probe


def cost(clip: Path, n_recordings: int, options: list[str]) -> tuple[float, float]:
    """Analyse so many copies of a clip; return the processor time of all processes, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as scratch:
        recordings = Path(scratch) / "in"
        recordings.mkdir()
        for i in range(n_recordings):
            shutil.copy(clip, recordings / f"{i:04}{clip.suffix}")
        before, began = _processor_s(), time.monotonic()
        command = [sys.executable, "-m", "emofuse", "analyze", recordings, "-o", Path(scratch) / "out", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return _processor_s() - before, time.monotonic() - began


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, and print a table, the straight line through it, and what it comes to for a thousand hours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--most", type=int, default=64, help="recordings")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--formats", default="json,csv")
    asked = parser.parse_args()
    length_s = probe(asked.clip).duration_s or 0.0
    counts = [2**i for i in range(asked.most.bit_length()) if 2**i <= asked.most]
    options = ["--jobs", str(asked.jobs), "--formats", asked.formats]
    print(f"{asked.clip.name}: {length_s:.1f} s each, --jobs {asked.jobs} --formats {asked.formats}\n")
    print("| recordings | processor time | of each | seconds |\n|---:|---:|---:|---:|")
    processor = []
    for n in counts:
        used_s, took_s = cost(asked.clip, n, options)
        processor.append(used_s)
        print(f"| {n} | {used_s:.1f} s | {used_s / n:.2f} s | {took_s:.1f} |", flush=True)
    if len(counts) < 3:
        return
    each_s, fixed_s = np.polyfit(counts, processor, 1)
    off = np.abs(np.polyval((each_s, fixed_s), counts) / processor - 1)
    print(
        f"\na straight line: {fixed_s:.1f} s, and {each_s:.2f} s for each; off by {100 * off[2:].max():.0f} % at most"
    )
    hours = 1000 * each_s / length_s
    print(f"a thousand hours: {hours:.0f} hours of one core, {hours / 16:.0f} of 16, {hours / 64:.1f} of 64")


if __name__ == "__main__":
    main()
