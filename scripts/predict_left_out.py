r"""Predict a corpus with a network that never saw it, clean and under conditions, with what is measured of each input.

    python scripts/predict_left_out.py face runs/face-to-cfee/face.onnx cfee -o left-out/face-cfee.csv --conditions
    python scripts/predict_left_out.py voice without-emodb.onnx emodb -o left-out/voice-emodb.csv --conditions
    python scripts/predict_left_out.py text src/emofuse/bundles/base/text.onnx meld -o left-out/text-meld.csv

Everything is done as `emofuse analyze` does it: faces are found and cut upright, speech is told from other sound, words
that are in no language of the network are left out; an input without an answer has no row. `emofuse bundle fit --on`
reads the tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.emotions import BASE, FERPLUS
from emofuse.inference.bundle import labels_matrix
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.modalities.text import TextReader
from emofuse.inference.modalities.voice import LEAST_VOICED_S
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.vad import speech_in
from emofuse.media import open_media
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.face import SIZE, crop_face
from emofuse.preprocessing.measures import Measures, measure_face, measure_text, measure_voice
from emofuse.research.corpora.registry import read_texts
from emofuse.research.evaluation.fusion.certainty_fit import CLEAN
from emofuse.research.evaluation.protocols import corrupt_picture, corrupt_sound
from emofuse.research.evaluation.protocols.corrupt_picture import PictureChange
from emofuse.research.evaluation.protocols.corrupt_sound import SoundChange, Surroundings
from emofuse.research.evaluation.protocols.recordings import stand_back
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions
from emofuse.research.tasks.faces import logits_of, read_portraits
from emofuse.research.tasks.utterances import find_corpus
from emofuse.types import AudioBlock, Face

Image = NDArray[np.uint8]
Sound = NDArray[np.float32]
WINDOW_S: Final = 3.0
T = TypeVar("T")


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
    parser.add_argument("--conditions-every", type=int, default=4, help="spoil every nth of those")
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
    to_base = labels_matrix(FERPLUS, BASE)
    for number, i in enumerate(range(0, len(portraits.truth), arguments.every)):
        truth = to_base[portraits.truth[i]]
        if not truth.any():
            continue
        standing = stand_back(portraits.images[i])
        found = YuNetDetector().detect(standing)
        for condition, change in _chosen(PICTURES, number, arguments):
            picture = change(standing, found[:1])
            found_then = found if condition == CLEAN else YuNetDetector().detect(picture)
            if not found_then:
                continue
            face = found_then[0]
            logits = logits_of(network, crop_face(picture, face, network.card.input.size_px or SIZE)[None])[0]
            measures = measure_face(crop_face(picture, face), face)
            name = f"{arguments.corpus}/{i:04d}"
            yield Row(name, portraits.subjects[i], condition, int(truth.argmax()), logits, measures)


def _chosen(conditions: Mapping[str, T], number: int, arguments: argparse.Namespace) -> Iterator[tuple[str, T]]:
    """Yield the conditions of the input of this number: the clean one, and all of every nth."""
    for name, change in conditions.items():
        if name == CLEAN or (arguments.conditions and number % arguments.conditions_every == 0):
            yield name, change


def _further_away(size_px: int) -> PictureChange:
    """Return what makes a smaller picture, in which a face has this size."""

    def change(image: Image, faces: Sequence[Face]) -> Image:
        scale = size_px / max(faces[0].size_px if faces else 200.0, size_px)
        return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)

    return change


PICTURES: Final[Mapping[str, PictureChange]] = {
    CLEAN: lambda image, faces: image,
    "24 pixels": _further_away(24),
    "40 pixels": _further_away(40),
    "blur 4 %": corrupt_picture.blur(0.04),
    "blur 8 %": corrupt_picture.blur(0.08),
    "dark": corrupt_picture.darken(0.03),
    "rolled by 30 degrees": corrupt_picture.rotate(30),
    "upside down": corrupt_picture.rotate(180),
    "compressed": corrupt_picture.compress(5),
    "mask": corrupt_picture.put_on_mask,
    "sunglasses": corrupt_picture.put_on_sunglasses,
}


def _voices(network: OnnxNetwork, arguments: argparse.Namespace) -> Iterator[Row]:
    manifest = find_corpus(arguments.corpus, arguments.data)
    to_base = labels_matrix(manifest.labels, BASE)
    clips = [clip for clip in manifest if arguments.style in clip.style][:: arguments.every]
    sounds = [_cut(_sound(clip.sound_file)) for clip in clips]
    size = round(WINDOW_S * RATE_HZ)
    for number, (clip, sound) in enumerate(zip(clips, sounds, strict=True)):
        truth = to_base[manifest.labels.index(clip.emotion)]
        if not truth.any() or not len(sound):
            continue
        others = [other for other in sounds[number + 1 : number + 1 + corrupt_sound.N_BABBLING] if len(other)]
        for condition, change in _chosen(SOUNDS, number, arguments):
            around = Surroundings(torch.Generator().manual_seed(number), others)
            heard = change(sound, around)[:size].astype(np.float32)
            spoken_s = speech_in(heard)
            if spoken_s < LEAST_VOICED_S:
                continue
            logits = network.logits(np.pad(heard, (0, size - len(heard)))[None])[0]
            measures = measure_voice(heard, spoken_s)
            yield Row(clip.path.stem, clip.speaker, condition, int(truth.argmax()), logits, measures)


def _music(sound: Sound, around: Surroundings) -> Sound:
    """Add a chord as loud as the voice."""
    time_s = np.arange(len(sound)) / RATE_HZ
    chord = np.sum([np.sin(2 * np.pi * hz * time_s) / k for k, hz in enumerate((220, 277, 330, 440), start=1)], axis=0)
    level = np.sqrt(np.square(sound).mean() / max(np.square(chord).mean(), 1e-9))
    return np.asarray(sound + level * chord, np.float32)


SOUNDS: Final[Mapping[str, SoundChange]] = {
    CLEAN: lambda sound, around: sound,
    "noise 15 dB": corrupt_sound.add_noise(15),
    "noise 5 dB": corrupt_sound.add_noise(5),
    "babble 5 dB": corrupt_sound.add_babble(5),
    "music 0 dB": _music,
    "telephone": corrupt_sound.through_telephone,
    "room 0.7 s": corrupt_sound.put_in_room(0.7, 4.0),
    "overdriven": corrupt_sound.cut_peaks(0.1),
    "one second": lambda sound, around: sound[:RATE_HZ],
}


def _sound(path: Path) -> Sound:
    with open_media(path) as media:
        blocks = [packet.samples for packet in media if isinstance(packet, AudioBlock)]
    return np.concatenate(blocks)


def _cut(sound: Sound) -> Sound:
    """Cut off what is quiet before and after, so that the window holds the utterance."""
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max()) if len(sound) else np.zeros(0)
    margin = RATE_HZ // 10
    return sound[max(0, loud[0] - margin) : loud[-1] + margin] if len(loud) else sound


def _texts(network: OnnxNetwork, arguments: argparse.Namespace) -> Iterator[Row]:
    reader = TextReader(network)
    texts = [one for one in read_texts(arguments.corpus, arguments.data).of_part("test") if one.label is not None]
    for i, one in enumerate(texts[:: arguments.every]):
        read = reader.read(one.text)
        if read is None:
            continue
        truth = one.votes.index(1.0)
        measures = measure_text(one.text, read.known)
        yield Row(f"test/{i:04d}", one.dialogue or str(i), CLEAN, truth, read.logits[0], measures)


if __name__ == "__main__":
    main()
