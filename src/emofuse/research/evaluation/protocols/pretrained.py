"""An exported network, as it is, on utterances of a corpus: nothing is trained or chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from emofuse import __version__
from emofuse.card import ModelCard
from emofuse.emotions import BASE, mapping_matrix
from emofuse.errors import BundleError, UsageError
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.preprocessing.face import SIZE
from emofuse.research.corpora.cache import content_hash
from emofuse.research.corpora.relabel import join, relabel
from emofuse.research.evaluation.protocols.cross_validation import clip_names
from emofuse.research.evaluation.scores.baselines import chance
from emofuse.research.evaluation.scores.metrics import expected_calibration_error
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord, Stamp
from emofuse.research.evaluation.scores.summary import summarise
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.clips import VideoData, decode_video
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, find_corpus
from emofuse.research.training.jobs import decode_utterances

LABELS: Final = "basic-7"  # on whose part that the corpus has a network is tested
FOLD: Final = "as it is"


def evaluate_as_is(
    model: Path, test_on: Sequence[str], data: Path | None, command: str, hook: Hook | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Score a network of faces, voices or clips on all utterances of corpora, on the basic emotions that they have.

    A network of faces scores every picture, and a clip's answer is the mean of its probabilities. Raises CorpusError
    for a corpus that has no film, or no sound, for the network.
    """
    if not test_on:
        raise UsageError("--test names no corpus")
    network = OnnxNetwork(model)
    joined = join([relabel(find_corpus(name, data), LABELS) for name in test_on])
    present = {clip.emotion for clip in joined.manifest}
    labels = tuple(label for label in joined.manifest.labels if label in present)
    names = clip_names(joined.manifest)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{twice} is in two of the corpora that are to be tested on")
    joined = replace(joined, manifest=replace(joined.manifest, labels=labels))
    utterances = _decoded(network.card, Corpora(joined, joined.manifest), hook)
    # what the network says of emotions that the corpus does not have is left out
    matrix = mapping_matrix(network.card.labels, BASE)[:, [BASE.index(label) for label in labels]]
    rows = []
    for number, answers in enumerate(_answers(network, utterances), start=1):
        mapped = (answers @ matrix).mean(axis=0) + 1e-6
        rows.append(mapped / mapped.sum())
        if hook is not None:
            hook("scoring", number, len(utterances.manifest))
    probabilities = np.stack(rows).astype(np.float32)
    predictions = _predictions(network.card, utterances, probabilities)
    return _report(network, model, utterances, predictions, command), predictions


def _decoded(card: ModelCard, corpora: Corpora, hook: Hook | None) -> Utterances:
    if card.modality == "face":
        return decode_video(VideoDataSettings(), corpora, hears=False, hook=hook)
    try:
        recipe = Recipe.model_validate_json(card.recipe)
    except ValidationError:
        raise BundleError(f"the card of {card.name} does not hold the recipe that it was trained by") from None
    return decode_utterances(recipe, corpora, hook)


def _answers(network: OnnxNetwork, utterances: Utterances) -> Iterator[NDArray[np.float32]]:
    """Yield (K, C) probabilities of each utterance: of its pictures, of its windows of sound, or of its frames."""
    if network.card.modality == "face":
        assert isinstance(utterances, VideoData)
        for clip in utterances.clips:
            pictures = clip.frames(np.arange(len(clip)), utterances.settings.size_px)
            yield softmax(network.logits(_as_faces(pictures, utterances.settings.margin)))
        return
    batches = utterances.batches(range(len(utterances.manifest)))
    for i in range(len(utterances.manifest)):
        x, _ = batches[i]
        if network.card.modality == "voice":
            yield softmax(network.logits(x.numpy()))  # as many windows
            continue
        logits = network.logits(*(one.numpy()[None] for one in (x if isinstance(x, tuple) else (x,))))
        yield softmax(logits[0] if logits.ndim == 3 else logits)


def _as_faces(pictures: NDArray[np.uint8], margin: float) -> NDArray[np.float32]:
    """Turn crops (T, S, S, 3) with a margin into what a network of faces is given: (T, 1, 48, 48) grey."""
    size = pictures.shape[1]
    edge = round(size * margin / (1 + 2 * margin))
    inner = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[edge : size - edge, edge : size - edge] for picture in pictures)
    faces = [cv2.resize(face, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for face in inner]
    return np.stack(faces)[:, None].astype(np.float32)


def _predictions(card: ModelCard, utterances: Utterances, probabilities: NDArray[np.float32]) -> Predictions:
    manifest = utterances.manifest
    everything = range(len(manifest))
    return Predictions(
        clips=clip_names(manifest),
        speakers=tuple(clip.speaker for clip in manifest),
        sexes=tuple(clip.sex for clip in manifest),
        folds=(FOLD,) * len(manifest),
        labels=utterances.labels,
        seeds=(card.seed,),
        truth=utterances.truth(everything),
        log_probabilities=np.log(probabilities)[None],
    )


def _report(
    network: OnnxNetwork, model: Path, utterances: Utterances, predictions: Predictions, command: str
) -> EvaluationReport:
    card, summary = network.card, summarise(predictions, [FOLD])
    counts = np.bincount(predictions.truth, minlength=len(predictions.labels)).tolist()
    error = expected_calibration_error(np.exp(predictions.log_probabilities[0]), predictions.truth)
    return EvaluationReport(
        title=f"{card.name} as it is, on {utterances.manifest.name}",
        model=card.name,
        n_parameters=card.n_parameters,
        stamp=_stamp(card, model, utterances, command),
        metrics=summary.metrics,
        per_class=summary.per_class,
        confusion=summary.confusion,
        by_sex=summary.by_sex,
        by_speaker=summary.by_speaker,
        anchors=tuple(a for a in (chance("UAR", counts), chance("accuracy", counts)) if a is not None),
        temperature=1.0,
        calibration_error=(error, error),
    )


def _stamp(card: ModelCard, model: Path, utterances: Utterances, command: str) -> Stamp:
    manifest = utterances.manifest
    trained_on = [source.name for source in card.data]
    people = tuple(manifest.speakers)
    return Stamp(
        corpus=manifest.name,
        licence=manifest.licence or "licence not stated",
        labels=utterances.labels,
        label_map=utterances.corpora.joined.label_map,
        left_out=utterances.corpora.joined.left_out.total(),
        protocol=f"an exported network as it is, trained on {', '.join(trained_on)}; tested on all clips",
        folds=(FoldRecord(name=FOLD, train=(), valid=(), test=people, n_train=0, n_valid=0, n_test=len(manifest)),),
        selection=f"none: the network {content_hash(model)[:16]} as it is",
        seeds=(card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,  # a card names corpora, not people
    )
