"""What is measured of an input beside its emotion: how well it could be seen, heard or read.

Each measure is a plain number with its unit in its name. `inference.certainty` lowers confidence by them.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.language import ENGLISH, share_of_small_words
from emofuse.preprocessing.tokens import normalise, split_words
from emofuse.types import Face

Measures = dict[str, float]

_FRAME: Final = round(0.025 * RATE_HZ)  # samples over which the level of a sound is measured
_HIGH_HZ: Final = 3_800  # above what a telephone carries
_QUIET: Final = 1e-10  # power, -100 dB
_CLIPPED: Final = 0.985  # of the highest sample, and more, is its flat top

# rows and columns of a crop about the places of `face.LANDMARKS`
_MOUTH: Final = np.s_[32:43, 14:34]
_EYES: Final = (np.s_[15:22, 9:20], np.s_[15:22, 28:39])
_MIDDLE: Final = np.s_[10:45, 8:40]


def measure_face(crop: NDArray[np.uint8], face: Face) -> Measures:
    """Measure how well a face could be seen.

    Args:
        crop: (48, 48) uint8 grey, as `features.face.crop_face` cuts it.
        face: Where it was found.

    Returns:
        size_octaves: log2 of the face's size in pixels. sharpness: deviation of the Laplacian over that of the grey
        levels, log2. light, contrast: mean and deviation of the grey levels, 0 to 255. roll_deg: how far the line
        of the eyes is from level, 0 to 180. turn: how far the nose is from the middle of the eyes, in shares of
        their distance. mouth_octaves, eyes_octaves: log2 of the deviation of the grey levels about the mouth, and
        about the eyes, over that of the middle of the face: far below 0 where something covers them. detection: the
        detector's score.

    Example:
        >>> flat = Face(np.array([0, 0, 64, 64], np.float32), 0.9)
        >>> measure_face(np.full((48, 48), 100, np.uint8), flat)["size_octaves"]
        6.0
    """
    contrast = float(crop.std())
    detail = float(cv2.Laplacian(crop, cv2.CV_32F).std())
    roll_deg, turn = _pose(face)
    middle = float(crop[_MIDDLE].std())
    return {
        "size_octaves": float(np.log2(max(face.size_px, 1.0))),
        "sharpness": _octaves(detail, contrast),
        "light": float(crop.mean()),
        "contrast": contrast,
        "roll_deg": roll_deg,
        "turn": turn,
        "mouth_octaves": _octaves(float(crop[_MOUTH].std()), middle),
        "eyes_octaves": _octaves(float(np.mean([crop[eye].std() for eye in _EYES])), middle),
        "detection": float(face.score),
    }


def _octaves(deviation: float, other: float) -> float:
    """Return how many times one deviation of grey levels is another, log2; a grey level more of both is noise."""
    return float(np.log2((deviation + 1) / (other + 1)))


def _pose(face: Face) -> tuple[float, float]:
    """Return the roll in degrees and the turn of a face; 0 where it has no landmarks."""
    if face.landmarks is None:
        return 0.0, 0.0
    right_eye, left_eye, nose = face.landmarks[:3].astype(np.float64)
    across = left_eye - right_eye
    span = max(float(across @ across), 1e-6)
    roll_deg = abs(float(np.degrees(np.arctan2(across[1], across[0]))))
    return roll_deg, abs(float((nose - right_eye) @ across) / span - 0.5)


def measure_voice(samples: NDArray[np.float32], spoken_s: float) -> Measures:
    """Measure how well a voice could be heard.

    Args:
        samples: (T,) float32 in [-1, 1] at 16 kHz, without padding.
        spoken_s: Seconds of speech in them.

    Returns:
        spoken_s. snr_db: the level of loud frames over that of quiet ones. clipped: the share of samples at the
        highest level. high_band_db: what is above 3.8 kHz, of all. flatness_db: of the mean spectrum, 0 for white
        noise and far below for tones.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
        >>> round(measure_voice(noise, 0.0)["snr_db"])
        1
    """
    sound = samples.astype(np.float64)
    sound = sound - sound.mean() if len(sound) else sound
    n_frames = max(1, len(sound) // _FRAME)
    frames = np.resize(sound, n_frames * _FRAME).reshape(n_frames, _FRAME) if len(sound) else np.zeros((1, _FRAME))
    level_db = 10 * np.log10(np.square(frames).mean(axis=1) + _QUIET)
    quiet_db, loud_db = np.percentile(level_db, [10, 90])
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1))).mean(axis=0) + _QUIET
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE_HZ)
    peak = float(np.abs(sound).max()) if len(sound) else 0.0
    clipped = float((np.abs(sound) >= _CLIPPED * peak).mean()) if peak > 0 else 0.0
    return {
        "spoken_s": float(spoken_s),
        "snr_db": float(loud_db - quiet_db),
        "clipped": clipped,
        "high_band_db": float(10 * np.log10(power[hz > _HIGH_HZ].sum() / power.sum())),
        "flatness_db": float(10 * (np.log10(power).mean() - np.log10(power.mean()))),
    }


def measure_text(text: str, known: float) -> Measures:
    """Measure how well words could be read.

    Args:
        text: What was said.
        known: The share of its words that the network knows, 0 to 1.

    Returns:
        word_octaves: log2 of the number of words. known. known_octaves: log2 of one more than the number of words that
        the network knows. english: the share of words that are small English ones.

    Example:
        >>> measure_text("I am so happy!", 1.0)["word_octaves"]
        2.0
    """
    words = [word for word in split_words(normalise(text)) if word[0].isalnum()]
    return {
        "word_octaves": float(np.log2(max(len(words), 1))),
        "known": float(known),
        "known_octaves": float(np.log2(1 + known * len(words))),
        "english": share_of_small_words(text, ENGLISH),
    }
