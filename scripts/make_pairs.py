r"""Make a feature set to train a bundle's fusion on, of faces, voices and sentences of one emotion put together.

    python scripts/make_pairs.py base --data DATA --part train -o runs/pairs-train
    python scripts/make_pairs.py base --data DATA --part test -o runs/pairs-test

Each row is a voice of a person, a face and a sentence of others, with the embeddings that the bundle's networks give
and, as further modalities called `face_scores` and so on, the evidence.
Nobody's voice is in both parts; faces are of FER+'s Valid and Test parts, sentences of the dev and test parts of the
text corpora: the face and text networks were trained on none of them. The voice network was trained on these people:
of its answers both a trained fusion and the pool think too well, until a bundle is given whose network was not.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import BASE, FERPLUS
from emofuse.inference.bundle import Bundle, labels_matrix, load_bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.preprocessing.tokens import encode, stack
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.ferplus import read_ferplus
from emofuse.research.corpora.registry import read_texts
from emofuse.research.feature_sets.store import FeatureSet, write_feature_set
from emofuse.research.tasks.batches import speech_part
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.tasks.utterances import find_corpus

TEXTS: Final = ("goemotions", "xed", "edos", "meld")
TEST_TENTHS: Final = 4  # of the people whose voices are tested
QUIET_DB: Final = 30.0  # below the loudest, before and after what is said
AT_ONCE: Final = 32
SCORES: Final = "_scores"  # after a modality's name
LICENCE: Final = "those of its corpora: some are for research alone"
Found = tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]
]  # embeddings (N, D), evidence (N, C), labels (N,)


def main() -> None:
    """Embed, put together, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("train", "test"), required=True)
    parser.add_argument("--voices", nargs="+", default=["ravdess", "emodb", "nemo", "emotale", "emovo", "korean"])
    parser.add_argument("--most", type=int, default=400, help="rows of each emotion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    bundle, random = load_bundle(arguments.bundle), np.random.default_rng(arguments.seed)
    is_test, data, most = arguments.part == "test", arguments.data, arguments.most
    voices, people = _voices(bundle, arguments.voices, data, is_test, most, random)
    labels = voices[2]
    found = {"face": _faces(bundle, data, is_test), "text": _texts(bundle, data, is_test, most, random)}
    features = {"voice": tuple(voices[0][:, None]), f"voice{SCORES}": tuple(voices[1][:, None])}
    for modality, (vectors, evidence, own) in found.items():
        chosen = np.array([random.choice(np.flatnonzero(own == label)) for label in labels])
        features |= {modality: tuple(vectors[chosen][:, None]), modality + SCORES: tuple(evidence[chosen][:, None])}
    clips = tuple(
        Clip(Path(f"{person}_{i:05d}"), emotion=BASE[label], speaker=person, licence=LICENCE)
        for i, (person, label) in enumerate(zip(people, labels, strict=True))
    )
    made = Manifest(arguments.out.name, BASE, clips, LICENCE)
    print(write_feature_set(FeatureSet(made, features, {m: Counter() for m in features}), arguments.out))
    print({label: int((labels == i).sum()) for i, label in enumerate(BASE)}, len(set(people)), "voices")


def _voices(
    bundle: Bundle, names: Sequence[str], data: Path, is_test: bool, most: int, random: np.random.Generator
) -> tuple[Found, list[str]]:
    clips: list[tuple[Clip, int]] = []
    for name in names:
        manifest = find_corpus(name, data)
        to_base = labels_matrix(manifest.labels, BASE)
        for clip in manifest:
            target = to_base[manifest.labels.index(clip.emotion)]
            if target.any() and (zlib.crc32(clip.speaker.encode()) % 10 < TEST_TENTHS) == is_test:
                clips.append((clip, int(target.argmax())))
    chosen = _evenly([label for _, label in clips], most, random)
    window = round((bundle.networks["voice"].card.input.window_s or 3.0) * RATE_HZ)
    cache = FeatureCache()

    def sound(i: int) -> NDArray[np.float32]:
        samples = speech_part(decoded_samples(clips[i][0], cache), QUIET_DB)[:window].astype(np.float32) / 32768
        return np.pad(samples, (0, window - len(samples)))

    vectors, evidence = _embed(bundle, "voice", chosen, lambda some: np.stack([sound(i) for i in some]))
    labels = np.array([clips[i][1] for i in chosen], dtype=np.int64)
    return (vectors, evidence, labels), [clips[i][0].speaker for i in chosen]


def _faces(bundle: Bundle, data: Path, is_test: bool) -> Found:
    images, labels = read_ferplus(data / "ferplus.zip", "Test" if is_test else "Valid").majority()
    matrix = labels_matrix(FERPLUS, BASE)
    kept = np.flatnonzero(matrix[labels].any(axis=1))
    vectors, evidence = _embed(bundle, "face", kept.tolist(), lambda some: images[some][:, None].astype(np.float32))
    return vectors, evidence, matrix[labels[kept]].argmax(axis=1)


def _texts(bundle: Bundle, data: Path, is_test: bool, most: int, random: np.random.Generator) -> Found:
    found = [one for name in TEXTS for one in read_texts(name, data).of_part("test" if is_test else "dev")]
    agreed = [one for one in found if one.label is not None]
    chosen = _evenly([one.label or 0 for one in agreed], most, random)
    vectors, evidence = _embed(bundle, "text", chosen, lambda some: stack([encode(agreed[i].text) for i in some]))
    return vectors, evidence, np.array([agreed[i].label for i in chosen], dtype=np.int64)


def _evenly(labels: Sequence[int], most: int, random: np.random.Generator) -> list[int]:
    """Draw at most so many of each label."""
    order = random.permutation(len(labels))
    return sorted(int(i) for label in range(len(BASE)) for i in [j for j in order if labels[j] == label][:most])


def _embed(
    bundle: Bundle, modality: str, chosen: Sequence[int], batch: Callable[[list[int]], NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    model = CalibratedClassifier(
        bundle.networks[modality], bundle.labels, bundle.manifest.modalities[modality], embeds=True
    )
    vectors, evidence = [], []
    for i in range(0, len(chosen), AT_ONCE):
        logits, embedded = model.run(batch(list(chosen[i : i + AT_ONCE])))
        assert embedded is not None
        vectors.append(embedded)
        evidence.append(model.calibrate(logits)[0])
    return np.concatenate(vectors), np.concatenate(evidence)


if __name__ == "__main__":
    main()
