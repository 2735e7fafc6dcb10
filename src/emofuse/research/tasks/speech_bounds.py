"""Where the speech in a clip begins and ends, by the detector that an analysis uses."""

from __future__ import annotations

from functools import cache
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from emofuse.inference.vad import CHUNK, CONTEXT, OFF, ON, SILERO, SileroNetwork, chunks_of
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.manifest import Clip
from emofuse.research.models.frontends import RATE_HZ

_AT_ONCE: Final = 256  # chunks, eight seconds: memory does not grow with the clip
MARGIN_S: Final = 0.1  # kept on each side of the speech
LOUD_PEAK: Final = 0.3  # to which fainter clips are raised: the detector misses what is faint


def cut_to_speech(clip: Clip, decoded: NDArray[np.int16], cache: FeatureCache) -> NDArray[np.int16]:
    """Return the part of a clip from a little before its speech to a little after it; all of it where there is none.

    decoded: (T,) int16 at RATE_HZ. What was found once comes from the cache.
    """
    key = {"what": "speech bounds", "start_s": clip.start_s, "end_s": clip.end_s, "decoder": av.__version__}
    start, end = cache.get(clip.sound_file, key, lambda: np.array(speech_bounds(decoded), dtype=np.int64)).tolist()
    margin = round(MARGIN_S * RATE_HZ)
    return decoded[max(0, start - margin) : end + margin]


def speech_bounds(samples: NDArray[np.int16]) -> tuple[int, int]:
    """Return where speech begins and ends in (T,) samples at RATE_HZ, to the nearest 32 ms; (0, T) where none is."""
    sound = samples.astype(np.float32) / 32768.0
    peak = float(np.abs(sound).max(initial=0.0))
    if 0.0 < peak < LOUD_PEAK:
        sound = sound * np.float32(LOUD_PEAK / peak)
    chunks = chunks_of(np.concatenate([np.zeros(CONTEXT, np.float32), sound]))
    state, speaks = np.zeros((2, 1, 128), np.float32), False
    spoken: list[int] = []
    for first in range(0, len(chunks), _AT_ONCE):
        likely, state = _network().run(chunks[first : first + _AT_ONCE], state)
        for i, probability in enumerate(likely.tolist(), first):
            speaks = probability >= (OFF if speaks else ON)
            if speaks:
                spoken.append(i * CHUNK)
    return (spoken[0], spoken[-1] + CHUNK) if spoken else (0, len(samples))


@cache
def _network() -> SileroNetwork:
    return SileroNetwork(SILERO)
