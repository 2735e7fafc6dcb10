r"""Measure what the text network of a bundle makes of slips of fingers, of the turn before, and of EDOS by its labels.

    python scripts/measure_words.py slips --data DATA      # the first texts of GoEmotions' and XED's test parts
    python scripts/measure_words.py context --data DATA    # the dev and test parts of EDOS and MELD
    python scripts/measure_words.py edos --data DATA       # its test part, as different people would count it

Slips: a quarter of the words of four letters or more have two neighbouring letters exchanged, or one doubled; as the
bundle answers. Context: the log-probabilities of a turn, and a share of those of the turn before it; the network's own,
and the bundle's, without the prior. EDOS: the network's own answers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import BASE
from emofuse.inference.bundle import load_bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.modalities.text import TextPredictor
from emofuse.inference.network import log_probabilities
from emofuse.research.corpora.readers.edos import COLUMNS, SHADES
from emofuse.research.corpora.registry import read_texts
from emofuse.research.corpora.table import read_table
from emofuse.research.corpora.texts import find_file, hashed_part, tidy_subtitle
from emofuse.research.evaluation.scores.metrics import (
    accuracy_of,
    confusion_counts,
    macro_f1_of,
    uar_of,
    weighted_f1_of,
)
from emofuse.research.tasks.text import score_texts

SLIPPED: Final = 0.25  # of the words of LEAST_LETTERS or more
LEAST_LETTERS: Final = 4
N_TEXTS: Final = 2000
SHARES: Final = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
MEANT: Final = {shade: emotion for emotion, shades in SHADES.items() for shade in shades}

Slip: TypeAlias = Callable[[str, int], str]
Said: TypeAlias = tuple[str, int]  # a text, and the index of what it shows


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("slips", "context", "edos"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", default="base")
    arguments = parser.parse_args()
    {"slips": _slips, "context": _context, "edos": _edos}[arguments.what](arguments.bundle, arguments.data)


def _slips(bundle: str, data: Path) -> None:
    predictor = TextPredictor(load_bundle(bundle))
    slips: dict[str, Slip | None] = {"as it is": None, "exchanged": _exchange, "doubled": _double}
    for corpus in ("goemotions", "xed"):
        texts = [one for one in read_texts(corpus, data).of_part("test") if one.label is not None][:N_TEXTS]
        for name, slip in slips.items():
            random = Random(1)
            written = [one.text if slip is None else _slipped(one.text, slip, random) for one in texts]
            answers = [predictor.score(text, 0, 1) for text in written]
            right = [(one.label, BASE.index(s.label)) for one, s in zip(texts, answers, strict=True) if s is not None]
            _print(f"{corpus}, {name}", *np.array(right, dtype=np.int64).T)


def _slipped(text: str, slip: Slip, random: Random) -> str:
    words = text.split()
    for i, word in enumerate(words):
        if len(word) >= LEAST_LETTERS and word.isalpha() and random.random() < SLIPPED:
            words[i] = slip(word, random.randrange(len(word) - 1))
    return " ".join(words)


def _exchange(word: str, i: int) -> str:
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _double(word: str, i: int) -> str:
    return word[: i + 1] + word[i:]


def _context(bundle: str, data: Path) -> None:
    loaded = load_bundle(bundle)
    network = loaded.networks["text"]
    model = CalibratedClassifier(network, loaded.labels, loaded.manifest.modalities["text"])
    for corpus in ("edos", "meld"):
        for part in ("dev", "test"):
            before: dict[str, str] = {}
            turns, earlier = list[Said](), list[str]()
            for one in read_texts(corpus, data).texts:
                if one.part == part:
                    if one.label is not None:
                        turns.append((one.text, one.label))
                        earlier.append(before.get(one.dialogue, ""))
                    before[one.dialogue] = one.text
            truth = np.array([label for _, label in turns], dtype=np.int64)
            has_one = np.array([bool(text) for text in earlier])[:, None]
            now, then = (
                score_texts(network, [network.read(text) for text in texts])
                for texts in ([text for text, _ in turns], earlier)
            )
            own = log_probabilities(now), log_probabilities(then)
            flat = np.log(model.calibrate(now)[0]), np.log(model.calibrate(then)[0])
            for name, (one_turn, turn_before) in {"its own": own, "without the prior": flat}.items():
                for share in SHARES:
                    both = one_turn + share * has_one * turn_before
                    _print(f"{corpus} {part}, {name}, {share:g} of the turn before", truth, both.argmax(axis=1))
            joined = [f"{text} {said}" for text, (said, _) in zip(earlier, turns, strict=True)]
            logits = score_texts(network, [network.read(text) for text in joined])
            _print(f"{corpus} {part}, its own, both as one text", truth, logits.argmax(axis=1))


def _edos(bundle: str, data: Path) -> None:
    network = load_bundle(bundle).networks["text"]
    groups = _edos_groups(data / "edos")
    for name, said in groups.items():
        logits = score_texts(network, [network.read(text) for text, _ in said])
        _print(f"{name} ({len(said)})", np.array([label for _, label in said], np.int64), logits.argmax(axis=1))


def _edos_groups(folder: Path) -> dict[str, list[Said]]:
    """Return the last turns of EDOS's test part, grouped in ways in which people may count them."""
    path = find_file(folder, r"MTurk_groundtruth_labels[^/]*\.csv$", "1. MTurk_groundtruth_labels_9K.csv")
    groups: dict[str, list[Said]] = {}
    for _, row in read_table(path, "table")[1]:
        turns = [turn for turn in map(tidy_subtitle, row["Dialog"].splitlines()) if turn]
        if hashed_part(row["DialogID"]) != "test" or not turns:
            continue
        answers = [row[column].replace("(Other)", "").strip().lower() for column in COLUMNS[2:]]
        meant = [MEANT[answer] for answer in answers if answer in MEANT]
        if len(meant) >= 2 and len(set(meant)) == 1:
            said = turns[-1], BASE.index(meant[0])
            groups.setdefault("two raters of three or all", []).append(said)
            groups.setdefault("of one turn" if len(turns) == 1 else "of several turns", []).append(said)
            groups.setdefault("the whole dialogue read", []).append((" ".join(turns), said[1]))
            if len(meant) == len(answers):
                groups.setdefault("all three raters", []).append(said)
        agreed = next((answer for answer in answers if answers.count(answer) > 1), "")
        if agreed in MEANT and (MEANT[agreed] != "neutral" or agreed == "neutral"):
            groups.setdefault("one shade, no intents", []).append((turns[-1], BASE.index(MEANT[agreed])))
    return groups


def _print(name: str, truth: NDArray[np.int64], guesses: NDArray[np.int64]) -> None:
    counts = confusion_counts(truth, guesses.astype(np.int64), len(BASE))
    values = (100 * float(of(counts)) for of in (weighted_f1_of, macro_f1_of, accuracy_of, uar_of))
    print(f"{name}: weighted F1 {next(values):.1f}, macro {next(values):.1f}, ", end="")
    print(f"accuracy {next(values):.1f}, UAR {next(values):.1f}", flush=True)


if __name__ == "__main__":
    main()
