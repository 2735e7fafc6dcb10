"""A report of one network on the test part that a corpus comes with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.network import OnnxNetwork, log_probabilities, softmax
from emofuse.research.evaluation.scores.baselines import chance
from emofuse.research.evaluation.scores.metrics import expected_calibration_error
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, ReportProvenance
from emofuse.research.evaluation.scores.summary import summarise


def report_on_part(
    title: str,
    network: OnnxNetwork,
    stamp: ReportProvenance,
    logits: NDArray[np.float32],
    truth: NDArray[np.int64],
    temperature: float,
    *,
    units: Sequence[str] | None = None,
    headline: tuple[str, ...] = ("UAR", "accuracy"),
) -> tuple[EvaluationReport, Predictions]:
    """Write the report of (N, C) logits against the (N,) truth; the stamp has one fold, of which they are.

    units: what the intervals resample, a name for each example; None: each example by itself. The temperature was
    fitted elsewhere.
    """
    (fold,) = stamp.folds
    names = tuple(f"{fold.name}/{i:04d}" for i in range(len(truth)))
    predictions = Predictions(
        clips=names,
        speakers=tuple(units) if units is not None else names,
        sexes=("unknown",) * len(truth),
        folds=(fold.name,) * len(truth),
        labels=stamp.labels,
        seeds=(0,),
        truth=truth,
        log_probabilities=log_probabilities(logits, temperature)[None],
    )
    summary = summarise(predictions, [fold.name])
    counts = np.bincount(truth, minlength=len(stamp.labels)).tolist()
    report = EvaluationReport(
        title=title,
        model=network.card.name,
        n_parameters=network.card.n_parameters,
        stamp=stamp,
        headline=headline,
        metrics=summary.metrics,
        per_class=summary.per_class,
        confusion=summary.confusion,
        anchors=tuple(a for a in (chance("UAR", counts), chance("accuracy", counts)) if a is not None),
        temperature=temperature,
        calibration_error=(
            expected_calibration_error(softmax(logits), truth),
            expected_calibration_error(softmax(logits, temperature), truth),
        ),
    )
    return report, predictions
