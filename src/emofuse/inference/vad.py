"""Whether somebody speaks, so that silence is not scored as an emotion: Silero's network, which ships with the
package."""

from __future__ import annotations

from collections import deque
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emofuse.errors import AssetError, BundleError
from emofuse.inference.onnx_runtime import open_session
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.provenance import ModelFile
from emofuse.reading import file_hash
from emofuse.types import AudioBlock

SILERO: Final = Path(__file__).parents[1] / "detectors" / "silero_vad_16k.onnx"
CHUNK: Final = 512  # samples that Silero scores, after CONTEXT samples of the chunk before
CONTEXT: Final = 64
# Silero's own defaults (https://github.com/snakers4/silero-vad): speech begins over ON and ends under OFF.
ON: Final = 0.5
OFF: Final = ON - 0.15
_KEPT_S: Final = 60.0  # no network has a longer window
_MOST_WAITING: Final = 32 * CHUNK  # samples, a second, that are kept until they are asked about


class SpeechDetector(Protocol):
    """Measures speech in one stream of sound. It is given every block, and is then asked about stretches of it."""

    def push(self, block: AudioBlock) -> None:
        """Take the next block of the stream, at 16 kHz; blocks come in the order of time."""
        ...

    def spoken_s(self, samples: NDArray[np.float32], end_s: float) -> float:
        """Return the seconds of speech in (T,) samples at 16 kHz of what was heard, which end at `end_s`."""
        ...


class SileroNetwork:
    """Silero VAD (2021, https://github.com/snakers4/silero-vad, MIT), loaded once and shared by all streams.

    path: the ONNX file, by default the one that ships, which `scripts/make_speech_detector.py` makes of Silero's own.
    Raises AssetError for a file that is not it.
    """

    def __init__(self, path: Path = SILERO) -> None:
        try:
            self._session = open_session(path)  # one thread: half a second of sound takes about a millisecond
        except BundleError as error:
            raise AssetError(f"{path} is not a network that can be run") from error
        if {one.name for one in self._session.get_inputs()} != {"chunks", "state"}:
            raise AssetError(f"{path} is not Silero's voice activity network as it ships")
        self.model_file = ModelFile("speech detector", path.name, file_hash(path))

    def run(
        self, chunks: NDArray[np.float32], state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score chunks that follow one another.

        Args:
            chunks: (N, CONTEXT + CHUNK), each with the end of the one before.
            state: (2, 1, 128) after the chunk before them.

        Returns:
            (N,) how likely speech is in each, and the state after them.
        """
        outputs: list[Any] = self._session.run(None, {"chunks": chunks, "state": state})
        return outputs[0], outputs[1]


def chunks_of(heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut sound into what Silero scores.

    Args:
        heard: (CONTEXT + T,) samples at 16 kHz, the first of them from before the first chunk.

    Returns:
        (T // CHUNK, CONTEXT + CHUNK): each chunk after the end of the one before.
    """
    n = max(len(heard) - CONTEXT, 0) // CHUNK
    if not n:
        return np.zeros((0, CONTEXT + CHUNK), np.float32)
    return np.ascontiguousarray(sliding_window_view(heard, CONTEXT + CHUNK)[: n * CHUNK : CHUNK])


@cache
def silero_network() -> SileroNetwork:
    """Return the network that ships, loaded at the first call."""
    return SileroNetwork()


class SileroDetector:
    """Runs Silero along one stream, in chunks of 32 ms; a chunk counts once it has been heard to its end.

    So a moment rests on nothing later, and neither the size of the blocks nor when it is asked makes a difference: what
    was heard is scored when somebody asks, all at once. A gap in the sound begins anew. network: by default the one
    that ships.
    """

    def __init__(self, network: SileroNetwork | None = None) -> None:
        self._network = network or silero_network()
        self.model_file = self._network.model_file
        self._chunks: deque[tuple[int, bool]] = deque(maxlen=round(_KEPT_S * RATE_HZ / CHUNK))  # end index, is speech
        self._end = 0  # index on the stream's clock, time * RATE_HZ, after the last sample heard
        self._state, self._waiting, self._speaks = self._fresh()

    def push(self, block: AudioBlock) -> None:
        """See SpeechDetector. What overlaps the sound heard already is skipped, as in SoundBuffer."""
        start, samples = round(block.time_s * RATE_HZ), block.samples
        if start > self._end:
            self._score()
            self._state, self._waiting, self._speaks = self._fresh()
            self._end = start
        samples = samples[self._end - start :]
        self._end += len(samples)
        self._waiting = np.concatenate([self._waiting, samples])
        if len(self._waiting) >= _MOST_WAITING:
            self._score()

    def spoken_s(self, samples: NDArray[np.float32], end_s: float) -> float:
        """See SpeechDetector: the chunks of speech that lie in the stretch, to the nearest 32 ms."""
        self._score()
        end = round(end_s * RATE_HZ)
        start = end - len(samples)
        n_chunks = sum(1 for chunk_end, speaks in self._chunks if speaks and start < chunk_end <= end)
        return min(n_chunks * CHUNK, len(samples)) / RATE_HZ

    def chunks_after(self, index: int) -> list[tuple[int, bool]]:
        """Return the chunks that end after an index: where each ends, on the same clock, and whether it is speech."""
        self._score()
        return [(end, speaks) for end, speaks in self._chunks if end > index]

    def _score(self) -> None:
        """Score what is complete of what waits."""
        chunks = chunks_of(self._waiting)
        if not len(chunks):
            return
        likely, self._state = self._network.run(chunks, self._state)
        first_end = self._end - len(self._waiting) + CONTEXT + CHUNK
        for i, probability in enumerate(likely.tolist()):
            self._speaks = probability >= (OFF if self._speaks else ON)
            self._chunks.append((first_end + i * CHUNK, self._speaks))
        self._waiting = self._waiting[len(chunks) * CHUNK :]

    def _fresh(self) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
        """Return the state, the last CONTEXT samples heard with those after them, and whether somebody speaks."""
        return np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), False


def speech_in(samples: NDArray[np.float32]) -> float:
    """Return the seconds of speech in (T,) float32 samples at 16 kHz, of at most a minute."""
    detector = SileroDetector()
    detector.push(AudioBlock(samples, RATE_HZ, 0.0))
    return detector.spoken_s(samples, len(samples) / RATE_HZ)
