"""The published protocol for faces: the test part of FER+, each face alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.emotions import FERPLUS
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.readers.ferplus import CORPUS, count_ferplus, read_ferplus
from emofuse.research.evaluation.protocols.pretrained_parts import report_on_part
from emofuse.research.evaluation.scores.metrics import fit_temperature
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord, ReportProvenance
from emofuse.research.tasks.faces import logits_of

FOLD = "FER2013Test"
PROTOCOL = "FER+ test part, 8 classes, faces with a majority emotion"
PLURALITY = "FER+ test part, 8 classes, every face whose most-voted label is an emotion, majority or not"
STRENGTHS: Final = tuple(round(0.1 * step, 1) for step in range(11))


def evaluate_faces(
    model: str | Path, data: str | Path, command: str, plurality: bool = False, *, weigh: bool = False
) -> tuple[EvaluationReport, Predictions]:
    """Score a face network on the FER+ test part.

    Args:
        model: The exported network.
        data: The folder with ferplus.zip.
        command: What makes the numbers again.
        plurality: Count the faces without a majority too.
        weigh: Weigh the answers by how frequent an emotion is among the web faces of the valid part, to the power of
            STRENGTHS that is most often right there: a network that was trained to answer with the evidence of a face
            alone does not know that neutral and happy ones are frequent.

    Returns:
        The report and the predictions. The temperature is fitted on the valid part's majority labels. FER+ names no
        subjects, so the intervals resample faces.
    """
    network = OnnxNetwork(model)
    archive = Path(data) / "ferplus.zip"
    test = read_ferplus(archive, "Test")
    valid_faces, valid_truth = read_ferplus(archive, "Valid").majority()
    valid_logits = logits_of(network, valid_faces)
    prior = np.log((np.bincount(valid_truth, minlength=len(FERPLUS)) + 1) / (len(valid_truth) + len(FERPLUS)))
    strength = fit_prior_strength(valid_logits, valid_truth, prior) if weigh else 0.0
    offset = (strength * prior).astype(np.float32)
    temperature = fit_temperature(valid_logits + offset, valid_truth)
    faces, truth = test.plurality() if plurality else test.majority()
    logits = logits_of(network, faces) + offset
    counts = (count_ferplus(archive, "Train"), len(valid_truth), len(truth))
    stamp = _provenance(network, counts, command, PLURALITY if plurality else PROTOCOL, strength)
    # nobody knows who is who: each face is a unit of its own
    return report_on_part(f"{network.card.name} on FER+", network, stamp, logits, truth, temperature)


def fit_prior_strength(logits: NDArray[np.float32], truth: NDArray[np.int64], log_prior: NDArray[np.float64]) -> float:
    """Return the power of STRENGTHS of a prior by which (N, C) logits are most often right; of equal ones the least."""
    right = [float((np.argmax(logits + s * log_prior, axis=1) == truth).mean()) for s in STRENGTHS]
    return STRENGTHS[int(np.argmax(right))]


def _provenance(
    network: OnnxNetwork, counts: tuple[int, int, int], command: str, protocol: str, strength: float
) -> ReportProvenance:
    how = (
        f"; answers weighed by the frequency of emotions among FER+'s faces, to the power {strength}"
        if strength
        else ""
    )
    n_train, n_valid, n_test = counts
    return ReportProvenance(
        corpus="FER+ (web faces, no subject identities)",
        licence=CORPUS.licence,
        labels=FERPLUS,
        label_map={},
        protocol=protocol + how,
        folds=(FoldRecord(name=FOLD, train=(), valid=(), test=(), n_train=n_train, n_valid=n_valid, n_test=n_test),),
        selection="weights, or their settings, chosen on the valid part, where the temperature is fitted too",
        seeds=(network.card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,
    )
