r"""Fit the say of each modality in the base bundle's fusion, and check that fused is never worse than the best alone.

    python scripts/fit_fusion_weights.py DATA --voice runs/voice-actor-6fold/predictions.csv

There is no corpus here in which several people's faces, voices and words are recorded together. So examples of one
emotion are put together from three corpora that the networks did not see when they learnt: a face of FER+'s valid
part, a voice of RAVDESS as the fold heard it that did not know its actor, and an utterance of MELD's dev part. That
takes the modalities to be independent given the emotion, which they are not quite: it says nothing of how often they
contradict each other in life, and no weight is above 1. Emotions are drawn equally often. Weights are fitted on one
half of each corpus, by the log-likelihood over all sets of two or three modalities, and checked on the other half.

Prints a table of what every set of modalities gives.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emofuse.corpora.ferplus import read_ferplus
from emofuse.corpora.meld import read_meld_text
from emofuse.emotions import BASE, mapping_matrix
from emofuse.evaluation.predictions import read_predictions
from emofuse.inference.bundle import load_bundle
from emofuse.inference.fusion import Priors, log_pool
from emofuse.inference.predictors import Calibrated
from emofuse.inference.text_predictor import TextPredictor

N_DRAWN: Final = 2000  # examples of each emotion that are put together
Examples = Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]]
"""By modality: probabilities (N, 7) over BASE, and the truth (N,)."""
Together = tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]
"""Probabilities (N, 7) of every modality for examples that are put together, and their truth (N,)."""


def main() -> None:
    """Read, fit, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with ferplus.zip and meld/")
    parser.add_argument("--voice", type=Path, required=True, help="predictions.csv of the voice's cross-validation")
    parser.add_argument("--bundle", default="base")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="also write weights and priors there, for make_base_bundle.py")
    arguments = parser.parse_args()
    examples = read_examples(arguments.data, arguments.voice, arguments.bundle)
    halves = split(examples, arguments.seed)
    priors = {name: probabilities.mean(axis=0) for name, (probabilities, _) in halves[0].items()}
    priors = {name: np.round(prior / prior.sum(), 4) for name, prior in priors.items()}
    weights = fit(put_together(halves[0], arguments.seed), priors)
    says = {name: {"weight": round(weights[name], 3), "prior": priors[name].tolist()} for name in weights}
    print("| modalities | fused | by a linear pool | the best of them alone |\n|---|---|---|---|")
    for names, *scores in check(put_together(halves[1], arguments.seed + 1), weights, priors):
        print(f"| {' + '.join(names)} | {' | '.join(f'{score:.1%}' for score in scores)} |")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(says, indent=2) + "\n", encoding="utf-8")


def read_examples(data: Path, voice: Path, bundle_name: str) -> Examples:
    """Return what the networks of a bundle say, calibrated, of examples that they did not learn from."""
    bundle = load_bundle(bundle_name)
    images, face_truth = read_ferplus(data / "ferplus.zip", "Valid").majority()
    faces = Calibrated(bundle.networks["face"], BASE, bundle.manifest.modalities["face"].temperature)
    seen = np.concatenate([faces.score(batch)[0] for batch in np.array_split(images[:, None].astype(np.float32), 64)])
    heard = read_predictions(voice)
    words = TextPredictor(bundle)
    turns = read_meld_text(data / "meld" / "text", "dev")
    said = [(words.score(turn.text, 0.0, 1.0), turn.emotion) for turn in turns]
    carried = mapping_matrix(heard.labels, BASE)
    return {
        "face": _as_base(seen, bundle.networks["face"].card.labels, face_truth),
        "voice": (np.exp(heard.log_probabilities[0].astype(np.float64)) @ carried, carried.argmax(axis=1)[heard.truth]),
        "text": (
            np.stack([scores.probabilities for scores, _ in said if scores is not None]).astype(np.float64),
            np.array([_index(emotion) for scores, emotion in said if scores is not None]),
        ),
    }


def _as_base(
    probabilities: NDArray[np.float32], labels: Sequence[str], truth: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Leave out the examples of labels that BASE has not."""
    carried = mapping_matrix(labels, BASE)
    kept = carried[truth].any(axis=1)
    return probabilities[kept].astype(np.float64), carried.argmax(axis=1)[truth[kept]]


def _index(emotion: str) -> int:
    return int(mapping_matrix((emotion,), BASE)[0].argmax())


def split(examples: Examples, seed: int) -> tuple[Examples, Examples]:
    """Cut the examples of each modality in two halves, drawn at random."""
    halves: tuple[dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]], ...] = ({}, {})
    for name, (probabilities, truth) in examples.items():
        order = np.random.default_rng(seed).permutation(len(truth))
        for half, chosen in zip(halves, np.array_split(order, 2), strict=True):
            half[name] = (probabilities[chosen], truth[chosen])
    return halves[0], halves[1]


def put_together(examples: Examples, seed: int) -> Together:
    """Draw N_DRAWN examples of each emotion from every modality: probabilities (N, 7) of each, and their truth (N,)."""
    random = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(BASE)), N_DRAWN)
    drawn = {
        name: probabilities[np.concatenate([random.choice(np.flatnonzero(of == c), N_DRAWN) for c in range(len(BASE))])]
        for name, (probabilities, of) in examples.items()
    }
    return drawn, truth


def fit(together: Together, priors: Priors) -> dict[str, float]:
    """Find the weights, from 0 to 1, with the highest mean log-likelihood over all sets of two or more."""
    drawn, truth = together
    names = list(drawn)
    rows = np.arange(len(truth))

    def loss(found: NDArray[np.float64]) -> float:
        weights = dict(zip(names, found, strict=True))
        return float(np.mean([-np.log(pool(drawn, weights, priors, some)[rows, truth]).mean() for some in sets(names)]))

    found = minimize(loss, np.full(len(names), 0.7), method="L-BFGS-B", bounds=[(0.05, 1.0)] * len(names)).x
    return dict(zip(names, found.tolist(), strict=True))


def sets(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return every set of two or more."""
    return [some for n in range(2, len(names) + 1) for some in combinations(names, n)]


def pool(
    drawn: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], priors: Priors, names: Sequence[str]
) -> NDArray[np.float64]:
    """Pool some modalities (N, 7) as the bundle does at equal quality."""
    said, before = (np.stack([one[name] for name in names]) for one in (drawn, priors))
    return log_pool(said, np.array([weights[name] for name in names]), before)


def check(
    together: Together, weights: Mapping[str, float], priors: Priors
) -> list[tuple[tuple[str, ...], float, float, float]]:
    """Return, for every set, the accuracy fused, by a plain mean, and of the best of its modalities alone.

    Classes count alike.
    """
    drawn, truth = together

    def accuracy(probabilities: NDArray[np.float64]) -> float:
        return float((probabilities.argmax(axis=1) == truth).mean())

    return [
        (
            some,
            accuracy(pool(drawn, weights, priors, some)),
            accuracy(np.mean([drawn[name] for name in some], axis=0)),
            max(accuracy(drawn[name]) for name in some),
        )
        for some in sets(list(drawn))
    ]


if __name__ == "__main__":
    main()
