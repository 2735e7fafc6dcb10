"""Measure emofuse as a user meets it: start-up, frames a second, memory, and one network at a time.

    python benchmarks/pipeline.py [--clip FILE]

Without a clip, the demo clip is scaled to 1280 x 720 and repeated to 10 s. Each figure comes from a process of its
own; models are loaded before its clock starts, except for the start-up itself. Run it on an idle machine. Memory is
read as Linux gives it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
from rich.console import Console
from rich.table import Table

SIZE = (1280, 720)
LONGER = 20  # times, for the check that memory does not grow with the file
PROBES = {
    "start": """
import time, sys
t = time.perf_counter()
import emofuse
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import load_bundle
from emofuse.media import open_media
Analyzer(load_bundle())
result = {"seconds": time.perf_counter() - t}
""",
    "analyse": """
import time, sys, tempfile
from pathlib import Path
from emofuse.recordings.plan import Task
from emofuse.recordings.one import Options, analyze_recording
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.inference.bundle import load_bundle
clip, mode, formats = Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3].split(","))
bundle = load_bundle()
with tempfile.TemporaryDirectory() as out:
    t = time.perf_counter()
    options = Options(formats, AnalyzerSettings(mode=mode))
    outcome = analyze_recording(Task(clip, Path(out) / "clip"), options, bundle)
    seconds = time.perf_counter() - t
assert outcome.timeline, outcome.failure
result = {"seconds": seconds}
""",
    "network": """
import time, sys
import numpy as np
from emofuse.inference.bundle import load_bundle
network = load_bundle().networks[sys.argv[1]]
shape = (1, 1, 48, 48) if sys.argv[1] == "face" else (1, 48000)
x = np.random.default_rng(0).random(shape).astype(np.float32)
times = []
for _ in range(300):
    t = time.perf_counter(); network.logits(x); times.append(time.perf_counter() - t)
times = sorted(times[50:])
result = {"median_ms": 1e3 * times[len(times) // 2], "best_ms": 1e3 * times[0]}
""",
}
# VmHWM belongs to the program; getrusage would also count the parent, which the process was forked from.
TAIL = """
import json
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({**result, "peak_mb": int(peak.split()[1]) / 1024}))
"""


def probe(name: str, *arguments: object) -> dict[str, float]:
    """Run one of PROBES in a fresh process and return what it measured."""
    call = [sys.executable, "-c", PROBES[name] + TAIL, *(str(a) for a in arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    if done.stderr.strip():
        print(done.stderr.strip(), file=sys.stderr)
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def make_clip(path: Path, seconds: float) -> int:
    """Write the demo clip scaled to SIZE, forwards again and again, with its sound. Returns the number of frames."""
    from emofuse.cli.demo import CLIP

    with av.open(str(CLIP)) as source:
        rate = source.streams.video[0].average_rate
        pictures = [f.reformat(*SIZE, format="yuv420p") for f in source.decode(video=0)]
    with av.open(str(CLIP)) as source:
        sound_rate = source.streams.audio[0].rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sound_rate)
        sound = np.concatenate([o.to_ndarray() for f in source.decode(audio=0) for o in resampler.resample(f)], axis=1)
    n_frames = round(seconds * rate)
    n_samples = round(seconds * sound_rate)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = out.add_stream("aac", rate=sound_rate, layout="mono")
        for i in range(n_frames):
            picture = pictures[i % len(pictures)]
            picture.pts, picture.time_base = i, 1 / rate
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        for start in range(0, n_samples, 1024):
            block = np.take(sound, range(start, min(start + 1024, n_samples)), axis=1, mode="wrap")
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="mono")
            frame.rate, frame.pts = sound_rate, start
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return n_frames


def count_frames(path: Path) -> int:
    """Count the pictures of a recording by decoding it."""
    with av.open(str(path)) as source:
        return sum(1 for _ in source.decode(video=0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a clip of your own")
    arguments = parser.parse_args()
    table = Table("what", "measured", "target", title=f"emofuse on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        clip = arguments.clip or Path(folder) / "clip.mp4"
        n_frames = count_frames(clip) if arguments.clip else make_clip(clip, 10.0)
        start = min((probe("start") for _ in range(3)), key=lambda p: p["seconds"])
        table.add_row("import and model loading", f"{start['seconds']:.2f} s", "1.5 s")
        for mode in ("queue", "frame"):
            for formats, target in (("json", "75"), ("json,mp4", "45")):
                best = min((probe("analyse", clip, mode, formats) for _ in range(2)), key=lambda p: p["seconds"])
                what = f"{mode} mode, {'with' if 'mp4' in formats else 'without'} the annotated MP4"
                table.add_row(what, f"{n_frames / best['seconds']:.0f} frames/s", f"{target} frames/s")
                table.add_row("  peak memory", f"{best['peak_mb']:.0f} MB", "500 MB")
        if not arguments.clip:
            make_clip(clip, 10.0 * LONGER)
            longer = probe("analyse", clip, "queue", "json,mp4")
            table.add_row(
                f"queue mode, MP4, {LONGER} times as long: peak memory", f"{longer['peak_mb']:.0f} MB", "no more"
            )
        for name, target in (("face", "1.5 ms"), ("voice", "")):
            values = probe("network", name)
            what = f"{name} network, one {'face' if name == 'face' else '3 s window'}, one thread"
            table.add_row(what, f"{values['median_ms']:.2f} ms (best {values['best_ms']:.2f})", target)
    Console().print(table)


if __name__ == "__main__":
    main()
