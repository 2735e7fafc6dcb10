r"""Measure how the valence and arousal that a voice's emotions give agree with people's ratings of EmoTale.

    emofuse bundle make voice=WITHOUT-EMOTALE.onnx --from base -o without-emotale
    python scripts/measure_affect.py without-emotale --data DATA

The corpus's repository has `annotations.csv`, in which three people rated each recording from 1 to 5; it belongs in
DATA/emotale. All five emotions are taken, boredom too, which no network knows: what is asked is where on the two scales
a voice is, and no label. Recordings are analysed as `emofuse analyze` does it. Printed are Lin's concordance and
Pearson's correlation with the mean of the ratings, with 95 % intervals over speakers: of what is derived by
`emofuse.affect`; of a linear rule over the probabilities that is fitted to the ratings of all other speakers; and of
each rater with the mean of the other two.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import emofuse
from emofuse.affect import derive_affect
from emofuse.agreement import concordance
from emofuse.research.corpora.readers.emotale import read_emotale

SCALES: Final = {"valence": "V", "arousal": "A"}
RATERS: Final = ("a1", "a2", "a3")
N_DRAWS: Final = 2000
RIDGE: Final = 1.0

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """What is answered, and what people heard. All rows are recordings with an answer.

    Attributes:
        probabilities: (N, C) of the voice.
        derived: (N, 2), valence and arousal by the rule, from -1 to 1.
        ratings: (N, 3, 2), each rater's valence and arousal on the same scales.
        speakers: Whose each is, (N,).
    """

    probabilities: Numbers
    derived: Numbers
    ratings: Numbers
    speakers: NDArray[np.str_]


def main() -> None:
    """Print a line for each scale and rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    voices = listen(emofuse.Pipeline.load(arguments.bundle), arguments.data / "emotale")
    print(f"{len(voices.speakers)} recordings of {len(set(voices.speakers.tolist()))} speakers")
    rated = voices.ratings.mean(axis=1)
    fitted = fit_by_speaker(voices)
    for at, scale in enumerate(SCALES):
        print(f"{scale}, derived: {_line(voices.derived[:, at], rated[:, at], voices.speakers)}")
        print(f"{scale}, fitted to other speakers: {_line(fitted[:, at], rated[:, at], voices.speakers)}")
        print(f"{scale}, a rater: {_raters_line(voices.ratings[:, :, at], voices.speakers)}")


def listen(pipeline: emofuse.Pipeline, folder: Path) -> Voices:
    """Analyse every recording that was rated, and leave out those without an answer of the voice."""
    ratings = read_ratings(folder / "annotations.csv")
    probabilities, derived, heard, speakers = [], [], [], []
    for clip in read_emotale(folder).clips:
        timeline = pipeline(clip.path)
        voice = timeline.summary.by_modality["voice"]
        if voice is None or clip.path.stem not in ratings:
            continue
        affect = derive_affect(voice.probabilities, timeline.labels)
        if affect is None:
            raise SystemExit(f"no valence and arousal are known for {', '.join(timeline.labels)}")
        probabilities.append(voice.probabilities)
        derived.append(affect)
        heard.append(ratings[clip.path.stem])
        speakers.append(clip.speaker)
    return Voices(np.array(probabilities, np.float64), np.array(derived), np.array(heard), np.array(speakers))


def read_ratings(path: Path) -> dict[str, Numbers]:
    """Return each recording's ratings, (3, 2): three people's valence and arousal, from -1 to 1."""
    with path.open(encoding="utf-8", newline="") as file:
        rated = {
            Path(row["file"]).stem: [[float(row[f"{rater}_{scale}"]) for scale in SCALES.values()] for rater in RATERS]
            for row in csv.DictReader(file)
        }
    return {name: (np.array(given) - 3) / 2 for name, given in rated.items()}


def fit_by_speaker(voices: Voices) -> Numbers:
    """Return (N, 2): what a ridge regression over the probabilities gives that was fitted to all other speakers."""
    inputs = np.hstack([voices.probabilities, np.ones((len(voices.speakers), 1))])
    rated = voices.ratings.mean(axis=1)
    fitted = np.empty_like(rated)
    for speaker in np.unique(voices.speakers):
        own = voices.speakers == speaker
        known = inputs[~own]
        weights = np.linalg.solve(known.T @ known + RIDGE * np.eye(inputs.shape[1]), known.T @ rated[~own])
        fitted[own] = inputs[own] @ weights
    return fitted


def _line(given: Numbers, rated: Numbers, speakers: NDArray[np.str_]) -> str:
    return _intervals(lambda rows: (given[rows], rated[rows]), speakers)


def _raters_line(ratings: Numbers, speakers: NDArray[np.str_]) -> str:
    """Describe how each of three raters, (N, 3), agrees with the mean of the other two."""

    def pairs(rows: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
        others = (ratings.sum(axis=1, keepdims=True) - ratings) / (ratings.shape[1] - 1)
        return ratings[rows].ravel(), others[rows].ravel()

    return _intervals(pairs, speakers)


def _intervals(pairs: Callable[[NDArray[np.int64]], tuple[Numbers, Numbers]], speakers: NDArray[np.str_]) -> str:
    random = np.random.default_rng(0)
    rows_of = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    draws = [
        _agreement(*pairs(np.concatenate([rows_of[i] for i in random.integers(0, len(rows_of), len(rows_of))])))
        for _ in range(N_DRAWS)
    ]
    whole = _agreement(*pairs(np.arange(len(speakers))))
    low, high = np.percentile(np.array(draws), (2.5, 97.5), axis=0)
    names = ("concordance", "correlation")
    return ", ".join(f"{n} {w:.2f} ({a:.2f} to {b:.2f})" for n, w, a, b in zip(names, whole, low, high, strict=True))


def _agreement(given: Numbers, rated: Numbers) -> tuple[float, float]:
    return concordance(given, rated) or 0.0, float(np.corrcoef(given, rated)[0, 1])


if __name__ == "__main__":
    main()
