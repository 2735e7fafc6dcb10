"""The published protocol for faces: the test part of FER+, each face alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.corpora.ferplus import CORPUS, count_ferplus, read_ferplus
from emofuse.emotions import FERPLUS
from emofuse.evaluation.metrics import fit_temperature
from emofuse.evaluation.parts import report_on_part
from emofuse.evaluation.predictions import Predictions
from emofuse.evaluation.result import EvaluationReport, FoldRecord, Stamp
from emofuse.inference.network import OnnxNetwork

FOLD = "FER2013Test"
PROTOCOL = "FER+ test part, 8 classes, faces with a majority emotion"
PLURALITY = "FER+ test part, 8 classes, every face whose most-voted label is an emotion, majority or not"


def evaluate_faces(
    model: str | Path, data: str | Path, command: str, plurality: bool = False
) -> tuple[EvaluationReport, Predictions]:
    """Score a face network on the FER+ test part; its temperature is fitted on the valid part's majority labels.

    FER+ names no subjects, so the intervals resample faces. plurality: count the faces without a majority too.
    """
    network = OnnxNetwork(model)
    archive = Path(data) / "ferplus.zip"
    test = read_ferplus(archive, "Test")
    valid_logits, valid_truth = _logits(network, *read_ferplus(archive, "Valid").majority())
    temperature = fit_temperature(valid_logits, valid_truth)
    logits, truth = _logits(network, *(test.plurality() if plurality else test.majority()))
    stamp = _stamp(network, (count_ferplus(archive, "Train"), len(valid_truth), len(truth)), command, plurality)
    # nobody knows who is who: each face is a unit of its own
    return report_on_part(f"{network.card.name} on FER+", network, stamp, logits, truth, temperature)


def _logits(
    network: OnnxNetwork, images: NDArray[np.uint8], truth: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    batches = np.array_split(images[:, None].astype(np.float32), max(1, len(images) // 64))
    return np.concatenate([network.logits(batch) for batch in batches]), truth


def _stamp(network: OnnxNetwork, counts: tuple[int, int, int], command: str, plurality: bool) -> Stamp:
    n_train, n_valid, n_test = counts
    return Stamp(
        corpus="FER+ (web faces, no subject identities)",
        licence=CORPUS.licence,
        labels=FERPLUS,
        label_map={},
        protocol=PLURALITY if plurality else PROTOCOL,
        folds=(FoldRecord(name=FOLD, train=(), valid=(), test=(), n_train=n_train, n_valid=n_valid, n_test=n_test),),
        selection="weights chosen on the valid part, where the temperature is fitted too",
        seeds=(network.card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,
    )
