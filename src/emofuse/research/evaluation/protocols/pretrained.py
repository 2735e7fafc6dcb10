"""An exported network or a model of one's own, as it is, on utterances of a corpus: nothing is trained or chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from emofuse import __version__
from emofuse.card import ModelCard
from emofuse.emotions import BASE, mapping_matrix
from emofuse.errors import BundleError, CorpusError, UsageError
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.inference.own_model import FACE_MARGIN, FACE_PX, RATE_HZ, OwnModel
from emofuse.preprocessing.face_clip import choose_frames
from emofuse.research.corpora.cache import FeatureCache, content_hash
from emofuse.research.corpora.face_clips import read_face_clip
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.relabel import Relabelled, join, relabel
from emofuse.research.evaluation.protocols.cross_validation import clip_names
from emofuse.research.evaluation.scores.baselines import chance
from emofuse.research.evaluation.scores.metrics import expected_calibration_error
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord, ReportProvenance
from emofuse.research.evaluation.scores.summary import summarise
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.clips import VideoData, decode_video
from emofuse.research.tasks.faces import logits_of
from emofuse.research.tasks.speech import decoded_samples
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, find_corpus
from emofuse.research.training.jobs import decode_utterances

LABELS: Final = "basic-7"  # on whose part that the corpus has a network is tested
FOLD: Final = "as it is"
N_PICTURES: Final = 16  # of a clip, that a model of one's own is given
_HOW: Final = {
    "face": f", given {N_PICTURES} faces of each film",
    "voice": ", given all of each utterance",
    "text": ", given the words of each utterance",
}


def evaluate_pretrained(
    model: Path | OwnModel, test_on: Sequence[str], data: Path | None, command: str, hook: Hook | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Score a network of faces, voices or clips, or a model of one's own, on all utterances of corpora, on the basic
    emotions that they have.

    A network of faces scores every picture, a model of one's own N_PICTURES of them, spread over the clip; a clip's
    answer is the mean of the probabilities, of faces and of windows of sound. Raises CorpusError for a corpus that has
    no film, no sound or no words for it.
    """
    if not test_on:
        raise UsageError("--test names no corpus")
    joined = _tested(test_on, data)
    labels, n_clips = joined.manifest.labels, len(joined.manifest)
    columns = [BASE.index(label) for label in labels]  # what is said of emotions that the corpus has not is left out
    if isinstance(model, OwnModel):
        answers, matrix, card = _own_answers(model, joined.manifest, hook), model.matrix(BASE)[:, columns], model.card
        digest, how = model.sha256 or "of unknown hash", f"a model of one's own as it is{_HOW[model.modality]}"
    else:
        network = OnnxNetwork(model)
        utterances = _decoded(network.card, Corpora(joined, joined.manifest), hook)
        card, answers = network.card, _answers(network, utterances)
        matrix, digest = mapping_matrix(card.labels, BASE)[:, columns], content_hash(model)
        how = f"an exported network as it is, trained on {', '.join(card.learnt_from)}"
    rows = []
    for number, found in enumerate(answers, start=1):
        mapped = (found @ matrix).mean(axis=0) + 1e-6
        rows.append(mapped / mapped.sum())
        if hook is not None:
            hook("scoring", number, n_clips)
    predictions = _predictions(card, joined, np.stack(rows).astype(np.float32))
    stamp = _provenance(card, joined, f"{how}; tested on all clips", digest, command)
    return _report(card, stamp, predictions, joined.manifest.name), predictions


def _tested(test_on: Sequence[str], data: Path | None) -> Relabelled:
    """Read corpora, and return their clips of the basic emotions as one."""
    joined = join([relabel(find_corpus(name, data), LABELS) for name in test_on])
    present = {clip.emotion for clip in joined.manifest}
    labels = tuple(label for label in joined.manifest.labels if label in present)
    names = clip_names(joined.manifest)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{twice} is in two of the corpora that are to be tested on")
    return replace(joined, manifest=replace(joined.manifest, labels=labels))


def _own_answers(model: OwnModel, manifest: Manifest, hook: Hook | None) -> Iterator[NDArray[np.float32]]:
    """Yield (K, C) probabilities of each clip: of its pictures, of its windows of sound, or of its words."""
    cache = FeatureCache()
    if model.modality == "text":
        without = [clip for clip in manifest if not clip.text]
        if without:
            what = f"{len(without)} of {len(manifest)} clips of {manifest.name} have no words"
            raise CorpusError(what, "a manifest (CSV) has them in the column `text`")
    for clip in manifest:
        given: Sequence[Any]
        if model.modality == "text":
            given = [clip.text]
        elif model.modality == "voice":
            given = _windows(decoded_samples(clip, cache), model.window_s)
        else:
            faces = read_face_clip(clip, FACE_PX, FACE_MARGIN, YuNetDetector, cache)
            chosen = choose_frames(len(faces), min(N_PICTURES, len(faces)), "uniform")
            given = list(faces.frames(chosen, FACE_PX))
        yield softmax(model.logits(given))


def _windows(samples: NDArray[np.int16], window_s: float) -> list[NDArray[np.float32]]:
    """Cut sound into as few windows as cover it, evenly spread; what is shorter is one."""
    sound, n_window = samples.astype(np.float32) / np.float32(32768), round(window_s * RATE_HZ)
    n_windows = max(1, -(-len(sound) // n_window))
    starts = np.linspace(0, max(0, len(sound) - n_window), n_windows).round().astype(int)
    return [sound[start : start + n_window] for start in starts]


def _decoded(card: ModelCard, corpora: Corpora, hook: Hook | None) -> Utterances:
    if card.modality == "face":
        return decode_video(VideoDataSettings(), corpora, uses_audio=False, hook=hook)
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
            yield softmax(logits_of(network, _inner_grey(pictures, utterances.settings.margin)))
        return
    batches = utterances.batches(range(len(utterances.manifest)))
    for i in range(len(utterances.manifest)):
        x, _ = batches[i]
        if network.card.modality == "voice":
            yield softmax(network.logits(x.numpy()))  # as many windows
            continue
        logits = network.logits(*(one.numpy()[None] for one in (x if isinstance(x, tuple) else (x,))))
        yield softmax(logits[0] if logits.ndim == 3 else logits)


def _inner_grey(pictures: NDArray[np.uint8], margin: float) -> NDArray[np.uint8]:
    """Return crops (T, S, S, 3) with a margin grey and without it: (T, P, P)."""
    size = pictures.shape[1]
    edge = round(size * margin / (1 + 2 * margin))
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[edge : size - edge, edge : size - edge] for picture in pictures]
    return np.asarray(grey, dtype=np.uint8)


def _predictions(card: ModelCard, joined: Relabelled, probabilities: NDArray[np.float32]) -> Predictions:
    manifest = joined.manifest
    return Predictions(
        clips=clip_names(manifest),
        speakers=tuple(clip.speaker for clip in manifest),
        sexes=tuple(clip.sex for clip in manifest),
        folds=(FOLD,) * len(manifest),
        labels=manifest.labels,
        seeds=(card.seed,),
        truth=np.array([manifest.labels.index(clip.emotion) for clip in manifest], dtype=np.int64),
        log_probabilities=np.log(probabilities)[None],
    )


def _report(card: ModelCard, stamp: ReportProvenance, predictions: Predictions, corpus: str) -> EvaluationReport:
    summary = summarise(predictions, [FOLD])
    counts = np.bincount(predictions.truth, minlength=len(predictions.labels)).tolist()
    error = expected_calibration_error(np.exp(predictions.log_probabilities[0]), predictions.truth)
    return EvaluationReport(
        title=f"{card.name} as it is, on {corpus}",
        model=card.name,
        n_parameters=card.n_parameters,
        stamp=stamp,
        metrics=summary.metrics,
        per_class=summary.per_class,
        confusion=summary.confusion,
        by_sex=summary.by_sex,
        by_speaker=summary.by_speaker,
        anchors=tuple(a for a in (chance("UAR", counts), chance("accuracy", counts)) if a is not None),
        temperature=1.0,
        calibration_error=(error, error),
    )


def _provenance(card: ModelCard, joined: Relabelled, protocol: str, digest: str, command: str) -> ReportProvenance:
    manifest = joined.manifest
    people = tuple(manifest.speakers)
    return ReportProvenance(
        corpus=manifest.name,
        licence=manifest.licence or "licence not stated",
        labels=manifest.labels,
        label_map=joined.label_map,
        left_out=joined.left_out.total(),
        protocol=protocol,
        folds=(FoldRecord(name=FOLD, train=(), valid=(), test=people, n_train=0, n_valid=0, n_test=len(manifest)),),
        selection=f"none: the network {digest[:16]} as it is",
        seeds=(card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=None,  # a card names corpora, not people
    )
