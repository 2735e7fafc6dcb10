"""A look at a sound track, from a few places: enough to tell whether somebody speaks in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from emofuse.media import _container, _sound
from emofuse.media._container import LIBRARY_ERRORS, Damage

RATE_HZ: Final = 16_000  # what Silero scores
Samples = NDArray[np.float32]  # (T,)
_N_PLACES: Final = 4
_LOOK_S: Final = 10.0  # at each


def listen(path: str | os.PathLike[str], index: int, length_s: float, start_s: float) -> Samples:
    """Return (T,) float32 at 16 kHz of a stream: all of a short one, of a longer one 10 s from each of four places.

    length_s: of the recording. Raises MediaError where it cannot be opened.
    """
    is_short = length_s <= _N_PLACES * _LOOK_S
    places = [0.0] if is_short else [length_s * i / _N_PLACES for i in range(_N_PLACES)]
    found: list[Samples] = []
    with _container.open_container(path) as container:
        stream = container.streams[index]
        assert isinstance(stream, AudioStream)
        _container.discard_other_streams(container, stream)
        for place_s in places:
            if place_s:
                try:
                    container.seek(int((start_s + place_s) * 1_000_000))
                except LIBRARY_ERRORS:
                    break
            most_s = _N_PLACES * _LOOK_S if is_short else _LOOK_S
            decoded = _container.decode_audio(container, stream, Damage("sound"))
            part = _stretch(decoded, start_s + place_s, most_s)
            found += [block.samples for block in _sound.blocks(part, 0.0, RATE_HZ, Damage("sound"))]
    return np.concatenate([np.zeros(0, np.float32), *found])


def _stretch(decoded: Iterator[AudioFrame], from_s: float, most_s: float) -> Iterator[AudioFrame]:
    """Yield so much sound from a time on: a search ends at an entry of the index before it."""
    length_s = 0.0
    for frame in decoded:
        if (_container.seconds(frame) or from_s) < from_s - 0.1:
            continue
        yield frame
        length_s += frame.samples / frame.sample_rate
        if length_s >= most_s:
            return
