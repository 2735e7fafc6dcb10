r"""Predict utterances of a feature set from each modality alone, by people or dialogues that were not trained on.

    python scripts/predict_feature_sets.py meld --data DATA --by dialogue -o together
    python scripts/predict_feature_sets.py iemocap --data DATA --by session -o together

Logistic regressions, one for each modality: what matters is that the predictions of an utterance belong together, so
that `emofuse bundle fit --together` can measure how far agreement of modalities tells of being right.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emofuse.emotions import BASE
from emofuse.inference.bundle import labels_matrix
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions
from emofuse.research.feature_sets.store import find_feature_set

MODALITIES: Final = {"visual": "face", "acoustic": "voice", "lexical": "text"}
N_FOLDS: Final = 5


def main() -> None:
    """Write a table for every modality of the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="the folder of the set in DATA")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--by", choices=("dialogue", "session", "speaker"), required=True, help="what folds are of")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    features = find_feature_set(arguments.corpus, arguments.data)
    clips = list(features.manifest)
    matrix = labels_matrix(features.manifest.labels, BASE)
    indices = [features.manifest.labels.index(clip.emotion) for clip in clips]
    groups = np.array([getattr(clip, arguments.by) for clip in clips])
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, arrays in features.features.items():
        kept = [i for i, array in enumerate(arrays) if array is not None and matrix[indices[i]].any()]
        x = np.stack([np.nan_to_num(array.mean(axis=0)) for i in kept if (array := arrays[i]) is not None])
        truth = np.array([matrix[indices[i]].argmax() for i in kept])
        probabilities = _predict(x, truth, groups[kept])
        right = (probabilities.argmax(axis=1) == truth).mean()
        print(f"{arguments.corpus} {name}: {len(truth)} utterances, {right:.1%} right")
        predictions = Predictions(
            clips=tuple(str(clips[i].path.name) + f"#{i}" for i in kept),
            speakers=tuple(clips[i].speaker for i in kept),
            sexes=("unknown",) * len(kept),
            folds=tuple(groups[kept].tolist()),
            labels=BASE,
            seeds=(0,),
            truth=truth.astype(np.int64),
            log_probabilities=np.log(probabilities + 1e-9).astype(np.float32)[None],
        )
        write_predictions(predictions, arguments.out / f"{MODALITIES[name]}-{arguments.corpus}.csv")


def _predict(x: NDArray[np.float64], truth: NDArray[np.int64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return (N, L) out-of-fold probabilities."""
    probabilities = np.zeros((len(truth), len(BASE)))
    for train, test in GroupKFold(N_FOLDS).split(x, truth, groups):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=300, class_weight="balanced"))
        model.fit(x[train], truth[train])
        probabilities[np.ix_(test, model[-1].classes_)] = model.predict_proba(x[test])
    return probabilities


if __name__ == "__main__":
    main()
