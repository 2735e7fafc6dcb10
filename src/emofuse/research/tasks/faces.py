"""Faces to train on: FER+ and laboratory sets, drawn so that no set and no emotion drowns the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.emotions import FERPLUS
from emofuse.errors import RecipeError
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.face import SIZE
from emofuse.reading import first_line
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.readers.ferplus import read_ferplus, read_original_labels
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.registry import FACES, PORTRAITS
from emofuse.research.models.face import read_exported
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.augment import augment_faces
from emofuse.research.tasks.base import Example, Job, Task
from emofuse.research.tasks.batches import Batch, FaceBatches, one_hot
from emofuse.research.tasks.utterances import Hook

EDGE: Final = SIZE // 8  # pixels around a face that the augmentation may move into the picture: all that the sets have

FaceSet = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Grey faces (N, 60, 60), with EDGE around each, and their targets (N, C)."""


class DrawnFaces(FaceBatches):
    """Faces of which every epoch draws some, with replacement.

    Args:
        images: (N, S, S) uint8.
        targets: (N, C) float32, rows add up to 1.
        chances: (N,) how often each is drawn; they add up to 1. Not "weights", by which `EpochSampler` draws itself.
        n_drawn: Faces an epoch.
    """

    def __init__(
        self, images: NDArray[np.uint8], targets: NDArray[np.float32], chances: NDArray[np.float64], n_drawn: int
    ) -> None:
        super().__init__(images, targets)
        self.chances = chances
        self.n_drawn = n_drawn
        self.reseed(0, 0)

    def reseed(self, seed: int, epoch: int) -> None:
        """Draw the faces of one epoch."""
        random = np.random.default_rng((seed, epoch))
        self.drawn = random.choice(len(self.images), self.n_drawn, p=self.chances)

    def __len__(self) -> int:
        return self.n_drawn

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return faces (B, 1, S, S) float32 and targets (B, C) of this epoch's draw."""
        return super().__getitems__(self.drawn[list(indices)].tolist())


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFaces:
    """What a face network learns from. prior: (C,) how often each emotion is a target."""

    batches: FaceBatches
    prior: NDArray[np.float64]


def read_training_faces(
    settings: FaceDataSettings, data: str | Path, without: Mapping[str, frozenset[str]] | None = None
) -> TrainingFaces:
    """Read the sets that a recipe names.

    Args:
        settings: Which sets, and how they are drawn.
        data: The folder with ferplus.zip and faces/.
        without: People who are left out, by the name of their set.

    Returns:
        The faces, with EDGE pixels around each, and the prior of what is drawn.

    Raises:
        CorpusError: A set is not there, or is not whole.
    """
    absent = without or {}
    sets = {name: _read(name, settings, Path(data), absent.get(name, frozenset())) for name in settings.train_on}
    images, targets = (np.concatenate(arrays) for arrays in zip(*sets.values(), strict=True))
    if not settings.n_drawn:
        return TrainingFaces(FaceBatches(images, targets), targets.mean(axis=0, dtype=np.float64))
    shares = set_shares({name: len(images) for name, (images, _) in sets.items()}, settings.portrait_share)
    evenness = settings.evenness
    weights = np.concatenate([shares[name] * draw_weights(targets, evenness) for name, (_, targets) in sets.items()])
    return TrainingFaces(DrawnFaces(images, targets, weights, settings.n_drawn), weights @ targets)


def set_shares(sizes: Mapping[str, int], portrait_share: float) -> dict[str, float]:
    """Return how much of an epoch each set is: laboratory sets share theirs by the roots of their sizes.

    Example:
        >>> set_shares({"ferplus": 9000, "cfee": 900, "taiwan": 400}, 0.5)
        {'ferplus': 0.5, 'cfee': 0.3, 'taiwan': 0.2}
    """
    roots = {name: size**0.5 for name, size in sizes.items() if name in PORTRAITS}
    share = 0.0 if not roots else portrait_share if len(roots) < len(sizes) else 1.0
    return {name: share * roots[name] / sum(roots.values()) if name in roots else 1 - share for name in sizes}


def draw_weights(targets: NDArray[np.float32], evenness: float) -> NDArray[np.float64]:
    """Return (N,) weights that add up to 1, by which rare emotions are drawn more often.

    Args:
        targets: (N, C) distributions.
        evenness: 0: every face alike; 0.5: an emotion by the root of how many faces have it; 1: all emotions alike.
    """
    weights = targets.astype(np.float64) @ (targets.sum(axis=0, dtype=np.float64) + 1) ** -evenness
    return np.asarray(weights / weights.sum())


def _read(name: str, settings: FaceDataSettings, data: Path, without: frozenset[str]) -> FaceSet:
    if name in PORTRAITS:
        portraits = read_portraits(name, data)
        kept = portraits.of(np.array([subject not in without for subject in portraits.subjects], dtype=np.bool_))
        return kept.grey(SIZE, EDGE), kept.targets
    archive = data / "ferplus.zip"
    original = None
    if settings.original_share:
        original = read_original_labels(data / "faces" / "fer2013_labels.csv", archive, "Train")
    images, targets = read_ferplus(archive, "Train").distributions(original, settings.original_share)
    return np.pad(images, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), mode="edge"), targets


def read_portraits(name: str, data: str | Path) -> Portraits:
    """Read a laboratory set of the data folder. Raises CorpusError where it is not there."""
    return PORTRAITS[name].read(Path(data) / "faces" / f"{name}.zip")


class FaceTask(Task):
    """Single faces: 48 x 48 grey pictures under the labels of FER+."""

    name: ClassVar[str] = "ferplus"
    noun: ClassVar[str] = "faces"
    modality: ClassVar[str] = "face"
    kind: ClassVar[str] = "face"
    settings: ClassVar[type[FaceDataSettings]] = FaceDataSettings
    takes: ClassVar[str] = "faces"

    def network(
        self,
        recipe: Recipe,
        n_classes: int,
        weights: Mapping[str, Path] | None = None,
        dims: Mapping[str, int] | None = None,
    ) -> BuiltNetwork:
        """See Task. The norms of a network that starts from an exported one are folded, as they are in its file."""
        network = super().network(recipe, n_classes, weights, dims)
        if recipe.model.start_network:
            fold_norms(network)
        return network

    def prepare(
        self, recipe: Recipe, data: Path | None, validate: bool, notice: Callable[[str], None], hook: Hook | None
    ) -> tuple[Recipe, Job]:
        """See Task. FER+'s valid part validates always."""
        assert data is not None  # the data folder, which this task needs
        return recipe, face_job(recipe, data)

    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """See Task."""
        return InputSpec(kind="face", size_px=SIZE)

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """See Task."""
        settings = face_settings(recipe)
        sets: tuple[Corpus[Any], ...] = (replace(FACES["ferplus"], part="FER2013Train"), *PORTRAITS.values())
        used = [one for one in sets if one.name in settings.train_on]
        if settings.original_share and used[0].name == "ferplus":
            used[0] = replace(used[0], title="FER+, and the labels of FER2013")
        return tuple(used)

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        return [(torch.rand(n, 1, SIZE, SIZE, generator=random) * 255,) for n in (2, 1, 7)]


def face_settings(recipe: Recipe) -> FaceDataSettings:
    """Return a recipe's settings of faces. Raises RecipeError for a recipe of something else."""
    if not isinstance(recipe.data, FaceDataSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {recipe.data.corpus!r} with {recipe.model.name!r}")
    return recipe.data


def face_job(recipe: Recipe, data: str | Path, without: Mapping[str, frozenset[str]] | None = None) -> Job:
    """Prepare a training on faces: distributions of the train part of FER+ and of laboratory sets; majority labels of
    FER+'s valid part validate.

    without: people who are left out, by the name of their set. Raises CorpusError where a set is not there, RecipeError
    where the model is no face network or starts from another one's weights.
    """
    settings = face_settings(recipe)
    torch.manual_seed(recipe.seed)
    network = FaceTask().network(recipe, len(FERPLUS))
    if recipe.model.start_network:
        start_from(network, Path(recipe.model.start_network))
    faces = read_training_faces(settings, data, without)
    valid_images, valid_labels = read_ferplus(Path(data) / "ferplus.zip", "Valid").majority()
    parts = (faces.batches.images.numpy(), faces.batches.targets.numpy(), valid_images, valid_labels)
    return Job(
        network=network,
        labels=FERPLUS,
        train=faces.batches,
        valid=FaceBatches(valid_images, one_hot(valid_labels, len(FERPLUS))),
        augment_input=lambda faces, generator: augment_faces(faces, settings, generator),
        augment_features=None,
        monitor="val_accuracy",
        fingerprint=hashlib.sha256(b"".join(a.tobytes() for a in parts)).hexdigest(),
        class_prior=torch.from_numpy(faces.prior).float(),
    )


def start_from(network: BuiltNetwork, path: Path) -> None:
    """Give a face network the weights of an exported one, and set it to training.

    Raises BundleError where there is no such file, RecipeError where its network has another form or other labels.
    """
    OnnxNetwork(path)
    try:
        network.load_state_dict(read_exported(path).state_dict())
    except (KeyError, ValueError, RuntimeError) as error:
        reason = first_line(error)[:160]
        raise RecipeError(
            f"model.start: {path} is no exported face network of this form: {reason}",
            "train and export the recipe that it comes from, or set model.start=''",
        ) from None
    network.train()
