r"""Score a text network in each language: on English corpora, XED's projected lines and BRIGHTER.

Test parts, texts with all votes for one emotion, each alone:

    emofuse train recipes/text-languages.toml
    emofuse export runs/text-languages/model.safetensors -o text.onnx
    python scripts/measure_languages.py text.onnx --data DATA -o languages.csv

XED's projected lines are of six emotions, none neutral: the network's answer among those six is scored. The others are
of all seven. Intervals: percentile bootstrap over texts.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import BASE
from emofuse.inference.modalities.text import languages_of
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.language import language_name
from emofuse.research.corpora.registry import read_texts
from emofuse.research.corpora.texts import LabelledText, Part
from emofuse.research.evaluation.scores.metrics import (
    ConfusionMetric,
    confusions_by_group,
    macro_f1_of,
    resampled,
    weighted_f1_of,
)
from emofuse.research.tasks.text import load_text_network, score_texts

CORPORA: Final = ("goemotions", "xed", "edos", "meld", "xed@all", "brighter@all")
N_DRAWS: Final = 1000
LEAST: Final = 30  # texts; of fewer nothing is told
NEUTRAL: Final = BASE.index("neutral")


class Row(NamedTuple):
    """A language's score on a corpus, in percent: weighted and macro F1, each with its 95 % interval."""

    language: str
    corpus: str
    texts: int
    weighted_f1: float
    weighted_low: float
    weighted_high: float
    macro_f1: float
    macro_low: float
    macro_high: float
    known: float


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("dev", "test"), default="test")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    network = load_text_network(arguments.network)
    rows = [row for corpus in CORPORA for row in _rows(network, corpus, arguments.data, arguments.part)]
    for row in sorted(rows, key=lambda row: (language_name(row.language), row.corpus)):
        print(
            f"{language_name(row.language):16} {row.corpus:10} {row.texts:5} "
            f"weighted {row.weighted_f1:.1f} ({row.weighted_low:.1f} to {row.weighted_high:.1f}) "
            f"macro {row.macro_f1:.1f} ({row.macro_low:.1f} to {row.macro_high:.1f}) known {row.known:.0f}"
        )
    if arguments.out is not None:
        with arguments.out.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([Row._fields, *rows])


def _rows(network: OnnxNetwork, corpus: str, data: Path, part: Part) -> list[Row]:
    texts = [one for one in read_texts(corpus, data).of_part(part) if one.label is not None]
    known = languages_of(network.card)
    by_language: dict[str, list[LabelledText]] = {}
    for one in texts:
        by_language.setdefault(one.language, []).append(one)
    return [
        _row(network, language, corpus.partition("@")[0], own)
        for language, own in by_language.items()
        if language in known and len(own) >= LEAST
    ]


def _row(network: OnnxNetwork, language: str, corpus: str, texts: Sequence[LabelledText]) -> Row:
    truth = np.array([one.votes.index(1.0) for one in texts], dtype=np.int64)
    read = [network.read(one.text) for one in texts]
    logits = score_texts(network, read)
    if not (truth == NEUTRAL).any():
        logits[:, NEUTRAL] = -np.inf
    guesses = logits.argmax(axis=1).astype(np.int64)[None]
    confusions = confusions_by_group(truth, guesses, [str(i) for i in range(len(truth))], len(BASE))
    weighted, macro = (_scored(metric, confusions) for metric in (weighted_f1_of, macro_f1_of))
    known = np.mean([network.logits_and_known(one[None])[1][0] for one in read[:200]])
    return Row(language, corpus, len(texts), *weighted, *macro, round(100 * float(known), 1))


def _scored(metric: ConfusionMetric, confusions: NDArray[np.int64]) -> tuple[float, float, float]:
    low, high = np.percentile(resampled(metric, confusions, N_DRAWS, seed=1), [2.5, 97.5])
    value = float(metric(confusions.sum(axis=(0, 1))))
    return round(100 * value, 1), round(100 * float(low), 1), round(100 * float(high), 1)


if __name__ == "__main__":
    main()
