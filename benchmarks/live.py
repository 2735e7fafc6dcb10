"""Measure live analysis: a 640 x 480 camera at 30 pictures a second with a microphone, played from memory.

    python benchmarks/live.py [--seconds 60] [--slow-ms 0]

Each row comes from a process of its own, whose models are loaded before its clock starts. The delay is measured from
outside the session: from when a picture was due to when its moment (in queue mode: that of its hop) is there, so it
holds late arrival, waiting and computing. CPU is seconds of it for a second of the stream. --slow-ms makes every
picture take so much longer, to see what is dropped. Memory is the process's peak as Linux gives it, with 55 MB of
pictures that are played. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from emofuse.cli.demo import CLIP
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.live import LiveSession
from emofuse.inference.smoothing import Smoother
from emofuse.media import open_media
from emofuse.outputs.live_chart import LivePainter
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock, Frame, Moment, Packet

SIZE: Final = (640, 480)
RATE: Final = 30.0
N_PICTURES: Final = 60
BLOCK: Final = 512  # samples
ROWS: Final = (("frame", False), ("frame", True), ("queue", False))  # mode, and whether it is drawn too


class Device:
    """A camera or a microphone that plays from memory, over and over, at its pace."""

    stall_s = None

    def __init__(self, name: str, items: list[np.ndarray], period_s: float, began_s: float) -> None:
        self.name, self.has_audio = name, name == "microphone"
        self._items, self._period_s, self._began_s = items, period_s, began_s
        self._closed = threading.Event()

    def packets(self) -> Iterator[Packet]:
        i = 0
        while not self._closed.is_set():
            time_s = i * self._period_s
            # a block of sound is there when it has been heard to its end
            due_s = self._began_s + time_s + (self._period_s if self.has_audio else 0.0)
            time.sleep(max(due_s - time.monotonic(), 0.0))
            item = self._items[i % len(self._items)]
            yield AudioBlock(item, RATE_HZ, time_s) if self.has_audio else Frame(item.copy(), time_s)
            i += 1

    def close(self) -> None:
        self._closed.set()


class SlowAnalyzer(Analyzer):
    """Takes `slow_s` longer for every picture."""

    slow_s = 0.0

    def push(self, packet: Any) -> list[Moment]:
        if isinstance(packet, Frame):
            time.sleep(self.slow_s)
        return super().push(packet)


def played() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the demo clip's pictures at SIZE, and its sound in blocks."""
    pictures: list[np.ndarray] = []
    stretches: list[np.ndarray] = []
    with open_media(CLIP) as media:
        for packet in media:
            if isinstance(packet, AudioBlock):
                stretches.append(packet.samples)
            elif len(pictures) < N_PICTURES:
                pictures.append(cv2.resize(packet.image, SIZE).astype(np.uint8))
    sound = np.concatenate(stretches)
    return pictures, [sound[i : i + BLOCK] for i in range(0, len(sound) - BLOCK, BLOCK)]


def measure(mode: str, is_drawn: bool, seconds: float, slow_s: float) -> dict[str, float]:
    """Run a session for so long, and return its figures."""
    bundle = load_bundle()
    analyzer = SlowAnalyzer(bundle, settings=AnalyzerSettings(mode=mode))
    analyzer.slow_s = slow_s
    pictures, blocks = played()
    painter = LivePainter(bundle.labels)
    delays: list[float] = []
    began_s = time.monotonic() + 0.2
    cpu_s = time.process_time()
    devices = [Device("camera", pictures, 1 / RATE, began_s), Device("microphone", blocks, BLOCK / RATE_HZ, began_s)]
    with LiveSession(analyzer, *devices, smoother=Smoother()) as session:
        for update in session:
            now_s = time.monotonic()
            delays += [now_s - began_s - moment.time_s for moment in update.moments]
            if is_drawn and update.frame is not None and update.view is not None:
                for moment in update.steady:
                    painter.chart.push(moment)
                painter.paint(update.frame.image, update.view)
            if now_s - began_s > seconds:
                break
    stats = session.stats()
    steady = delays[len(delays) // 20 :]  # the first answers warm the networks up
    return {
        "moments_per_s": len(delays) / seconds,
        "median_ms": 1000 * float(np.median(steady)),
        "p95_ms": 1000 * float(np.percentile(steady, 95)),
        "max_ms": 1000 * max(steady),
        "dropped": 100 * stats.n_dropped / stats.n_frames,
        "sound_s": stats.sound_s,
        "cpu": (time.process_time() - cpu_s) / seconds,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Return the most memory the process has had; VmHWM is its own, getrusage would count the parent's too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="that each picture takes longer")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        mode, is_drawn = json.loads(arguments.here)
        print(json.dumps(measure(mode, is_drawn, arguments.seconds, arguments.slow_ms / 1000)))
        return
    load = os.getloadavg()[0]
    title = f"{SIZE[0]} x {SIZE[1]} at {RATE:.0f} a second with sound, {os.cpu_count()} cores, load {load:.1f}"
    table = Table("mode", "moments/s", "delay", "95 %", "largest", "dropped", "CPU", "memory", title=title)
    for row in ROWS:
        options = ["--seconds", str(arguments.seconds), "--slow-ms", str(arguments.slow_ms), "--here", json.dumps(row)]
        done = subprocess.run([sys.executable, __file__, *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        got = json.loads(done.stdout.splitlines()[-1])
        table.add_row(
            f"{row[0]}{', drawn' if row[1] else ''}",
            f"{got['moments_per_s']:.1f}",
            *(f"{got[key]:.0f} ms" for key in ("median_ms", "p95_ms", "max_ms")),
            f"{got['dropped']:.1f} %",
            f"{got['cpu']:.2f} s/s",
            f"{got['peak_mb']:.0f} MB",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
