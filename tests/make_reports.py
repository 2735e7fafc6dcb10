"""Evaluation reports and predictions for tests, made from seeded random numbers: 24 speakers, 8 emotions, 6 folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emofuse.emotions import RAVDESS
from emofuse.research.corpora.registry import CORPORA
from emofuse.research.evaluation.scores.baselines import baselines_for
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import (
    Curve,
    EvaluationReport,
    FoldRecord,
    LeakageCheck,
    ReportProvenance,
)
from emofuse.research.evaluation.scores.summary import summarise

SPEAKERS = tuple(f"ravdess-{i:02}" for i in range(1, 25))
CONFUSED = {"calm": "neutral", "neutral": "calm", "sad": "calm", "fearful": "sad", "happy": "surprised"}
COMMAND = "emofuse evaluate recipes/voice.toml --corpus ravdess --seeds 1,2,3"


def stamp(**changes: Any) -> ReportProvenance:
    """Return the stamp of 6 folds over 24 actors with 60 clips each."""
    folds = []
    for number in range(6):
        test, valid = SPEAKERS[4 * number : 4 * number + 4], [SPEAKERS[(4 * number + i) % 24] for i in (4, 5)]
        train = [s for s in SPEAKERS if s not in test and s not in valid]
        parts = {"train": tuple(train), "valid": tuple(valid), "test": test}
        folds.append(FoldRecord(name=str(number + 1), **parts, n_train=1080, n_valid=120, n_test=240))
    known: dict[str, Any] = {
        "corpus": "RAVDESS speech",
        "licence": "CC BY-NC-SA 4.0",
        "labels": RAVDESS,
        "label_map": {label: label for label in RAVDESS},
        "protocol": "actor-6fold: test actors 1-4, 5-8, ..., 21-24; 2 other actors validate",
        "folds": tuple(folds),
        "selection": "best UAR on the fold's 2 validation actors",
        "seeds": (1, 2, 3),
        "command": COMMAND,
        "versions": "emofuse 0.1.0, torch 2.6.0, Python 3.11.7",
        "transductive": False,
        "leaky": False,
    }
    return ReportProvenance(**{**known, **changes})


def predictions(skill: float = 1.1, seeds: Sequence[int] = (1, 2, 3), noise_seed: int = 0, n: int = 60) -> Predictions:
    """Return predictions that are better the higher `skill`; the difficulty of a clip is the same for all models."""
    labels, random = RAVDESS, np.random.default_rng(77)
    clips = [(s, i) for s in SPEAKERS for i in range(n)]
    emotion = np.array([0 if i % 15 == 0 else 1 + i % 7 for _, i in clips])
    confused = np.array([labels.index(CONFUSED.get(label, "disgust")) for label in labels])
    common = random.normal(0, 1.0, (len(clips), 8)) + 0.7 * np.repeat(random.normal(0, 1, (24, 8)), n, axis=0)
    own = np.random.default_rng(1000 + noise_seed)
    logits = common + own.normal(0, 0.5, (len(seeds), len(clips), 8))
    rows = np.arange(len(clips))
    logits[:, rows, emotion] += 2 * skill
    logits[:, rows, confused[emotion]] += 0.8
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return Predictions(
        clips=tuple(f"Actor_{s[-2:]}/clip-{i:02}.flac" for s, i in clips),
        speakers=tuple(s for s, _ in clips),
        sexes=tuple("male" if int(s[-2:]) % 2 else "female" for s, _ in clips),
        folds=tuple(str(1 + SPEAKERS.index(s) // 4) for s, _ in clips),
        labels=labels,
        seeds=tuple(seeds),
        truth=emotion.astype(np.int64),
        log_probabilities=logs.astype(np.float32),
    )


def curves(seeds: Sequence[int] = (1, 2, 3)) -> tuple[Curve, ...]:
    """Return how 6 folds trained with each seed: some stopped early, and nothing was validated in epoch 1."""
    random = np.random.default_rng(5)
    made = []
    for fold in range(1, 7):
        for seed in seeds:
            t = np.arange(1, int(random.integers(28, 41)))
            drop, rough = np.exp(-t / random.uniform(6, 9)), random.normal(0, 0.03, len(t))
            made.append(
                Curve(
                    fold=str(fold),
                    seed=seed,
                    train_loss=tuple(0.5 + 1.5 * drop + rough / 2),
                    valid_loss=(None, *(1.05 + 0.9 * drop + 0.004 * t + rough)[1:]),
                    valid_uar=(None, *(0.66 - 0.5 * drop + rough)[1:]),
                )
            )
    return tuple(made)


def report(found: Predictions | None = None, model: str = "voice", **changes: Any) -> EvaluationReport:
    """Return the report of predictions under `stamp()`, with anchors and curves; `changes` are fields of it."""
    found = predictions() if found is None else found
    made_under = changes.pop("stamp", stamp(seeds=found.seeds))
    summary = summarise(found, [fold.name for fold in made_under.folds])
    counts = [c.n for c in summary.per_class]
    parts: dict[str, Any] = {
        "title": f"{model} on RAVDESS speech",
        "model": model,
        "n_parameters": 1_234_567,
        "stamp": made_under,
        "metrics": summary.metrics,
        "per_class": summary.per_class,
        "confusion": summary.confusion,
        "by_sex": summary.by_sex,
        "by_speaker": summary.by_speaker,
        "curves": curves(found.seeds),
        "anchors": tuple(
            a
            for m in ("UAR", "accuracy")
            for a in baselines_for(CORPORA["ravdess"].published, "actor-6fold", m, counts)
        ),
        "temperature": 1.31,
        "calibration_error": (0.092, 0.031),
    }
    return EvaluationReport(**{**parts, **changes})


def leak(honest: EvaluationReport) -> LeakageCheck:
    """Return what a better model gets under a random split, as the leak of an honest report."""
    summary = summarise(predictions(skill=1.6), [fold.name for fold in honest.stamp.folds])
    gap = {m.name: m.value - honest.metric(m.name).value for m in summary.metrics}
    return LeakageCheck(
        protocol="random-6fold: clips shuffled, every actor in every part", metrics=summary.metrics, gap=gap
    )


def leaky_stamp(**changes: Any) -> ReportProvenance:
    """Return the stamp of a random split."""
    folds = [fold.model_copy(update={"train": SPEAKERS, "valid": SPEAKERS}) for fold in stamp().folds]
    protocol = "random-6fold: clips shuffled, every actor in every part"
    return stamp(leaky=True, folds=tuple(folds), protocol=protocol, **changes)
