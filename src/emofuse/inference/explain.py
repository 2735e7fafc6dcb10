"""Explains answers by taking parts of the input away: occlusion of faces, of time and of bands, and of words.

Zeiler and Fergus, 2014 (arXiv:1311.2901). It needs nothing but the networks as they are run, and says what they go by,
which is not why a person looks as they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.explanation import Explanation, FaceSaliency, VoiceSaliency, WordSaliency
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.modalities.text import languages_of, readable_part
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.preprocessing.face import SIZE, crop_face
from emofuse.preprocessing.tokens import as_spoken, encode, has_letters, stack
from emofuse.timeline import Timeline
from emofuse.transcripts.sentences import cut_line
from emofuse.types import AudioBlock, Face, Frame, Line, Moment, Packet

PATCH: Final = 12  # pixels of a face of SIZE that are covered at once
PATCH_STEP: Final = 4
STRETCH_S: Final = 0.3  # of a voice that is taken away at once
N_BANDS: Final = 10
LOWEST_HZ, HIGHEST_HZ = 60.0, 8_000.0
N_MOMENTS: Final = 3  # that are explained by default
_FFT: Final = 512
_HOP: Final = 160
_FLOOR_DB: Final = -80.0


Predict = Callable[[NDArray[Any]], NDArray[np.float32]]
Read = Callable[[str], NDArray[np.int64]]
"""Takes a batch of what a network is given, and returns (N, L) probabilities over the bundle's labels."""


def explain_face(predict: Predict, crop: NDArray[np.uint8], label: int) -> FaceSaliency:
    """Cover every part of a face, and see how the answer changes.

    Args:
        predict: Of faces.
        crop: (S, S) uint8 grey, as large as the network takes it.
        label: Index of the answer, over the bundle's labels.
    """
    size = len(crop)
    patch, step = round(PATCH * size / SIZE), max(1, round(PATCH_STEP * size / SIZE))
    places = [(y, x) for y in range(step - patch, size, step) for x in range(step - patch, size, step)]
    covered = np.repeat(crop[None].astype(np.float32), len(places) + 1, axis=0)
    for i, (y, x) in enumerate(places, start=1):
        covered[i, max(y, 0) : y + patch, max(x, 0) : x + patch] = crop.mean()
    falls = _falls(predict, covered[:, None], label)
    total, times = np.zeros((size, size)), np.zeros((size, size))
    for fall, (y, x) in zip(falls, places, strict=True):
        part = np.s_[max(y, 0) : y + patch, max(x, 0) : x + patch]
        total[part] += fall
        times[part] += 1
    return FaceSaliency(crop, (total / times).astype(np.float32))


def explain_voice(
    predict: Predict, samples: NDArray[np.float32], window_s: float, end_s: float, label: int
) -> VoiceSaliency:
    """Take stretches of time and bands of frequencies out of a window of sound, and see how the answer changes.

    Args:
        predict: Of voices.
        samples: (T,) float32 at 16 kHz, a window or less.
        window_s: Of the network.
        end_s: When the window ends.
        label: Index of the answer, over the bundle's labels.
    """
    length = round(window_s * RATE_HZ)
    n_stretches = max(1, round(len(samples) / RATE_HZ / STRETCH_S))
    bounds = np.linspace(0, len(samples), n_stretches + 1).astype(int)
    changed = [samples]
    for start, end in pairwise(bounds.tolist()):
        without = samples.copy()
        without[start:end] = 0
        changed.append(without)
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_BANDS + 1)
    spectrum, hertz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    for low, high in pairwise(edges.tolist()):
        left = np.where((hertz >= low) & (hertz < high), 0, spectrum)
        changed.append(np.fft.irfft(left, n=len(samples)).astype(np.float32))
    batch = np.stack([np.pad(one, (0, max(0, length - len(one)))) for one in changed])
    falls = _falls(predict, batch, label)
    return VoiceSaliency(
        start_s=end_s - len(samples) / RATE_HZ,
        end_s=end_s,
        spectrum=_levels(samples),
        by_time=falls[:n_stretches],
        by_band=falls[n_stretches:],
        band_edges_hz=edges.astype(np.float32),
    )


def explain_words(predict: Predict, text: str, label: int, read: Read = encode) -> WordSaliency:
    """Leave out one word at a time, and see how the answer changes. label: its index, over the bundle's labels; read:
    gives a text as the network takes it."""
    words = tuple(text.split())
    texts = [text, *(" ".join(words[:i] + words[i + 1 :]) for i in range(len(words)))]
    falls = _falls(predict, stack([read(one) for one in texts]), label)
    return WordSaliency(words, tuple(float(fall) for fall in falls))


def _falls(predict: Predict, batch: NDArray[Any], label: int) -> NDArray[np.float32]:
    """Return by how much the log-probability of a label falls from the first of a batch to each of the others."""
    logs = np.log(np.maximum(predict(batch)[:, label], 1e-6))
    return np.asarray(logs[0] - logs[1:], dtype=np.float32)


def _levels(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (F, T) decibels of short stretches, the loudest at 0."""
    padded = np.pad(samples, (0, max(0, _FFT - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP] * np.hanning(_FFT)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).T
    levels = 10 * np.log10(power / max(float(power.max()), 1e-12) + 1e-12)
    return np.asarray(np.maximum(levels, _FLOOR_DB), dtype=np.float32)


def choose_moments(timeline: Timeline, n: int = N_MOMENTS) -> list[Moment]:
    """Return the surest moment of each answer, at most n of them, in the order of time.

    Of moments that are equally sure it is the one that more modalities answer.
    """
    surest: dict[str, Moment] = {}
    for moment in timeline.moments:
        if moment.fused is None:
            continue
        known = surest.get(moment.fused.label)
        if known is None or _sureness(moment) > _sureness(known):
            surest[moment.fused.label] = moment
    ranked = sorted(surest.values(), key=_sureness, reverse=True)
    return sorted(ranked[:n], key=lambda moment: moment.time_s)


def _sureness(moment: Moment) -> tuple[float, int]:
    return moment.fused.confidence if moment.fused else 0.0, len(moment.by_modality)


@dataclass(slots=True)
class _Inputs:
    """What the networks were given at a moment."""

    crop: NDArray[np.uint8] | None = None
    samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


def explain(
    packets: Iterable[Packet], timeline: Timeline, bundle: Bundle, moments: Sequence[Moment] | None = None
) -> tuple[Explanation, ...]:
    """Explain moments of a recording, which is read anew.

    Args:
        packets: Of the recording, in the order of time.
        timeline: What came of it, with this bundle.
        bundle: Whose networks answered.
        moments: Which of the timeline's; by default those of `choose_moments`.

    Returns:
        An explanation for each. A modality that a model of the Hub, or a network of clips, answered for has none.
    """
    chosen = list(choose_moments(timeline) if moments is None else moments)
    inputs = _gather(packets, chosen, bundle)
    networks: dict[str, Predict] = {
        modality: _predict(bundle, modality) for modality in bundle.networks if modality != "clip"
    }
    return tuple(
        _explained(moment, one, networks, timeline.lines, bundle)
        for moment, one in zip(chosen, inputs, strict=True)
        if moment.fused is not None
    )


def _predict(bundle: Bundle, modality: str) -> Predict:
    network = bundle.networks[modality]
    calibrated = CalibratedClassifier(network, bundle.labels, bundle.manifest.modalities[modality])
    return lambda batch: calibrated.calibrate(network.logits(batch))[0]


def _explained(
    moment: Moment,
    given: _Inputs,
    networks: Mapping[str, Predict],
    lines: Sequence[Line],
    bundle: Bundle,
) -> Explanation:
    assert moment.fused is not None
    label = moment.fused.labels.index(moment.fused.label)
    face = voice = words = None
    if "face" in networks and given.crop is not None:
        face = explain_face(networks["face"], given.crop, label)
    if "voice" in networks and "voice" in moment.by_modality and len(given.samples):
        window_s = bundle.networks["voice"].card.input.window_s or 1.0
        voice = explain_voice(networks["voice"], given.samples, window_s, moment.time_s, label)
    text = _words_at(lines, moment.time_s)
    if "text" in networks and "text" in moment.by_modality and text and bundle.manifest.hub_text is None:
        text = readable_part(text, languages_of(bundle.networks["text"].card))
        words = explain_words(networks["text"], text, label, bundle.networks["text"].read) if text else None
    return Explanation(
        time_s=moment.time_s,
        label=moment.fused.label,
        confidence=moment.fused.confidence,
        by_modality={name: float(scores.probabilities[label]) for name, scores in moment.by_modality.items()},
        face=face,
        voice=voice,
        words=words,
    )


def _gather(packets: Iterable[Packet], moments: Sequence[Moment], bundle: Bundle) -> list[_Inputs]:
    """Read a recording as far as it is needed, and keep what the networks were given at each moment."""
    found = [_Inputs() for _ in moments]
    window_s = (bundle.networks["voice"].card.input.window_s or 1.0) if "voice" in bundle.networks else 0.0
    size_px = (bundle.networks["face"].card.input.size_px or SIZE) if "face" in bundle.networks else SIZE
    sound = SoundBuffer(window_s + 2.0)
    image: NDArray[np.uint8] | None = None
    place = 0

    def finish(until_s: float) -> int:
        done = place
        while done < len(moments) and moments[done].time_s < until_s:
            _keep(found[done], moments[done], image, size_px, sound, window_s)
            done += 1
        return done

    for packet in packets:
        place = finish(packet.time_s)
        if place == len(moments):
            break
        if isinstance(packet, Frame):
            image = packet.image
        elif isinstance(packet, AudioBlock) and window_s:
            sound.push(packet)
    finish(np.inf)
    return found


def _keep(
    found: _Inputs,
    moment: Moment,
    image: NDArray[np.uint8] | None,
    size_px: int,
    sound: SoundBuffer,
    window_s: float,
) -> None:
    face = _main_face(moment.faces)
    if face is not None and image is not None:
        found.crop = crop_face(image, face, size_px)
    if not sound.is_empty:
        found.samples = sound.window(moment.time_s - window_s, moment.time_s).copy()


def _main_face(faces: Sequence[Face]) -> Face | None:
    """Return the face that counts most in a moment: the largest that has scores."""
    scored = [face for face in faces if face.emotion is not None]
    return max(scored, key=lambda face: face.size_px, default=None)


def _words_at(lines: Sequence[Line], time_s: float) -> str:
    """Return what was being said at a time, or was said last before it, as it was scored."""
    pieces = [piece for line in lines for piece in cut_line(line)]
    begun = [piece for piece in pieces if piece.start_s < time_s and has_letters(as_spoken(piece.text))]
    return as_spoken(max(begun, key=lambda piece: piece.start_s).text) if begun else ""
