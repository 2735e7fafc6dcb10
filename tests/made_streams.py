"""Streams made by hand for the tests of what is live: pictures, a voice, sources of them, and a clock that is set."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.vad import SileroNetwork
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.provenance import ModelFile
from emofuse.types import AudioBlock, Face, Frame, Packet


class Told:
    """Finds a face in every picture whose first pixel is not black."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        if not image[0, 0].any():
            return []
        return [Face(np.array([20, 20, 80, 90], np.float32), 0.9)]


class Loud:
    """Stands in for Silero: all that is louder than a hiss is speech."""

    def push(self, block: AudioBlock) -> None:
        pass

    def spoken_s(self, samples: NDArray[np.float32], end_s: float) -> float:
        size = RATE_HZ // 100
        frames = samples[: len(samples) // size * size].reshape(-1, size)
        return float(np.count_nonzero(np.sqrt((frames**2).mean(axis=1)) > 0.015)) * size / RATE_HZ


class LoudNetwork(SileroNetwork):
    """Stands in for Silero's network: a chunk is speech as much as its last sample; remembers what it was given."""

    def __init__(self) -> None:
        self.windows: list[NDArray[np.float32]] = []
        self.model_file = ModelFile("speech detector", "made up", "0" * 64)

    def run(
        self, chunks: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.windows += [window.copy() for window in chunks]
        return chunks[:, -1], state + 1


def picture(seed: int = 0) -> NDArray[np.uint8]:
    """Return noise of 100 x 100 in which Told finds a face."""
    image = np.random.default_rng(seed).integers(1, 255, (100, 100, 3), dtype=np.uint8)
    image[0, 0] = 255
    return image


def frames(n: int, rate: float = 25.0, start_s: float = 0.0) -> list[Packet]:
    """Return pictures, all the same one."""
    image = picture()
    return [Frame(image, start_s + i / rate) for i in range(n)]


def voice(seconds: float, start_s: float = 0.0, block_s: float = 0.064) -> list[Packet]:
    """Return blocks of eight harmonics of 130 Hz, which Loud takes for speech."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples = (0.05 * sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 9))).astype(np.float32)
    size = round(block_s * RATE_HZ)
    return [AudioBlock(samples[i : i + size], RATE_HZ, start_s + i / RATE_HZ) for i in range(0, len(samples), size)]


def merged(*streams: list[Packet]) -> list[Packet]:
    """Return packets in the order of time; of the same time, those of the first stream first."""
    return sorted((p for s in streams for p in s), key=lambda p: p.time_s)


class Given:
    """A source of the packets it is given; then it fails with `error`, hangs until closed, or ends."""

    def __init__(
        self,
        packets: Iterable[Packet],
        error: Exception | None = None,
        *,
        hangs: bool = False,
        stall_s: float | None = None,
        name: str = "given",
    ) -> None:
        self.name, self.has_audio, self.stall_s = name, True, stall_s
        self._packets, self._error, self._hangs = packets, error, hangs
        self.closed = threading.Event()

    def packets(self) -> Iterator[Packet]:
        yield from self._packets
        if self._hangs:
            self.closed.wait(10)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()


class SetClock:
    """A clock that stands still until it is set or slept by."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
