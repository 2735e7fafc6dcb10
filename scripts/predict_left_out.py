r"""Predict a corpus with a network that never saw it, clean and under conditions, with what is measured of each input.

    python scripts/predict_left_out.py face runs/face-to-cfee/face.onnx cfee -o left-out/face-cfee.csv --conditions
    python scripts/predict_left_out.py voice without-emodb.onnx emodb -o left-out/voice-emodb.csv --conditions
    python scripts/predict_left_out.py text src/emofuse/bundles/base/text.onnx meld -o left-out/text-meld.csv

Everything is done as `emofuse analyze` does it: faces are found and cut upright, speech is told from other sound, words
that are not English are left out; an input without an answer has no row. `emofuse bundle fit --on` reads the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.corpora.registry import read_texts
from emofuse.emotions import BASE, FERPLUS
from emofuse.evaluation.predictions import Predictions, write_predictions
from emofuse.features.face import crop_face
from emofuse.features.measures import Measures, measure_face, measure_text, measure_voice
from emofuse.features.speech import RATE_HZ
from emofuse.features.text import encode, has_letters
from emofuse.inference.bundle import labels_matrix
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.predictors import LEAST_VOICED_S
from emofuse.inference.text_predictor import LEAST_KNOWN, is_english
from emofuse.inference.vad import speech_in
from emofuse.media import open_media
from emofuse.training.face_data import read_portraits
from emofuse.training.utterances import find_corpus
from emofuse.types import AudioBlock

Image = NDArray[np.uint8]
Sound = NDArray[np.float32]
WINDOW_S: Final = 3.0
CLEAN: Final = "clean"


class Row(NamedTuple):
    """One answer: of which clip and condition, whose, the truth in BASE, logits over the network's labels."""

    clip: str
    speaker: str
    condition: str
    truth: int
    logits: NDArray[np.float32]
    measures: Measures


def main() -> None:
    """Write the predictions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modality", choices=("face", "voice", "text"))
    parser.add_argument("network", type=Path)
    parser.add_argument("corpus", help="its name, or a manifest")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--conditions", action="store_true", help="noise, blur, telephone, ... too")
    parser.add_argument("--every", type=int, default=1, help="take every nth utterance")
    parser.add_argument("--style", default="", help="take utterances whose style says so")
    arguments = parser.parse_args()
    network = OnnxNetwork(arguments.network)
    rows = {"face": _faces, "voice": _voices, "text": _texts}[arguments.modality](network, arguments)
    _write(list(rows), network, arguments.out)


def _write(rows: list[Row], network: OnnxNetwork, out: Path) -> None:
    matrix = labels_matrix(network.card.labels, BASE)
    logits = np.stack([row.logits for row in rows]).astype(np.float64)
    energy = np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) + logits.max(axis=1)
    own = np.exp(logits - energy[:, None])
    probabilities = own @ matrix + 1e-9
    measures = {name: np.array([row.measures[name] for row in rows]) for name in rows[0].measures}
    predictions = Predictions(
        clips=tuple(f"{row.clip}@{row.condition}" for row in rows),
        speakers=tuple(row.speaker for row in rows),
        sexes=("unknown",) * len(rows),
        folds=tuple(row.condition for row in rows),
        labels=BASE,
        seeds=(network.card.seed,),
        truth=np.array([row.truth for row in rows], dtype=np.int64),
        log_probabilities=np.log(probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)[None],
        measures={**measures, "energy": energy},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(predictions, out)
    right = predictions.guesses[0] == predictions.truth
    for condition in dict.fromkeys(predictions.folds):
        chosen = np.array(predictions.folds) == condition
        print(f"{out.stem} {condition}: {chosen.sum()} answers, {right[chosen].mean():.1%} right")


def _faces(network: OnnxNetwork, arguments: argparse.Namespace) -> Iterator[Row]:
    portraits = read_portraits(arguments.corpus, arguments.data).scored()
    chosen = FACE_CONDITIONS if arguments.conditions else {CLEAN: FACE_CONDITIONS[CLEAN]}
    to_base = labels_matrix(FERPLUS, BASE)
    random = np.random.default_rng(1)
    for i in range(0, len(portraits.truth), arguments.every):
        truth = to_base[portraits.truth[i]]
        if not truth.any():
            continue
        for condition, spoil in chosen.items():
            picture = spoil(_framed(portraits.images[i]), random)
            found = YuNetDetector().detect(picture)
            if not found:
                continue
            crop = crop_face(picture, found[0])
            logits = network.logits(crop[None, None].astype(np.float32))[0]
            measures = measure_face(crop, found[0])
            name = f"{arguments.corpus}/{i:04d}"
            yield Row(name, portraits.subjects[i], condition, int(truth.argmax()), logits, measures)


def _framed(portrait: Image) -> Image:
    """Put a face into a picture that is as much larger as a person's is in a film."""
    return np.asarray(cv2.copyMakeBorder(portrait, 60, 80, 70, 70, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _smaller(side_px: int) -> Callable[[Image, np.random.Generator], Image]:
    def spoil(image: Image, random: np.random.Generator) -> Image:
        scale = side_px / 100  # a portrait's face is about 100 pixels wide
        return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)

    return spoil


def _dark(image: Image, random: np.random.Generator) -> Image:
    noisy = image * 0.15 + random.normal(0, 5, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _turned(degrees: float) -> Callable[[Image, np.random.Generator], Image]:
    def spoil(image: Image, random: np.random.Generator) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)

    return spoil


def _covered(image: Image, random: np.random.Generator) -> Image:
    """Lay a mask of one colour over mouth and chin."""
    spoilt = image.copy()
    spoilt[60 + 85 : 60 + 145, 70 + 15 : 70 + 125] = random.integers(60, 220, 3)
    return spoilt


def _compressed(image: Image, random: np.random.Generator) -> Image:
    _, data = cv2.imencode(".jpg", cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), [1, 12])
    return np.asarray(cv2.resize(cv2.imdecode(data, 1), image.shape[1::-1]), np.uint8)


FACE_CONDITIONS: Final[dict[str, Callable[[Image, np.random.Generator], Image]]] = {
    CLEAN: lambda image, random: image,
    "24 pixels": _smaller(24),
    "40 pixels": _smaller(40),
    "blurred": lambda image, random: np.asarray(cv2.GaussianBlur(image, (0, 0), 4.0), np.uint8),
    "dark": _dark,
    "rolled by 30 degrees": _turned(30),
    "upside down": _turned(180),
    "mouth covered": _covered,
    "compressed": _compressed,
}


def _voices(network: OnnxNetwork, arguments: argparse.Namespace) -> Iterator[Row]:
    manifest = find_corpus(arguments.corpus, arguments.data)
    to_base = labels_matrix(manifest.labels, BASE)
    clips = [clip for clip in manifest if arguments.style in clip.style][:: arguments.every]
    sounds = [_cut(_sound(clip.sound_file)) for clip in clips]
    chosen = VOICE_CONDITIONS if arguments.conditions else {CLEAN: VOICE_CONDITIONS[CLEAN]}
    random = np.random.default_rng(1)
    for clip, sound in zip(clips, sounds, strict=True):
        truth = to_base[manifest.labels.index(clip.emotion)]
        if not truth.any():
            continue
        for condition, spoil in chosen.items():
            heard = spoil(sound, random, sounds)[: round(WINDOW_S * RATE_HZ)].astype(np.float32)
            spoken_s = speech_in(heard)
            if spoken_s < LEAST_VOICED_S:
                continue
            padded = np.pad(heard, (0, round(WINDOW_S * RATE_HZ) - len(heard)))
            measures = measure_voice(heard, spoken_s)
            logits = network.logits(padded[None])[0]
            yield Row(clip.path.stem, clip.speaker, condition, int(truth.argmax()), logits, measures)


def _sound(path: Path) -> Sound:
    with open_media(path) as media:
        blocks = [packet.samples for packet in media if isinstance(packet, AudioBlock)]
    return np.concatenate(blocks)


def _cut(sound: Sound) -> Sound:
    """Cut off what is quiet before and after, so that the window holds the utterance."""
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max()) if len(sound) else np.zeros(0)
    margin = RATE_HZ // 10
    return sound[max(0, loud[0] - margin) : loud[-1] + margin] if len(loud) else sound


def _mixed(sound: Sound, noise: NDArray[Any], snr_db: float) -> Sound:
    level = np.sqrt(np.square(sound).mean() / (np.square(noise).mean() + 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(sound + level * noise, np.float32)


def _noisy(snr_db: float) -> Callable[[Sound, np.random.Generator, list[Sound]], Sound]:
    return lambda sound, random, others: _mixed(sound, random.normal(0, 1, len(sound)), snr_db)


def _babble(sound: Sound, random: np.random.Generator, others: list[Sound]) -> Sound:
    noise = sum(np.resize(others[random.integers(len(others))], len(sound)) for _ in range(4))
    return _mixed(sound, np.asarray(noise), 5)


def _music(sound: Sound, random: np.random.Generator, others: list[Sound]) -> Sound:
    time_s = np.arange(len(sound)) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * time_s) / k for k, hz in enumerate((220, 277, 330, 440, 554), start=1))
    return _mixed(sound, np.asarray(chord), 5)


def _telephone(sound: Sound, random: np.random.Generator, others: list[Sound]) -> Sound:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float32)


def _room(sound: Sound, random: np.random.Generator, others: list[Sound]) -> Sound:
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    tail = random.normal(size=len(time_s)) * np.exp(-6.9 * time_s / 0.5)
    tail[0], tail[1:] = 1.0, tail[1:] / np.sqrt(np.square(tail[1:]).sum())
    size = len(sound) + len(tail)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)], np.float32)


def _overdriven(sound: Sound, random: np.random.Generator, others: list[Sound]) -> Sound:
    limit = 0.15 * float(np.abs(sound).max())
    return np.asarray(np.clip(sound, -limit, limit), np.float32)


VOICE_CONDITIONS: Final[dict[str, Callable[[Sound, np.random.Generator, list[Sound]], Sound]]] = {
    CLEAN: lambda sound, random, others: sound,
    "noise 15 dB": _noisy(15),
    "noise 5 dB": _noisy(5),
    "babble 5 dB": _babble,
    "music 5 dB": _music,
    "telephone": _telephone,
    "room 0.5 s": _room,
    "overdriven": _overdriven,
    "first second": lambda sound, random, others: sound[:RATE_HZ],
}


def _texts(network: OnnxNetwork, arguments: argparse.Namespace) -> Iterator[Row]:
    texts = [one for one in read_texts(arguments.corpus, arguments.data).of_part("test") if one.label is not None]
    for i, one in enumerate(texts[:: arguments.every]):
        if not has_letters(one.text) or not is_english(one.text):
            continue
        logits, known = network.logits_and_known(encode(one.text)[None])
        if known[0] < LEAST_KNOWN:
            continue
        truth = one.votes.index(1.0)
        measures = measure_text(one.text, float(known[0]))
        yield Row(f"test/{i:04d}", one.dialogue or str(i), CLEAN, truth, logits[0], measures)


if __name__ == "__main__":
    main()
