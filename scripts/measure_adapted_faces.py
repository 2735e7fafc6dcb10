r"""Measure what it is worth to know the person, on faces of a set that a network was not trained on.

    python scripts/measure_adapted_faces.py without-taiwan.onnx taiwan --data DATA

Every picture counts as an utterance. Two ways, as an analysis has them: `--same-person`, of some pictures of the
person in whatever mood, the one that is answered among them, without labels; and `--baseline`, of some of their neutral
pictures, never the one that is answered, against what the network answers for other people's. Printed is the unweighted
average recall with 95 % intervals over people, a mean over draws of what is known, beside that without.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.inference.same_person import HALFWAY_NEUTRAL
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.evaluation.scores.metrics import confusions_by_group, recalls_of, resampled, uar_of
from emofuse.research.tasks.faces import logits_of_portraits, read_portraits

KNOWN: Final = (3, 10, None)
NEUTRAL_KNOWN: Final = (1, 3)
N_CLASSES: Final = 7  # without contempt, which neither set has
NEUTRAL: Final = FERPLUS.index("neutral")
N_DRAWS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a network answers. probabilities: (N, C) float32; truth: (N,) int64; people: whose each is, (N,)."""

    probabilities: NDArray[np.float32]
    truth: NDArray[np.int64]
    people: NDArray[np.str_]


def main() -> None:
    """Print a line for each number of pictures known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("set", choices=("cfee", "taiwan"))
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    answers = answers_of(OnnxNetwork(arguments.network), read_portraits(arguments.set, arguments.data).scored())
    everybody = np.ones(len(answers.truth), dtype=np.bool_)
    print(f"{arguments.set}, nothing known: {_line(answers, [answers.probabilities], everybody)}")
    for n_known in KNOWN:
        draws = [same_person(answers, n_known, seed) for seed in range(1 if n_known is None else N_DRAWS)]
        print(f"{arguments.set}, {n_known or 'all'} known: {_line(answers, draws, everybody)}")
    for n_known in NEUTRAL_KNOWN:
        draws = [baseline(answers, n_known, seed) for seed in range(N_DRAWS)]
        enough = has_neutral(answers, n_known)
        if enough.any():
            without = _line(answers, [answers.probabilities], enough)
            print(f"{arguments.set}, {n_known} neutral known: {_line(answers, draws, enough)}; without {without}")


def answers_of(network: OnnxNetwork, faces: Portraits) -> Answers:
    """Ask a network about the faces of a set, as the product cuts them."""
    logits = logits_of_portraits(network, faces)[:, :N_CLASSES]
    return Answers(softmax(logits), faces.truth, np.array(faces.subjects))


def same_person(answers: Answers, n_known: int | None, seed: int) -> NDArray[np.float32]:
    """Return the answers, (N, C), adapted to n_known pictures of the person, the answered one among them; None: all."""
    random = np.random.default_rng(seed)
    adapted = answers.probabilities.copy()
    for row, person in enumerate(answers.people):
        others = np.flatnonzero((answers.people == person) & (np.arange(len(adapted)) != row))
        chosen = others if n_known is None else random.permutation(others)[: n_known - 1]
        known = PersonBaseline(N_CLASSES)
        known.add(answers.probabilities[[row, *chosen]])
        adapted[row] = known.correct(answers.probabilities[row])
    return adapted


def baseline(answers: Answers, n_known: int, seed: int) -> NDArray[np.float32]:
    """Return the answers, (N, C), adapted to n_known neutral pictures of the person, where there are as many."""
    random = np.random.default_rng(seed)
    adapted = answers.probabilities.copy()
    is_neutral = answers.truth == NEUTRAL
    logs = np.log(answers.probabilities.astype(np.float64))
    for row, person in enumerate(answers.people):
        of_person = answers.people == person
        own = np.flatnonzero(of_person & is_neutral & (np.arange(len(adapted)) != row))
        if len(own) < n_known:
            continue
        known = PersonBaseline(N_CLASSES, logs[is_neutral & ~of_person].mean(axis=0), HALFWAY_NEUTRAL)
        known.add(answers.probabilities[random.permutation(own)[:n_known]])
        adapted[row] = known.correct(answers.probabilities[row])
    return adapted


def has_neutral(answers: Answers, n_known: int) -> NDArray[np.bool_]:
    """Tell of each picture whether there are n_known other neutral ones of the person."""
    is_neutral = answers.truth == NEUTRAL
    own = {person: int((is_neutral & (answers.people == person)).sum()) for person in np.unique(answers.people)}
    others = np.array([own[person] for person in answers.people]) - is_neutral
    return np.asarray(others >= n_known)


def _line(answers: Answers, draws: Sequence[NDArray[np.float32]], chosen: NDArray[np.bool_]) -> str:
    people = answers.people[chosen].tolist()
    guesses = np.stack([draw[chosen].argmax(axis=1) for draw in draws])
    by_person = confusions_by_group(answers.truth[chosen], guesses, people, N_CLASSES)
    low, high = np.percentile(resampled(uar_of, by_person, 2000, 0), (2.5, 97.5))
    score = uar_of(by_person.sum(axis=1)).mean()
    recalls = " ".join(f"{recall:.0%}" for recall in recalls_of(by_person.sum(axis=(0, 1))))
    return f"UAR {score:.1%} ({low:.1%} to {high:.1%}), recalls {recalls}, {len(set(people))} people"


if __name__ == "__main__":
    main()
