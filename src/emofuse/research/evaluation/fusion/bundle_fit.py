"""Temperatures, priors and weights of a bundle, fitted on what its networks predicted of data they never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from emofuse.errors import CorpusError, UsageError
from emofuse.inference.bundle import Bundle, labels_matrix
from emofuse.inference.fusion import log_pool
from emofuse.inference.pipeline import Pipeline
from emofuse.media import probe
from emofuse.research.corpora.manifest import read_manifest
from emofuse.research.evaluation.fusion.certainty_fit import CLEAN, Answers
from emofuse.research.evaluation.scores.metrics import expected_calibration_error
from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, Predictions, read_predictions
from emofuse.transcripts.transcript import spread

NEUTRAL: Final = "neutral"
N_DRAWN: Final = 2000  # examples of each emotion that are put together
_PENALTY: Final = 5.0  # examples that a flat prior is worth
_FLOOR: Final = 1e-6  # of a probability, as at use (classifier.CalibratedClassifier)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a network predicted of the clips of one corpus that it was not trained on.

    Attributes:
        name: Of the corpus, for tables.
        logits: (N, C) log-probabilities over the network's own labels, or any other logits.
        carried: (C, L) 0/1, from those to the bundle's labels.
        present: (L,) bool: the bundle's labels that the corpus has; the others cannot be told wrong there.
        truth: (N,) int64, an index into the bundle's labels.
        clips: What each clip is called, (N,); empty where that is not known.
        speakers: Who it is, (N,).
        conditions: `certainty_fit.CLEAN`, or what was done to the input, (N,).
        measures: By name, (N,) of each input.
    """

    name: str
    logits: NDArray[np.float64]
    carried: NDArray[np.float64]
    present: NDArray[np.bool_]
    truth: NDArray[np.int64]
    clips: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, str))
    speakers: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, str))
    conditions: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, str))
    measures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def part(self, chosen: NDArray[np.int64]) -> Examples:
        """Return some of them."""
        clips, speakers, conditions = (
            one[chosen] if len(one) else one for one in (self.clips, self.speakers, self.conditions)
        )
        return replace(
            self,
            logits=self.logits[chosen],
            truth=self.truth[chosen],
            clips=clips,
            speakers=speakers,
            conditions=conditions,
            measures={name: values[chosen] for name, values in self.measures.items()},
        )

    def clean(self) -> Examples:
        """Return those whose input was left as it was."""
        return self.part(np.flatnonzero(self.conditions == CLEAN)) if len(self.conditions) else self

    def answers(self, calibration: Calibration) -> Answers:
        """Return what `analyze` would answer, over all labels of the bundle."""
        n = len(self.truth)
        speakers = self.speakers if len(self.speakers) else np.array([str(i) for i in range(n)])
        conditions = self.conditions if len(self.conditions) else np.full(n, CLEAN)
        everywhere = replace(self, present=np.ones_like(self.present))
        evidence = calibration.evidence(everywhere)
        return Answers(self.name, evidence, self.truth, speakers, conditions, self.measures)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How a network's answers become evidence. prior: (L,) positive numbers that add up to 1."""

    temperature: float
    prior: NDArray[np.float64]

    def evidence(self, examples: Examples) -> NDArray[np.float64]:
        """Return (N, L) probabilities, as `analyze` has them; 0 for labels that the corpus does not have."""
        own = np.exp(log_softmax(examples.logits / self.temperature, axis=1))
        odds = (own @ examples.carried + _FLOOR) / self.prior * examples.present
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def present_calibration(bundle: Bundle, modality: str) -> Calibration:
    """Return how a bundle turns a network's answers into evidence as it stands."""
    settings = bundle.manifest.modalities[modality]
    return Calibration(settings.temperature, np.array(settings.prior or np.full(len(bundle.labels), 1.0)))


def no_calibration(bundle: Bundle) -> Calibration:
    """Return what leaves answers as they are, over the labels of a bundle."""
    n_labels = len(bundle.labels)
    return Calibration(1.0, np.full(n_labels, 1 / n_labels))


@dataclass(frozen=True, slots=True)
class Check:
    """Calibration errors of one corpus: as the bundle was, and with what was fitted on the other corpora alone."""

    modality: str
    name: str
    n: int
    before: float
    after: float


def read_examples(path: Path, labels: Sequence[str]) -> Examples:
    """Read a `predictions.csv` of `emofuse evaluate`; of several seeds the log-probabilities' mean counts.

    Raises UsageError for another file, BundleError for labels that cannot be carried to those of the bundle.
    """
    found = read_predictions(path)
    name = path.parent.name if path.name == PREDICTIONS_NAME else path.stem
    examples = examples_of(found, name, labels)
    if not len(examples.truth):
        raise UsageError(f"{path} has no prediction of a label of the bundle", f"its labels: {', '.join(found.labels)}")
    return examples


def examples_of(found: Predictions, name: str, labels: Sequence[str]) -> Examples:
    """Return those predictions whose truth is a label of a bundle, in their order.

    Raises BundleError for labels that cannot be carried to those of the bundle.
    """
    carried = labels_matrix(found.labels, labels).astype(np.float64)
    kept = carried[found.truth].any(axis=1)
    truth = carried[found.truth[kept]].argmax(axis=1)
    logits = np.maximum(found.log_probabilities.astype(np.float64), np.log(_FLOOR)).mean(axis=0)[kept]
    present = np.isin(np.arange(len(labels)), truth)
    folds = np.array(found.folds)[kept]
    return Examples(
        name,
        logits,
        carried,
        present,
        truth,
        np.array(found.clips)[kept],
        np.array(found.speakers)[kept],
        folds if CLEAN in folds else np.full(len(folds), CLEAN),
        {measure: values[kept] for measure, values in found.measures.items()},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What a bundle's networks predicted of whole recordings, in which modalities belong together.

    Attributes:
        examples: By modality, of the recordings in which it gave an answer.
        rows: By modality, which recordings those are.
        truth: (N,) int64 of all recordings, an index into the bundle's labels.
    """

    examples: dict[str, Examples]
    rows: dict[str, NDArray[np.int64]]
    truth: NDArray[np.int64]

    def together(self, calibrations: Mapping[str, Calibration]) -> Together:
        """Return the evidence of each modality in every recording; there is none where it gave no answer."""
        evidence: dict[str, NDArray[np.float64]] = {}
        for modality, one in self.examples.items():
            n_labels = one.carried.shape[1]
            evidence[modality] = np.full((len(self.truth), n_labels), 1 / n_labels)
            evidence[modality][self.rows[modality]] = calibrations[modality].evidence(one)
        return evidence, self.truth


def score_recordings(
    path: Path, bundle: Bundle, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Recorded:
    """Analyse the recordings of a manifest, as `emofuse analyze` does, without temperatures and priors.

    A clip's words, where the manifest has them, are its transcript. on_progress gets how many are done, of how many.
    Raises CorpusError for a manifest without a label of the bundle, MediaError for a recording that cannot be read.
    """
    plain = {m: s.model_copy(update={"temperature": 1.0, "prior": None}) for m, s in bundle.manifest.modalities.items()}
    without = bundle.manifest.model_copy(update={"modalities": plain, "certainty": None})
    pipeline = Pipeline(replace(bundle, manifest=without))
    manifest = read_manifest(path)
    carried = labels_matrix(manifest.labels, bundle.labels)
    clips = [clip for clip in manifest if carried[manifest.labels.index(clip.emotion)].any()]
    truth = np.array([carried[manifest.labels.index(clip.emotion)].argmax() for clip in clips], dtype=np.int64)
    logits: dict[str, list[NDArray[np.float64]]] = {m: [] for m in bundle.manifest.modalities}
    rows: dict[str, list[int]] = {m: [] for m in bundle.manifest.modalities}
    measures: dict[str, list[Mapping[str, float]]] = {m: [] for m in bundle.manifest.modalities}
    for row, clip in enumerate(clips):
        if clip.start_s or clip.end_s is not None:
            raise CorpusError(
                f"{path}: {clip.path.name} is a part of a recording", "cut it out: whole files are analysed"
            )
        words = spread(clip.text, probe(clip.path).duration_s or 1.0) if clip.text else None
        answers = pipeline(clip.path, transcript=words).summary.by_modality
        for modality, found in logits.items():
            scores = answers.get(modality)
            if scores is not None:
                found.append(np.log(scores.evidence.astype(np.float64) + _FLOOR))
                rows[modality].append(row)
                measures[modality].append(scores.measures)
        on_progress(row + 1, len(clips))
    present = np.isin(np.arange(len(bundle.labels)), truth)
    same = np.eye(len(bundle.labels))
    names, speakers = np.array([str(clip.path) for clip in clips]), np.array([clip.speaker for clip in clips])
    return Recorded(
        {
            m: Examples(
                path.stem,
                np.stack(found),
                same,
                present,
                truth[rows[m]],
                names[rows[m]],
                speakers[rows[m]],
                measures={name: np.array([one[name] for one in measures[m]]) for name in measures[m][0]},
            )
            for m, found in logits.items()
            if found
        },
        {m: np.array(found, dtype=np.int64) for m, found in rows.items()},
        truth,
    )


def join_by_clip(examples: Mapping[str, Examples]) -> dict[str, Examples]:
    """Return the clips that all modalities have, in one order.

    Raises UsageError where there are none.
    """
    shared = sorted(set.intersection(*(set(one.clips.tolist()) for one in examples.values())))
    if not shared:
        raise UsageError("the predictions that belong together have no clip in common", "clips must be called alike")
    place = {m: {clip: i for i, clip in enumerate(one.clips.tolist())} for m, one in examples.items()}
    return {m: one.part(np.array([place[m][clip] for clip in shared])) for m, one in examples.items()}


def fit_calibration(corpora: Sequence[Examples], *, is_flat: bool = False) -> Calibration:
    """Find the temperature and the prior with the highest likelihood (Alexandari et al., 2020, arXiv:1901.06852).

    Every corpus counts alike, and in it every label: so the prior is what the network answers with beyond what is
    there. A prior far from flat is held back where there is little evidence for it. is_flat: it is flat, and the
    temperature alone is fitted.
    """
    corpora = [one.clean() for one in corpora]
    n_labels = corpora[0].carried.shape[1]
    weights = [_class_weights(one.truth, n_labels) for one in corpora]
    penalty = _PENALTY / sum(len(one.truth) for one in corpora)

    def loss(found: NDArray[np.float64]) -> float:
        calibration = _calibration(found)
        losses = [
            float(-(weight * np.log(calibration.evidence(one)[np.arange(len(one.truth)), one.truth])).sum())
            for one, weight in zip(corpora, weights, strict=True)
        ]
        return float(np.mean(losses) + penalty * np.square(found[1:]).sum())

    start = np.zeros(1 + n_labels)
    bounds = [(np.log(0.2), np.log(5.0)), *[(0.0, 0.0) if is_flat else (-3.0, 3.0)] * n_labels]
    return _calibration(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


def calibration_for(
    bundle: Bundle, modality: str, corpora: Sequence[Examples], *, is_flat: bool = False
) -> Calibration:
    """Fit that of a modality; one that the bundle adds calibrates itself: nothing would take another into account."""
    return no_calibration(bundle) if modality in bundle.added else fit_calibration(corpora, is_flat=is_flat)


def neutral_mean(
    corpora: Sequence[Examples], calibration: Calibration, labels: Sequence[str]
) -> NDArray[np.float64] | None:
    """Return what is answered for people in a neutral mood, (L,) mean log-probabilities over the bundle's labels, every
    corpus counting alike; None where nobody is."""
    if NEUTRAL not in labels:
        return None
    means = []
    for one in map(Examples.clean, corpora):
        chosen = np.flatnonzero(one.truth == labels.index(NEUTRAL))
        if len(chosen):
            everywhere = replace(one.part(chosen), present=np.ones_like(one.present))
            means.append(np.log(calibration.evidence(everywhere)).mean(axis=0))
    return np.mean(means, axis=0) if means else None


def _calibration(found: NDArray[np.float64]) -> Calibration:
    return Calibration(float(np.exp(found[0])), np.exp(log_softmax(found[1:])))


def _class_weights(truth: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    counts = np.bincount(truth, minlength=n_labels)
    return np.asarray(1 / counts[truth] / np.count_nonzero(counts))


def check_calibration(
    modality: str, corpora: Sequence[Examples], before: Calibration, seed: int, *, is_flat: bool = False
) -> list[Check]:
    """Measure the expected calibration error of each corpus with what is fitted on the others; where there is one
    alone, of one half with what is fitted on the other. is_flat: see `fit_calibration`."""
    corpora = [one.clean() for one in corpora]
    pairs: list[tuple[Sequence[Examples], Examples]]
    if len(corpora) == 1:
        order = np.random.default_rng(seed).permutation(len(corpora[0].truth))
        fitted_on, checked = (corpora[0].part(half) for half in np.array_split(order, 2))
        pairs = [((fitted_on,), checked)]
    else:
        pairs = [((*corpora[:i], *corpora[i + 1 :]), one) for i, one in enumerate(corpora)]
    fitted = [(fit_calibration(others, is_flat=is_flat), one) for others, one in pairs]
    return [
        Check(modality, one.name, len(one.truth), _error(before, one), _error(calibration, one))
        for calibration, one in fitted
    ]


def _error(calibration: Calibration, examples: Examples) -> float:
    return expected_calibration_error(calibration.evidence(examples).astype(np.float32), examples.truth)


M = TypeVar("M", bound=str)
Evidence = Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]]
"""By modality: probabilities (N, L) and the truth (N,)."""
Together = tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]
"""Probabilities (N, L) of every modality for examples that belong together, and their truth (N,)."""


def gather(corpora: Mapping[M, Sequence[Examples]], calibrations: Mapping[M, Calibration]) -> Evidence:
    """Return the evidence of each modality over all of its corpora."""
    return {
        modality: (
            np.concatenate([calibrations[modality].evidence(one) for one in ones]),
            np.concatenate([one.truth for one in ones]),
        )
        for modality, ones in ((m, [one.clean() for one in each]) for m, each in corpora.items())
    }


def split(evidence: Evidence, seed: int) -> tuple[Evidence, Evidence]:
    """Cut the examples of each modality in two halves, drawn at random."""
    halves: tuple[dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]], ...] = ({}, {})
    for name, (probabilities, truth) in evidence.items():
        order = np.random.default_rng(seed).permutation(len(truth))
        for half, chosen in zip(halves, np.array_split(order, 2), strict=True):
            half[name] = (probabilities[chosen], truth[chosen])
    return halves[0], halves[1]


def join_together(parts: Sequence[Together]) -> Together:
    """Put sets of recordings one after the other; a modality that one of them has not, has no evidence there."""
    names = list(dict.fromkeys(name for evidence, _ in parts for name in evidence))
    n_labels = next(iter(parts[0][0].values())).shape[1]
    evidence = {
        name: np.concatenate([found.get(name, np.full((len(truth), n_labels), 1 / n_labels)) for found, truth in parts])
        for name in names
    }
    return evidence, np.concatenate([truth for _, truth in parts])


def split_together(together: Together, seed: int) -> tuple[Together, Together]:
    """Cut recordings in two halves, drawn at random."""
    evidence, truth = together
    first, second = np.array_split(np.random.default_rng(seed).permutation(len(truth)), 2)
    return (
        ({name: one[first] for name, one in evidence.items()}, truth[first]),
        ({name: one[second] for name, one in evidence.items()}, truth[second]),
    )


def put_together(evidence: Evidence, seed: int, n_drawn: int = N_DRAWN) -> Together:
    """Draw examples of one emotion from every modality and put them together, as often for every emotion.

    That takes the modalities to be independent given the emotion, which they are not quite: it says nothing of how
    often they contradict each other in life. Emotions that a modality has no example of are left out.
    """
    random = np.random.default_rng(seed)
    n_labels = next(iter(evidence.values()))[0].shape[1]
    everywhere = [label for label in range(n_labels) if all((truth == label).any() for _, truth in evidence.values())]
    drawn = {
        name: probabilities[
            np.concatenate([random.choice(np.flatnonzero(truth == label), n_drawn) for label in everywhere])
        ]
        for name, (probabilities, truth) in evidence.items()
    }
    return drawn, np.repeat(everywhere, n_drawn)


def fit_weights(together: Together) -> dict[str, float]:
    """Find the weights, from 0 to 1, with the highest mean log-likelihood over all sets of two modalities or more."""
    drawn, truth = together
    names, rows = list(drawn), np.arange(len(truth))

    def loss(found: NDArray[np.float64]) -> float:
        weights = dict(zip(names, found, strict=True))
        return float(np.mean([-np.log(_pool(drawn, weights, some)[rows, truth]).mean() for some in _sets(names)]))

    if len(names) < 2:
        return dict.fromkeys(names, 1.0)
    found = minimize(loss, np.full(len(names), 0.7), method="L-BFGS-B", bounds=[(0.05, 1.0)] * len(names)).x
    return dict(zip(names, found.tolist(), strict=True))


def check_weights(together: Together, weights: Mapping[str, float]) -> list[tuple[tuple[str, ...], float, float]]:
    """Return, for every set of modalities, the accuracy fused and that of the best of them alone."""
    drawn, truth = together

    def accuracy(probabilities: NDArray[np.float64]) -> float:
        return float((probabilities.argmax(axis=1) == truth).mean())

    return [
        (some, accuracy(_pool(drawn, weights, some)), max(accuracy(drawn[name]) for name in some))
        for some in _sets(list(drawn))
    ]


def _sets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for n in range(2, len(names) + 1) for some in combinations(names, n)]


def _pool(
    drawn: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], names: Sequence[str]
) -> NDArray[np.float64]:
    """Pool some modalities (N, L) as the bundle does at equal quality."""
    return log_pool(np.stack([drawn[name] for name in names]), np.array([weights[name] for name in names]))
