r"""Measure how much agreement of modalities is worth where they belong together, and where they are put together.

    python scripts/measure_shared_evidence.py face=together/face-meld.csv,voice=together/voice-meld.csv ...

For every corpus: what `emofuse bundle fit --together` finds, and what it would find if the predictions of one modality
were another person's with the same emotion. The difference is the evidence that one person's modalities share.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from emofuse.emotions import BASE
from emofuse.inference.bundle import load_bundle
from emofuse.research.evaluation.fusion.agreement_fit import choices_of, fit_fused
from emofuse.research.evaluation.fusion.bundle_fit import fit_calibration, join_by_clip, read_examples
from emofuse.research.evaluation.fusion.certainty_fit import Answers
from emofuse.types import MODALITIES


def main() -> None:
    """Print agreement, conflict and the share of right labels that nobody chose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("together", nargs="+", metavar="MODALITY=PREDICTIONS.csv,...")
    weights = load_bundle("base").weights
    for text in parser.parse_args().together:
        given = dict(part.split("=", 1) for part in text.split(","))
        examples = join_by_clip({m: read_examples(Path(given[m]), BASE) for m in MODALITIES if m in given})
        real = {m: one.answers(fit_calibration([one])) for m, one in examples.items()}
        for name, answers in (("real", real), ("shuffled", _shuffled(real))):
            found = fit_fused(choices_of(answers, weights), len(BASE))
            print(f"{text}: {name}: {found.agreement:.2f} agreement, {found.conflict:.2f} conflict, ", end="")
            print(f"{found.unsupported:.0%} right of labels that nobody chose")


def _shuffled(answers: dict[str, Answers]) -> dict[str, Answers]:
    """Give every modality but the first another utterance's answers, of one with the same emotion."""
    random = np.random.default_rng(0)
    mixed = dict(answers)
    for name, one in list(answers.items())[1:]:
        order = np.arange(len(one.truth))
        for label in np.unique(one.truth):
            rows = np.flatnonzero(one.truth == label)
            order[rows] = random.permutation(rows)
        mixed[name] = replace(one, probabilities=one.probabilities[order], speakers=one.speakers[order])
    return mixed


if __name__ == "__main__":
    main()
