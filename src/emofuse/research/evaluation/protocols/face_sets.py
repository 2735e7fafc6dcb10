"""Faces of people that a network does not know: laboratory sets, tested whole or by people left out of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.emotions import FERPLUS
from emofuse.errors import UsageError
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.registry import PORTRAITS
from emofuse.research.evaluation.protocols.pretrained_faces import evaluate_faces
from emofuse.research.evaluation.protocols.pretrained_parts import report_on_part
from emofuse.research.evaluation.scores.metrics import confusion_counts, uar_of
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, FoldRecord, ReportProvenance
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.faces import (
    check_start,
    edge_px,
    face_job,
    face_network,
    face_settings,
    logits_of,
    logits_of_portraits,
    read_portraits,
)
from emofuse.research.training.export import export
from emofuse.research.training.fit import fit

N_FOLDS: Final = 5
SUBJECTS: Final = "subject-5fold"
Result = tuple[EvaluationReport, Predictions]

FRAMINGS: Final = {
    "as the product frames": (1.0, 0.0, 0.0),
    "20 % wider": (1.2, 0.0, 0.0),
    "20 % narrower": (0.8, 0.0, 0.0),
    "shifted by 8 %": (1.0, 0.08, 0.0),
    "rotated by 15 degrees": (1.0, 0.0, 15.0),
}
"""By name: how much wider a crop is, by how much of its width it is shifted, and degrees of rotation."""


def evaluate_portraits(model: str | Path, name: str, data: str | Path, command: str) -> Result:
    """Score a face network as it is on all faces of a laboratory set that have one emotion.

    Emotions that the set has not are left out of the answers. Intervals resample people.

    Args:
        model: The exported network.
        name: One of `registry.PORTRAITS`.
        data: The folder with faces/.
        command: What makes the numbers again.

    Raises:
        CorpusError: The set is not there.
        BundleError: The file is not a network of faces under FER+'s labels.
    """
    network = face_network(model)
    faces = read_portraits(name, data).scored()
    return _report(network, name, faces, logits_of_portraits(network, faces), command, is_zero_shot=True)


def evaluate_left_out(
    recipe: Recipe, name: str, data: str | Path, folder: Path, command: str, device: str = "cpu"
) -> Result:
    """Train a face recipe without one of its sets, and score it on that set: FER+'s test part, or all of another.

    What was trained before in `folder` is not trained again. Raises UsageError where nothing is left to train on.
    """
    settings = face_settings(recipe)
    rest = tuple(other for other in settings.train_on if other != name)
    if not rest:
        raise UsageError(f"{name} is all that {recipe.name} is trained on", "name more with data.train_on")
    check_start(recipe, name)
    without = recipe.model_copy(update={"data": settings.model_copy(update={"train_on": rest})})
    model = _train(without, data, folder, device)
    if name in PORTRAITS:
        return evaluate_portraits(model, name, data, command)
    return evaluate_faces(model, data, command)


def cross_validate_subjects(
    recipe: Recipe, name: str, data: str | Path, folder: Path, command: str, device: str = "cpu"
) -> Result:
    """Score a laboratory set by 5 folds over its people: each is trained without the people that it is tested on, and
    with all of the recipe's other sets. The folds of all laboratory sets are left out together, so that their reports
    share the trainings.
    """
    settings = face_settings(recipe)
    sets: dict[str, Portraits] = {each: read_portraits(each, data) for each in settings.train_on if each in PORTRAITS}
    if name not in sets:
        raise UsageError(f"{recipe.name} is not trained on {name}", "name it in data.train_on")
    check_start(recipe, name)
    faces = sets[name].scored()
    logits = np.zeros((len(faces.truth), len(FERPLUS)), np.float32)
    folds = _scored_folds(sets[name])
    for fold in range(N_FOLDS):
        without = {
            each: frozenset(s for s, k in zip(of.subjects, of.folds(N_FOLDS), strict=True) if k == fold)
            for each, of in sets.items()
        }
        network = face_network(_train(recipe, data, folder / f"fold-{fold + 1}", device, without))
        logits[folds == fold] = logits_of_portraits(network, faces.of(folds == fold))
    return _report(network, name, faces, logits, command, is_zero_shot=False)


def framing_scores(network: OnnxNetwork, faces: Portraits) -> dict[str, float]:
    """Return the UAR of a network on faces that are cut otherwise than the product would, by the name in FRAMINGS."""
    scores = {}
    size_px = network.card.input.size_px
    assert size_px is not None  # of a network of faces
    for name, (wider, shift, degrees) in FRAMINGS.items():
        cut = np.stack([_cut(image, size_px, wider, shift, degrees) for image in faces.images])
        guess = logits_of(network, cut).argmax(axis=1)
        scores[name] = float(uar_of(confusion_counts(faces.truth, guess, len(FERPLUS))))
    return scores


def _cut(image: NDArray[np.uint8], size_px: int, wider: float, shift: float, degrees: float) -> NDArray[np.uint8]:
    """Cut (size_px, size_px) grey pixels out of a portrait (140, 140, 3), whose middle is the framing's."""
    wide = size_px + 2 * edge_px(size_px)
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (wide, wide), interpolation=cv2.INTER_AREA)
    middle = (wide - 1) / 2
    matrix = np.array(cv2.getRotationMatrix2D((middle, middle), degrees, 1 / wider), dtype=np.float64)
    matrix[:, 2] += np.array([shift * size_px, 0]) - (wide - size_px) / 2
    cut = cv2.warpAffine(grey, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, dtype=np.uint8)


def _train(
    recipe: Recipe, data: str | Path, folder: Path, device: str, without: dict[str, frozenset[str]] | None = None
) -> Path:
    """Train and export. Returns the exported network."""
    result = fit(recipe, face_job(recipe, data, without), folder, device=device, progress=False)
    model = folder / "face.onnx"
    export(result.weights, model)
    return model


def _scored_folds(faces: Portraits) -> NDArray[np.int64]:
    """Return the folds of the faces that are scored, with people as the whole set has them."""
    numbered = replace(faces, files=tuple(map(str, faces.folds(N_FOLDS).tolist())))
    return np.array(list(map(int, numbered.scored().files)), dtype=np.int64)


def _report(
    network: OnnxNetwork, name: str, faces: Portraits, logits: NDArray[np.float32], command: str, is_zero_shot: bool
) -> Result:
    corpus = PORTRAITS[name]
    kept = [FERPLUS.index(label) for label in corpus.labels]
    truth = np.array([kept.index(label) for label in faces.truth.tolist()], dtype=np.int64)
    people = tuple(sorted(set(faces.subjects)))
    trained_on = ", ".join(network.card.learnt_from)
    how = "all of it, by a network that was trained on" if is_zero_shot else f"{N_FOLDS} folds over people; trained on"
    fold = FoldRecord(name=name, train=(), valid=(), test=people, n_train=0, n_valid=0, n_test=len(truth))
    stamp = ReportProvenance(
        corpus=corpus.title,
        licence=corpus.licence,
        labels=corpus.labels,
        label_map={},
        protocol=f"{corpus.title}, {len(corpus.labels)} classes: {how} {trained_on}",
        folds=(fold,),
        selection="none: the last epoch; FER+'s valid part shows how it goes",
        seeds=(network.card.seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        # a card names sets, not people
        leaky=None if is_zero_shot and corpus.title in trained_on else False,
    )
    title = f"{network.card.name} on {corpus.title}"
    return report_on_part(title, network, stamp, logits[:, kept], truth, 1.0, units=faces.subjects)
