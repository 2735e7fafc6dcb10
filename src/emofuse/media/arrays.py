"""Pictures and sound that are in memory already, in whatever form: made what packets hold, or refused by name."""

from __future__ import annotations

import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.types import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_CHANNELS

Channels = Literal["rgb", "bgr"]

_CHANNELS: Final = (1, 3, 4)  # grey, colours, and colours with alpha
_LOUDEST: Final = 8.0  # of float samples, whose full scale is 1: decoders go a little beyond it, never so far
_MOST_MISSING: Final = 0.01  # of samples that are no number; fewer are silence


class Pixels:
    """One picture or several of one size, of any kind of number.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or the same with T before it. Bytes, other whole numbers from
            0 to 255 or of 16 bits, floats from 0 to 1 or from 0 to 255, or truth values.
        name: What errors call it.
        channels: "bgr" where blue comes first, as OpenCV has it.
        n_dims: 3 for one picture, 4 for several.

    Raises:
        UsageError: It is none of these: empty, NaN, negative, or of another shape.

    Example:
        >>> Pixels(np.full((2, 2), 0.5)).rgb()[0, 0]
        array([128, 128, 128], dtype=uint8)
    """

    def __init__(self, array: Any, name: str = "the picture", channels: Channels = "rgb", n_dims: int = 3) -> None:
        pixels = np.asarray(array)
        if pixels.dtype.kind not in "buif":
            raise UsageError(f"{name}: pixels are numbers, not {pixels.dtype}", _PIXELS_HINT)
        if pixels.ndim == n_dims - 1:
            pixels = pixels[..., None]
        if pixels.ndim != n_dims or pixels.shape[-1] not in _CHANNELS:
            first_is_colour = pixels.ndim == n_dims and pixels.shape[n_dims - 3] in _CHANNELS
            turn = "(0, 2, 3, 1)" if n_dims == 4 else "(1, 2, 0)"
            hint = f"colours come last: array.transpose{turn}" if first_is_colour else _PIXELS_HINT
            wanted = "(T, H, W, 3)" if n_dims == 4 else "(H, W, 3)"
            raise UsageError(f"{name}: {wanted} is expected, not {np.asarray(array).shape}", hint)
        if not pixels.size:
            raise UsageError(f"{name} is empty: {np.asarray(array).shape}", _PIXELS_HINT)
        self._pixels, self._channels = pixels, channels
        self._factor = _factor(pixels, name)

    def __len__(self) -> int:
        return len(self._pixels)

    def rgb(self, index: int | None = None) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB of one picture, by its number where there are several; transparent is white."""
        pixels = self._pixels if index is None else self._pixels[index]
        if self._factor != 1.0 or pixels.dtype != np.uint8:
            pixels = np.rint(pixels.astype(np.float32) * self._factor).astype(np.uint8)
        if pixels.shape[-1] == 4:
            alpha = pixels[..., 3:].astype(np.float32) / 255
            pixels = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
        if pixels.shape[-1] == 1:
            pixels = np.repeat(pixels, 3, axis=-1)
        return np.ascontiguousarray(pixels[..., ::-1] if self._channels == "bgr" else pixels)


_PIXELS_HINT: Final = "(H, W, 3) RGB, as bytes from 0 to 255 or floats from 0 to 1"


def _factor(pixels: NDArray[Any], name: str) -> float:
    """Return what makes the values bytes. It is one for all pictures of a film, so that a dark one stays dark."""
    kind = pixels.dtype
    if kind == np.uint8:
        return 1.0
    if kind == np.bool_:
        return 255.0
    if kind == np.uint16:
        return 255 / 65_535
    least, most = float(pixels.min()), float(pixels.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise UsageError(f"{name} holds NaN or infinite values", _PIXELS_HINT)
    if least < 0 or most > 255:
        raise UsageError(f"{name}: values from {least:g} to {most:g} are no colours", _PIXELS_HINT)
    return 255.0 if kind.kind == "f" and most <= 1 else 1.0


def sound_of(array: Any, rate_hz: Any) -> tuple[NDArray[np.float32], int]:
    """Return sound as `AudioBlock` takes it.

    Args:
        array: (T,), (T, channels) or (channels, T), of at most 8 channels; float in [-1, 1], or PCM as int16, int32 or
            uint8.
        rate_hz: Samples a second.

    Returns:
        (T,) or (T, channels) float32 in [-1, 1], and the rate. A few values that are no number are silence.

    Raises:
        UsageError: It is empty, of another shape or type, or its float samples are integers in disguise.

    Example:
        >>> sound_of(np.array([0, 16_384, -32_768], np.int16), 8_000)
        (array([ 0. ,  0.5, -1. ], dtype=float32), 8000)
    """
    samples = np.asarray(array)
    if not (math.isfinite(rate_hz) and float(rate_hz).is_integer() and LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ):
        allowed = f"a whole number from {LOWEST_RATE_HZ:,} to {HIGHEST_RATE_HZ:,}"
        raise UsageError(f"{rate_hz} Hz is not a valid sample rate", f"give {allowed}")
    if samples.ndim == 2 and samples.shape[0] <= MOST_CHANNELS < samples.shape[1]:
        samples = samples.T
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > MOST_CHANNELS):
        raise UsageError(f"sound of shape {np.asarray(array).shape} is not valid", _SOUND_HINT)
    if not samples.size:
        raise UsageError(f"the sound is empty: {np.asarray(array).shape}", _SOUND_HINT)
    return np.ascontiguousarray(_as_float(samples)), int(rate_hz)


_SOUND_HINT: Final = f"(T,) or (T, channels), of at most {MOST_CHANNELS} channels: float in [-1, 1], int16 or int32"


def _as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    if samples.dtype in (np.int16, np.int32):
        return (samples / float(2 ** (8 * samples.dtype.itemsize - 1))).astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if samples.dtype.kind != "f":
        raise UsageError(f"samples of {samples.dtype}: their full scale is not known", _SOUND_HINT)
    is_number = np.isfinite(samples)
    missing = 1.0 - float(is_number.mean())
    if missing > _MOST_MISSING:
        raise UsageError(f"{missing:.0%} of the samples are NaN or infinite", "read the sound again")
    with np.errstate(over="ignore"):
        loud = np.where(is_number, samples, 0.0).astype(np.float32)
    peak = float(np.abs(loud).max())
    if peak > _LOUDEST:
        hint = "divide what was int16 by 32768, or give it as int16"
        raise UsageError(f"float samples go up to {peak:g}, and their full scale is 1", hint)
    return loud / np.float32(peak) if peak > 1.0 else loud
