"""What a model predicted for every clip that it was not trained on, and the CSV that other tools check it with."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.cells import unescape_cell
from emofuse.errors import UsageError
from emofuse.files import write_csv_file
from emofuse.inference.network import softmax

PREDICTIONS_NAME: Final = "predictions.csv"
_COLUMNS: Final = ("clip", "speaker", "sex", "fold", "seed", "truth", "guess")
_MEASURE: Final = "m_"  # what a column of measures begins with, after those of probabilities


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Out-of-fold predictions of N clips by a model trained with S seeds.

    truth: (N,) int64, an index into labels; log_probabilities: (S, N, C) float32, no NaN, which need not be
    normalised. Every clip occurs once; folds names the fold in whose test part it is. measures: by name, (N,)
    float64 of each clip's input (`features.measures`), where they were taken. Raises ValueError where the shapes do
    not fit.
    """

    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    sexes: tuple[str, ...]
    folds: tuple[str, ...]
    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    truth: NDArray[np.int64]
    log_probabilities: NDArray[np.float32]
    measures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, expected = len(self.clips), (len(self.seeds), len(self.clips), len(self.labels))
        lengths = {len(self.speakers), len(self.sexes), len(self.folds), len(self.truth)}
        if not n or lengths != {n} or self.log_probabilities.shape != expected or 0 in expected:
            raise ValueError(
                f"{n} clips, {len(self.seeds)} seeds and {len(self.labels)} labels need as many speakers, sexes, folds "
                f"and truths as clips, and log-probabilities of shape {expected}, not {self.log_probabilities.shape}"
            )
        if len(set(self.clips)) != n or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a clip or a seed is there twice")
        if np.isnan(self.log_probabilities).any():
            raise ValueError("a log-probability is not a number")
        if any(values.shape != (n,) or not np.isfinite(values).all() for values in self.measures.values()):
            raise ValueError("a measure is not a finite number for each clip")
        if self.truth.min() < 0 or self.truth.max() >= len(self.labels):
            raise ValueError(f"a truth is not an index into the {len(self.labels)} labels")

    @property
    def guesses(self) -> NDArray[np.int64]:
        """(S, N): the most probable class of each clip, seed by seed."""
        return np.asarray(self.log_probabilities.argmax(axis=-1), dtype=np.int64)

    def vote(self) -> NDArray[np.int64]:
        """Return (N,): the class with the highest probability, mean over the seeds (a soft vote)."""
        probabilities = np.stack([softmax(seed) for seed in self.log_probabilities])
        return np.asarray(probabilities.mean(axis=0).argmax(axis=-1), dtype=np.int64)

    def ordered_as(self, clips: Sequence[str]) -> Predictions:
        """Return the same predictions with the clips in this order. Raises KeyError for a clip that is not there."""
        place = {clip: i for i, clip in enumerate(self.clips)}
        order = [place[clip] for clip in clips]
        return replace(
            self,
            clips=tuple(clips),
            speakers=tuple(self.speakers[i] for i in order),
            sexes=tuple(self.sexes[i] for i in order),
            folds=tuple(self.folds[i] for i in order),
            truth=self.truth[order],
            log_probabilities=self.log_probabilities[:, order],
            measures={name: values[order] for name, values in self.measures.items()},
        )


def write_predictions(predictions: Predictions, path: str | Path) -> None:
    """Write one row per seed and clip as UTF-8: who, which fold, truth, guess, p_<label> for every label, and
    m_<measure> for every measure.

    The probabilities are written with all their digits, so that `read_predictions` gives back the same ones.
    Raises OutputError when `path` cannot be written.
    """
    p, labels = predictions, predictions.labels
    columns = [*_COLUMNS, *(f"p_{label}" for label in labels), *(_MEASURE + name for name in p.measures)]
    write_csv_file(path, columns, _rows(p))


def _rows(p: Predictions) -> Iterator[list[Any]]:
    for seed, guesses, rows in zip(p.seeds, p.guesses, p.log_probabilities, strict=True):
        probabilities = np.exp(rows.astype(np.float64)).tolist()
        for i, who in enumerate(zip(p.clips, p.speakers, p.sexes, p.folds, strict=True)):
            truth_and_guess = [p.labels[p.truth[i]], p.labels[guesses[i]]]
            numbers = [*probabilities[i], *(float(values[i]) for values in p.measures.values())]
            yield [*who, seed, *truth_and_guess, *map(repr, numbers)]


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote. Raises UsageError when it is something else."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            header, *rows = ([unescape_cell(cell) for cell in row] for row in csv.reader(file))
        return _parsed(header, rows)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UsageError(f"{path} does not hold predictions of `emofuse evaluate`: {error}") from None


def _parsed(header: list[str], rows: list[list[str]]) -> Predictions:
    labels = tuple(c.removeprefix("p_") for c in header[len(_COLUMNS) :] if c.startswith("p_"))
    names = tuple(c.removeprefix(_MEASURE) for c in header[len(_COLUMNS) + len(labels) :])
    if header != [*_COLUMNS, *(f"p_{label}" for label in labels), *(_MEASURE + name for name in names)]:
        raise ValueError(f"its columns are not {', '.join(_COLUMNS)}, p_<label>, ..., m_<measure>, ...")
    by_seed: dict[int, list[list[str]]] = {}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"line {line} has {len(row)} cells, not {len(header)}")
        by_seed.setdefault(int(row[4]), []).append(row)
    about = [[(*row[:4], row[5]) for row in part] for part in by_seed.values()]
    if not about or any(other != about[0] for other in about):
        raise ValueError("its seeds do not have the same clips in the same order")
    clips, speakers, sexes, folds, truths = zip(*about[0], strict=True)
    numbers = [[[float(cell) for cell in row[len(_COLUMNS) :]] for row in part] for part in by_seed.values()]
    values = np.asarray(numbers, dtype=np.float64)
    with np.errstate(divide="ignore"):  # a probability of 0 was written as such
        logs = np.log(values[:, :, : len(labels)]).astype(np.float32)
    measures = {name: values[0, :, len(labels) + i] for i, name in enumerate(names)}
    index = {label: i for i, label in enumerate(labels)}
    truth = np.array([index[label] for label in truths], dtype=np.int64)
    return Predictions(clips, speakers, sexes, folds, labels, tuple(by_seed), truth, logs, measures)
