r"""Compare a bundle's trained fusion with the pool of its answers, and both with the best modality, on a feature set.

    python scripts/compare_fusions.py runs/bundle-fusion/bundle runs/pairs-test

The set is one of scripts/make_pairs.py, by the same bundle. For each subset of modalities it prints the UAR of the best
of them alone, of the pool and of the trained fusion; and how far the fusion is above the pool, and the pool above the
best alone, with 95 % intervals and p by the paired bootstrap over speakers.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.bundle import load_bundle
from emofuse.inference.fusion import fuse
from emofuse.inference.fusion_head import FusionHead
from emofuse.research.evaluation.scores.metrics import confusion_counts, uar_of
from emofuse.research.evaluation.scores.significance import paired_bootstrap
from emofuse.research.feature_sets.store import read_feature_set
from emofuse.types import Scores


def main() -> None:
    """Score and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("set", type=Path)
    arguments = parser.parse_args()
    bundle, found = load_bundle(arguments.bundle), read_feature_set(arguments.set)
    head = FusionHead(bundle)
    truth = np.array([bundle.labels.index(clip.emotion) for clip in found.manifest], dtype=np.int64)
    groups = [clip.speaker for clip in found.manifest]
    modalities = [m for m in head.dims if f"{m}_scores" in found.features]
    rows = [
        {
            m: Scores(
                m, bundle.labels, _one(found.features[f"{m}_scores"][i]), 0.0, 1.0, embedding=_one(found.features[m][i])
            )
            for m in modalities
        }
        for i in range(len(truth))
    ]

    def guess(chosen: tuple[str, ...], is_trained: bool) -> NDArray[np.int64]:
        guesses = []
        for row in rows:
            some = {m: row[m] for m in chosen}
            pooled = fuse(some, bundle.weights, bundle.pool)
            assert pooled is not None
            answer = head.fuse(some) if is_trained else None
            guesses.append(int((pooled.evidence if answer is None else answer).argmax()))
        return np.array(guesses, dtype=np.int64)

    def uar(guesses: NDArray[np.int64]) -> float:
        return float(uar_of(confusion_counts(truth, guesses, len(bundle.labels))))

    alone = {m: guess((m,), is_trained=False) for m in modalities}
    print(f"{len(truth)} examples, {len(set(groups))} speakers")
    for size in range(2, len(modalities) + 1):
        for chosen in combinations(modalities, size):
            best = max((alone[m] for m in chosen), key=uar)
            pooled, trained = guess(chosen, is_trained=False), guess(chosen, is_trained=True)
            print(
                f"{' + '.join(chosen)}: best alone {uar(best):.1%}, pool {uar(pooled):.1%}, "
                f"trained {uar(trained):.1%}; "
                f"trained - pool {_told(paired_bootstrap(uar_of, truth, trained, pooled, groups))}; "
                f"pool - best {_told(paired_bootstrap(uar_of, truth, pooled, best, groups))}"
            )


def _one(array: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert array is not None
    return array[0]


def _told(difference: tuple[float, tuple[float, float], float]) -> str:
    observed, (low, high), p = difference
    return f"{100 * observed:+.1f} points ({100 * low:.1f} to {100 * high:.1f}), p = {p:.3f}"


if __name__ == "__main__":
    main()
