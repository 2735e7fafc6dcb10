"""Measure emofuse as a user meets it: start-up, speed beside the decoder's and the encoder's own, memory, networks.

    python benchmarks/pipeline.py [--clip FILE] [--rounds 3] [--hours 2] [--markdown FILE]

Without a clip, the demo clip is scaled to 1280 x 720 and repeated to 10 s. As machines differ, and one machine from
minute to minute, speed is a ratio: in every round the file is decoded to RGB, nothing else, then analysed in each way,
and the ratio is taken within the round; the table has the median over the rounds. Likewise the annotated MP4 is held
against x264 alone, with the same settings, on the same pictures. Each figure comes from a process of its own; models
are loaded before its clock starts, except for the start-up itself. Run it on an idle machine. --hours also analyses a
made recording of so many hours, for its memory. Memory is read as Linux gives it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import numpy as np
from rich.console import Console
from rich.table import Table

SIZE = (1280, 720)
LONGER = 20  # times, for the check that memory does not grow with the file
FAST: Final = {"every": 2, "detect_period_s": 0.5, "face_period_s": 0.25}
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
    "decode": """
import time, sys, av
from av.video.reformatter import VideoReformatter
t, cpu = time.perf_counter(), time.process_time()
with av.open(sys.argv[1]) as source:
    stream, converter = source.streams.video[0], VideoReformatter()
    stream.thread_type = "AUTO"
    for frame in source.decode(stream):
        converter.reformat(frame, format="rgb24").to_ndarray()
result = {"seconds": time.perf_counter() - t, "cpu": time.process_time() - cpu}
""",
    "encode": """
import time, sys, os, av, tempfile
from emofuse.media.writer import CRF, PRESET
with av.open(sys.argv[1]) as source:
    stream = source.streams.video[0]
    rate, size = stream.average_rate, (stream.width, stream.height)
    pictures = [frame.reformat(format="yuv420p") for frame in source.decode(stream)]
with tempfile.TemporaryDirectory() as folder, av.open(os.path.join(folder, "x.mp4"), "w") as out:
    t, cpu = time.perf_counter(), time.process_time()
    stream = out.add_stream("libx264", rate=rate, options={"preset": PRESET, "crf": str(CRF)})
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.thread_type = "FRAME"
    for i, picture in enumerate(pictures):
        picture.pts, picture.time_base = i, 1 / rate
        out.mux(stream.encode(picture))
    out.mux(stream.encode(None))
    seconds, cpu = time.perf_counter() - t, time.process_time() - cpu
result = {"seconds": seconds, "cpu": cpu}
""",
    "analyse": """
import time, sys, tempfile
from pathlib import Path
from emofuse.threads import share_cores
from emofuse.recordings.plan import Task
from emofuse.recordings.one import Options, analyze_recording
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
import json
share_cores()
clip, formats, settings = Path(sys.argv[1]), tuple(sys.argv[2].split(",")), json.loads(sys.argv[3])
bundle = load_bundle()
Analyzer(bundle)  # the detectors are loaded, too
with tempfile.TemporaryDirectory() as out:
    t, cpu = time.perf_counter(), time.process_time()
    options = Options(formats, AnalyzerSettings(**settings))
    outcome = analyze_recording(Task(clip, Path(out) / "clip"), options, bundle)
    seconds, cpu = time.perf_counter() - t, time.process_time() - cpu
assert outcome.timeline, outcome.failure
result = {"seconds": seconds, "cpu": cpu}
""",
    "first": """
import time, sys
import emofuse
from emofuse.media import open_media
from emofuse.inference.session import read_ahead
pipeline = emofuse.Pipeline.load()
t = time.perf_counter()
stream = pipeline.stream()
with open_media(sys.argv[1]) as media, read_ahead(media) as packets:
    next(moment for packet in packets for moment in stream.push(packet))
result = {"seconds": time.perf_counter() - t}
""",
    "image": """
import time, sys, av
import emofuse
from emofuse.types import Frame
with av.open(sys.argv[1]) as source:
    image = next(source.decode(video=0)).to_ndarray(format="rgb24")
pipeline, times = emofuse.Pipeline.load(), []
for _ in range(40):
    t = time.perf_counter()
    (moment,) = pipeline.stream(mode="frame").push(Frame(image, 0.0))
    times.append(time.perf_counter() - t)
assert moment.faces
result = {"seconds": sorted(times)[len(times) // 2]}
""",
    "network": """
import time, sys
import numpy as np
from emofuse.inference.bundle import load_bundle
network = load_bundle().networks[sys.argv[1]]
size_px = network.card.input.size_px
shape = (1, 1, size_px, size_px) if sys.argv[1] == "face" else (1, 48000)
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


# What is measured in every round: name, target, formats, settings, and whose own rate it is held against.
WAYS: Final = (
    ("queue mode", "0.6", "json", {}, "decode"),
    ("frame mode", "0.45", "json", {"mode": "frame"}, "decode"),
    ("queue mode, a detection in every picture", "", "json", {"detect_period_s": 0}, "decode"),
    ("frame mode, a detection in every picture", "", "json", {"mode": "frame", "detect_period_s": 0}, "decode"),
    ("queue mode, --every 2", "", "json", {"every": 2}, "decode"),
    ("queue mode, --fast", "", "json", FAST, "decode"),
    ("frame mode, --fast", "", "json", {"mode": "frame", **FAST}, "decode"),
    ("queue mode with the annotated MP4", "0.8", "json,mp4", {}, "encode"),
    ("frame mode with the annotated MP4", "0.8", "json,mp4", {"mode": "frame"}, "encode"),
)


@dataclass(slots=True)
class Way:
    """What was measured of one way to analyse, round by round."""

    ratios: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def add(self, found: dict[str, float], alone: Way | None = None) -> None:
        """Take what a probe measured, and what it is held against."""
        self.seconds.append(found["seconds"])
        self.cpu_s.append(found["cpu"])
        self.peak_mb = max(self.peak_mb, found["peak_mb"])
        if alone is not None:
            self.ratios.append(alone.seconds[-1] / found["seconds"])

    def rate(self, n_frames: int) -> str:
        """Return pictures a second, and milliseconds of CPU for one, which other load hardly changes."""
        rate, cpu_ms = n_frames / statistics.median(self.seconds), 1e3 * statistics.median(self.cpu_s) / n_frames
        return f"{rate:.0f} pictures/s, {cpu_ms:.1f} ms of CPU each"


def measure(clip: Path, n_rounds: int) -> tuple[dict[str, Way], dict[str, Way]]:
    """Run everything in turn, n_rounds times: what each way gave, and the decoder and the encoder alone."""
    ways = {name: Way() for name, *_ in WAYS}
    alone = {"decode": Way(), "encode": Way()}
    for _ in range(n_rounds):
        for kind, way in alone.items():
            way.add(probe(kind, clip))
        for name, _, formats, settings, kind in WAYS:
            ways[name].add(probe("analyse", clip, formats, json.dumps(settings)), alone[kind])
    return ways, alone


def rows(clip: Path, n_rounds: int, hours: float, is_made: bool) -> Iterator[tuple[str, str, str]]:
    """Yield what was measured, how much it is, and the target."""
    start = min(probe("start")["seconds"] for _ in range(3))
    yield "import and model loading", f"{start:.2f} s", "0.4 s"
    yield "first moment of a file", f"{min(probe('first', clip)['seconds'] for _ in range(3)):.2f} s", "0.6 s"
    yield "one image, warm pipeline", f"{1e3 * min(probe('image', clip)['seconds'] for _ in range(3)):.1f} ms", "12 ms"
    n_frames = count_frames(clip)
    ways, alone = measure(clip, n_rounds)
    for kind, what in (("decode", "decoding to RGB alone"), ("encode", "x264 alone")):
        yield what, alone[kind].rate(n_frames), ""
    for name, target, formats, _, kind in WAYS:
        way = ways[name]
        ratio = statistics.median(way.ratios)
        yield name, f"{ratio:.2f} of {'decoding' if kind == 'decode' else 'x264'} ({way.rate(n_frames)})", target
        yield "  peak memory", f"{way.peak_mb:.0f} MB", "400 MB" if "mp4" in formats else "300 MB"
    if is_made:
        lengths = [10.0 * LONGER, *([3600 * hours] if hours else [])]
        for seconds in lengths:
            make_clip(clip, seconds)
            for formats, target in (("json", "300 MB"), ("json,mp4", "400 MB")):
                found = probe("analyse", clip, formats, "{}")
                what = f"queue mode, {formats}, {seconds / 60:.0f} minutes: peak memory"
                yield what, f"{found['peak_mb']:.0f} MB, in {found['seconds']:.0f} s", target
    for name in ("face", "voice"):
        values = probe("network", name)
        what = f"{name} network, one {'face' if name == 'face' else '3 s window'}, one thread"
        yield what, f"{values['median_ms']:.2f} ms (best {values['best_ms']:.2f})", ""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a clip of your own")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--hours", type=float, default=0.0, help="of a made recording, for its memory")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    arguments = parser.parse_args()
    table = Table("what", "measured", "target", title=f"emofuse on {os.cpu_count()} cores")
    lines = ["| what | measured | target |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        clip = arguments.clip or Path(folder) / "clip.mp4"
        if not arguments.clip:
            make_clip(clip, 10.0)
        for row in rows(clip, arguments.rounds, arguments.hours, is_made=not arguments.clip):
            table.add_row(*row)
            lines.append(f"| {' | '.join(cell.strip() for cell in row)} |")
    Console().print(table)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
