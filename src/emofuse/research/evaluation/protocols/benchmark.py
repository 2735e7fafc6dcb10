"""How good a bundle is, from real corpora: as it ships, left out, and beside others, in one table of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from emofuse.errors import CorpusError, UsageError
from emofuse.inference.bundle import Bundle
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.registry import CORPORA, PORTRAITS, TEXTS
from emofuse.research.evaluation.fusion.bundle_fit import (
    Calibration,
    Examples,
    examples_of,
    fit_calibration,
    no_calibration,
    present_calibration,
)
from emofuse.research.evaluation.protocols.face_sets import evaluate_portraits
from emofuse.research.evaluation.protocols.pretrained import evaluate_pretrained
from emofuse.research.evaluation.protocols.pretrained_faces import evaluate_faces
from emofuse.research.evaluation.protocols.pretrained_texts import NoTestPartError, evaluate_texts
from emofuse.research.evaluation.protocols.recorded_scores import score
from emofuse.research.evaluation.scores.metrics import (
    Interval,
    accuracy_of,
    confusions_by_group,
    expected_calibration_error,
    recalls_of,
    uar_of,
)
from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, Predictions, read_predictions
from emofuse.research.evaluation.scores.report import UAR_ON, EvaluationReport, read_report

Relation = Literal["left out", "not trained on", "test part", "trained on"]
Progress = Callable[[str, int, int], None]
SPEECH: Final = ("ravdess", "emodb", "ased", "nemo", "emotale", "emovo", "korean", "savee", "tess")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BenchmarkRow(_Part):
    """One network on one corpus.

    Attributes:
        network: The bundle's name, the recipe's of a network that was trained without the corpus, or a peer's.
        modality: What it is given.
        corpus: What people call the corpus.
        relation: Of the network to the corpus.
        n: Clips, faces or texts.
        n_units: Speakers, or what else the intervals resample.
        uar: The unweighted recall over the emotions that the corpus has, and only these may be answered.
        accuracy: The share that is right.
        calibration_error: Expected, of the probabilities that a bundle would go by.
        recalls: By emotion.
        licence: Of the corpus.
        command: What makes the numbers again.
    """

    network: str
    modality: str
    corpus: str
    relation: Relation
    n: int
    n_units: int
    uar: float
    uar_95: Interval
    accuracy: float
    accuracy_95: Interval
    calibration_error: float
    recalls: dict[str, float]
    licence: str
    command: str


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """A network's predictions of a corpus, over the labels of a bundle.

    Attributes:
        examples: Its predictions.
        units: Whom, or what else, the intervals resample, (N,).
        network: What the network is called.
        licence: Of the corpus.
        command: What makes the predictions again.
        modality: What the network is given.
        relation: Of the network to the corpus.
        corpus: What people call it.
    """

    examples: Examples
    units: tuple[str, ...]
    network: str
    licence: str
    command: str
    modality: str
    relation: Relation
    corpus: str


def rows_as_shipped(
    bundle: Bundle, data: Path, on_progress: Progress = lambda step, done, total: None
) -> tuple[list[BenchmarkRow], list[str]]:
    """Evaluate every network of a bundle on every corpus in a data folder that it can be tested on.

    Returns:
        The rows, and the names of corpora that are not there. One that has no test part is in neither.
    """
    rows: list[BenchmarkRow] = []
    missing: list[str] = []
    for modality, name, evaluate in _runs(bundle, data, on_progress):
        try:
            report, predictions = evaluate()
        except CorpusError:
            missing.append(name)
            continue
        except NoTestPartError:
            continue
        relation = _relation(bundle, modality, name)
        # the temperature that was fitted on the corpus itself is taken out again: a bundle goes by its own
        logits = predictions.log_probabilities * np.float32(report.temperature)
        plain = replace(predictions, log_probabilities=logits)
        one = _evaluated(bundle, report, plain, modality, relation, _title(name))
        rows.append(row_of(one, bundle.labels, bundle.manifest.name, present_calibration(bundle, modality)))
    return rows, missing


def rows_left_out(bundle: Bundle, folders: Mapping[str, Sequence[Path]]) -> list[BenchmarkRow]:
    """Score what `emofuse evaluate` predicted of corpora by networks that were trained without them.

    The calibration of a corpus is fitted on the others alone, where there are two or more; the prior stays flat where
    the bundle's is. Raises UsageError for a folder without a report and its predictions.
    """
    rows = []
    for modality, places in folders.items():
        found = [one for place in places for one in read_left_out(bundle, modality, place)]
        for i, one in enumerate(found):
            others = [other.examples for k, other in enumerate(found) if k != i]
            prior = bundle.manifest.modalities[modality].prior if modality in bundle.manifest.modalities else None
            is_flat = prior is None or max(prior) - min(prior) < 1e-3
            fitted = fit_calibration(others, is_flat=is_flat) if others else no_calibration(bundle)
            rows.append(row_of(one, bundle.labels, one.network, fitted, guess_by=no_calibration(bundle)))
    return rows


def read_left_out(bundle: Bundle, modality: str, folder: Path) -> list[Evaluated]:
    """Read a folder of `emofuse evaluate`, of several corpora, each by itself; or a CSV, called MODALITY-CORPUS, of
    `scripts/predict_left_out.py`, of which those under conditions are passed over."""
    if folder.suffix == ".csv":
        return [_read_table(bundle, modality, folder)]
    report, predictions = read_report(folder), read_predictions(folder / PREDICTIONS_NAME)
    several = [m.name for m in report.metrics if m.name.startswith(UAR_ON)]
    if not several:
        return [_evaluated(bundle, report, predictions, modality, "left out", report.stamp.corpus)]
    found = []
    for corpus in dict.fromkeys(predictions.folds):
        chosen = [i for i, fold in enumerate(predictions.folds) if fold == corpus]
        part = predictions.ordered_as([predictions.clips[i] for i in chosen])
        found.append(_evaluated(bundle, report, part, modality, "left out", corpus))
    return found


def _read_table(bundle: Bundle, modality: str, file: Path) -> Evaluated:
    predictions, name = read_predictions(file), file.stem.rpartition("-")[2]
    known: Mapping[str, Corpus[Any]] = {**CORPORA, **PORTRAITS, **TEXTS}
    if name not in known:
        raise UsageError(f"{file.name} is of no corpus that is known", f"it is called as {modality}-emodb.csv")
    under_conditions = "clean" in predictions.folds
    chosen = [c for c, fold in zip(predictions.clips, predictions.folds, strict=True) if fold == "clean"]
    clean = predictions.ordered_as(chosen) if under_conditions else predictions
    examples = examples_of(clean, known[name].title, bundle.labels)
    return Evaluated(
        examples,
        _kept_units(clean, examples),
        network=f"{modality}, trained without it",
        licence=known[name].licence,
        command=f"python scripts/predict_left_out.py {modality} NETWORK.onnx {name} -o {file.name}",
        modality=modality,
        relation="left out",
        corpus=known[name].title,
    )


def rows_of_peer(name: str, folder: Path, bundle: Bundle) -> list[BenchmarkRow]:
    """Score another system on the faces that ours is scored on: a CSV of predictions for each set, called as the set.

    Raises UsageError where there is none.
    """
    rows = []
    for each in PORTRAITS:
        file = folder / f"{each}.csv"
        if not file.is_file():
            continue
        predictions = read_predictions(file)
        examples = examples_of(predictions, each, bundle.labels)
        evidence = no_calibration(bundle).evidence(examples)
        rows.append(
            _row(
                examples,
                bundle.labels,
                _kept_units(predictions, examples),
                evidence,
                evidence,
                {
                    "network": name,
                    "modality": "face",
                    "corpus": PORTRAITS[each].title,
                    "relation": "not trained on",
                    "licence": PORTRAITS[each].licence,
                    "command": f"python benchmarks/face_peers.py {name}",
                },
            )
        )
    if not rows:
        raise UsageError(f"no predictions of {name} in {folder}", f"they are called {', '.join(PORTRAITS)}.csv")
    return rows


def row_of(
    one: Evaluated, labels: Sequence[str], network: str, calibration: Calibration, guess_by: Calibration | None = None
) -> BenchmarkRow:
    """Score predictions as a calibration turns them into evidence; guess_by: another one that decides the answers."""
    evidence = calibration.evidence(one.examples)
    guessed = evidence if guess_by is None else guess_by.evidence(one.examples)
    about = {
        "network": network,
        "modality": one.modality,
        "corpus": one.corpus,
        "relation": one.relation,
        "licence": one.licence,
        "command": one.command,
    }
    return _row(one.examples, labels, one.units, evidence, guessed, about)


def _row(
    examples: Examples,
    labels: Sequence[str],
    units: tuple[str, ...],
    evidence: NDArray[np.float64],
    guessed: NDArray[np.float64],
    about: Mapping[str, object],
) -> BenchmarkRow:
    guesses = guessed.argmax(axis=1)[None].astype(np.int64)
    counts = confusions_by_group(examples.truth, guesses, units, len(examples.present))
    uar, uar_95 = score(uar_of, counts)
    accuracy, accuracy_95 = score(accuracy_of, counts)
    recalls = recalls_of(counts.sum(axis=(0, 1)))
    return BenchmarkRow.model_validate(
        {
            "n": len(examples.truth),
            "n_units": len(set(units)),
            "uar": uar,
            "uar_95": uar_95,
            "accuracy": accuracy,
            "accuracy_95": accuracy_95,
            "calibration_error": expected_calibration_error(evidence.astype(np.float32), examples.truth),
            "recalls": {labels[i]: float(recalls[i]) for i in np.flatnonzero(examples.present).tolist()},
            **about,
        }
    )


def _runs(
    bundle: Bundle, data: Path, on_progress: Progress
) -> Iterable[tuple[str, str, Callable[[], tuple[EvaluationReport, Predictions]]]]:
    """Yield what can be evaluated: the modality, the corpus, and how."""
    if "face" in bundle.networks:
        face = bundle.networks["face"].path
        yield "face", "ferplus", lambda: evaluate_faces(face, data, _command("face", face, ""))
        for name in PORTRAITS:
            yield (
                "face",
                name,
                lambda name=name: evaluate_portraits(face, name, data, _command("face", face, name)),  # type: ignore[misc]
            )
    if "voice" in bundle.networks:
        voice = bundle.networks["voice"].path
        for name in SPEECH:
            yield (
                "voice",
                name,
                lambda name=name: evaluate_pretrained(  # type: ignore[misc]
                    voice,
                    [name],
                    data,
                    _command("voice", voice, name),
                    lambda *n: on_progress(f"{name} {n[0]}", *n[1:]),
                ),
            )
    if "text" in bundle.networks:
        text = bundle.networks["text"].path
        for name in TEXTS:
            yield (
                "text",
                name,
                lambda name=name: evaluate_texts(text, data, _command("text", text, name), name),  # type: ignore[misc]
            )


def _command(recipe: str, model: Path, test: str) -> str:
    return f"emofuse evaluate recipes/{recipe}.toml --model {_shown(model)}" + (f" --test {test}" if test else "")


def _shown(path: Path) -> str:
    """Write the path of a network as it is found from the project's root, where it ships."""
    parts = path.parts
    return "/".join(("src", *parts[parts.index("emofuse") :])) if "emofuse" in parts else path.as_posix()


def _relation(bundle: Bundle, modality: str, name: str) -> Relation:
    if not any(_title(name) in source for source in bundle.networks[modality].card.learnt_from):
        return "not trained on"
    return "test part" if name == "ferplus" or modality == "text" else "trained on"


def _title(name: str) -> str:
    known: Mapping[str, object] = {**CORPORA, **PORTRAITS, **TEXTS}
    return "FER+" if name == "ferplus" else str(getattr(known[name], "title", name))


def _evaluated(
    bundle: Bundle,
    report: EvaluationReport,
    predictions: Predictions,
    modality: str,
    relation: Relation,
    corpus: str,
) -> Evaluated:
    examples = examples_of(predictions, corpus, bundle.labels)
    units = _kept_units(predictions, examples)
    return Evaluated(
        examples, units, report.model, report.stamp.licence, report.stamp.command, modality, relation, corpus
    )


def _kept_units(predictions: Predictions, examples: Examples) -> tuple[str, ...]:
    kept = np.asarray(examples.carried[predictions.truth].any(axis=1)).tolist()
    return tuple(unit for unit, is_kept in zip(predictions.speakers, kept, strict=True) if is_kept)
