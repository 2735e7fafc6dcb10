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

from emofuse.card import DataSource, InputSpec
from emofuse.emotions import FERPLUS
from emofuse.errors import BundleError, RecipeError, UsageError
from emofuse.inference.network import OnnxNetwork, read_card, softmax
from emofuse.preprocessing.face import resized
from emofuse.reading import first_line
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.ferplus import read_ferplus, read_original_labels
from emofuse.research.corpora.readers.portraits import Portraits
from emofuse.research.corpora.registry import FACES, PORTRAITS, portrait_corpus
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.models.face import load_exported
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.augment import augment_faces
from emofuse.research.tasks.base import Example, Job, UtteranceTask, class_prior, pretrained_weights, with_teachers
from emofuse.research.tasks.batches import Augment, Batch, FaceBatches, one_hot
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances

UNKNOWN_FACES: Final = "It is not known which faces {} learnt from: none of its scores is surely of strangers."

N_VALIDATING: Final = 4  # people of each set, in a cross-validation

FaceSet = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Grey faces with their edges, (N, 60, 60) where a face has 48 pixels, and their targets (N, C)."""


def edge_px(size_px: int) -> int:
    """Return how many pixels around a face of this size the augmentation may move into the picture: all that the
    laboratory sets have."""
    return size_px // 8


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
        The faces with their edges, and the prior of what is drawn.

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
    roots = {name: size**0.5 for name, size in sizes.items() if name not in FACES}
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
    if name not in FACES:
        portraits = read_portraits(name, data)
        kept = portraits.of(np.array([subject not in without for subject in portraits.subjects], dtype=np.bool_))
        kept = kept if settings.compounds else kept.scored()
        return kept.grey(settings.size_px, edge_px(settings.size_px)), kept.targets
    archive = data / "ferplus.zip"
    original = None
    if settings.original_share:
        original = read_original_labels(data / "faces" / "fer2013_labels.csv", archive, "Train")
    images, targets = read_ferplus(archive, "Train").distributions(original, settings.original_share)
    edge = edge_px(settings.size_px)
    return np.pad(resized(images, settings.size_px), ((0, 0), (edge, edge), (edge, edge)), mode="edge"), targets


def read_portraits(name: str, data: str | Path) -> Portraits:
    """Read a laboratory set of the data folder. Raises CorpusError where it is not there."""
    return portrait_corpus(name).read(_archive(name, Path(data)))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FaceData(Utterances):
    """Faces to be cross-validated.

    wide: (N, S, S) uint8, with their edges, which are trained on; faces: (N, P, P) uint8, which are tested;
    distributions: (N, C) float32; sets: the set of each, (N,).
    """

    settings: FaceDataSettings
    wide: NDArray[np.uint8]
    faces: NDArray[np.uint8]
    distributions: NDArray[np.float32]
    sets: tuple[str, ...]

    def targets(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Return (N, C) label distributions."""
        return self.distributions[list(indices)]

    def batches(self, indices: Sequence[int]) -> FaceBatches:
        """Make an evaluation set, whose targets are the one label that is scored."""
        return FaceBatches(self.faces[list(indices)], one_hot(self.truth(indices), len(self.labels)))

    def training(self, indices: Sequence[int]) -> FaceBatches:
        """Make a training set, drawn as the recipe has it."""
        chosen = list(indices)
        weights = self.shares(chosen)
        if weights is None:
            return FaceBatches(self.wide[chosen], self.targets(chosen))
        return DrawnFaces(self.wide[chosen], self.targets(chosen), weights, self.settings.n_drawn)

    def shares(self, indices: Sequence[int]) -> NDArray[np.float64] | None:
        """Return (N,) how often each face of a training part is drawn; they add up to 1. None: each once."""
        if not self.settings.n_drawn:
            return None
        of_set = np.array([self.sets[i] for i in indices])
        names = list(dict.fromkeys(of_set.tolist()))
        shares = set_shares({name: int((of_set == name).sum()) for name in names}, self.settings.portrait_share)
        weights, targets = np.zeros(len(indices)), self.targets(indices)
        for name in names:
            weights[of_set == name] = shares[name] * draw_weights(targets[of_set == name], self.settings.evenness)
        return weights


class FaceTask(UtteranceTask):
    """Single faces: 48 x 48 grey pictures under the labels of FER+."""

    name: ClassVar[str] = "ferplus"
    noun: ClassVar[str] = "faces"
    modality: ClassVar[str] = "face"
    kind: ClassVar[str] = "face"
    settings: ClassVar[type[FaceDataSettings]] = FaceDataSettings
    takes: ClassVar[str] = "faces"
    needs_folder: ClassVar[bool] = True
    protocol: ClassVar[str] = "all-corpora"
    group: ClassVar[str] = "subject"

    def label_set(self, recipe: Recipe) -> str:
        """See UtteranceTask."""
        return "ferplus-8"

    def n_validating(self, recipe: Recipe) -> int:
        """See UtteranceTask."""
        return N_VALIDATING

    def is_tested(self, name: str) -> bool:
        """See UtteranceTask: nobody knows who is on the pictures of FER+."""
        return name not in FACES

    def find(
        self, recipe: Recipe, names: Sequence[str], data: str | Path | None
    ) -> tuple[list[Manifest], tuple[FeatureSet, ...]]:
        """See UtteranceTask. Faces of a laboratory set that have no single emotion are left out."""
        return [_manifest(name, Path(data or ".")) for name in names], ()

    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> FaceData:
        """See UtteranceTask. Raises RecipeError for a recipe with teachers, who may have seen what is tested."""
        settings = face_settings(recipe)
        if settings.teachers:
            raise RecipeError(f"recipe {recipe.name!r}: teachers may have seen what is tested", "set data.teachers=[]")
        manifest = corpora.joined.manifest
        known = dict.fromkeys((*settings.train_on, *FACES, *PORTRAITS))
        archives = {
            path: next(name for name in known if _archive(name, _data_folder(path)) == path)
            for path in dict.fromkeys(clip.path.parent for clip in manifest)
        }
        read = {path: _faces_of(name, _data_folder(path), settings) for path, name in archives.items()}
        rows = [(read[clip.path.parent], int(clip.path.name)) for clip in manifest]
        wide, faces, targets = (np.stack([arrays[k][row] for arrays, row in rows]) for k in range(3))
        return FaceData(
            settings=settings,
            corpora=corpora,
            digests=tuple(hashlib.sha256(face.tobytes()).hexdigest() for face in faces),
            wide=wide,
            faces=faces,
            distributions=targets,
            sets=tuple(archives[clip.path.parent] for clip in manifest),
        )

    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """See UtteranceTask."""
        settings = face_settings(recipe)
        return lambda faces, generator: augment_faces(faces, settings, generator), None

    def start(self, recipe: Recipe, network: BuiltNetwork, data: Utterances, parts: Sequence[Sequence[int]]) -> None:
        """See UtteranceTask. Raises UsageError where the network that a recipe starts from knows a set that is
        tested."""
        if recipe.model.start_network:
            assert isinstance(data, FaceData)
            for name in dict.fromkeys(data.sets[i] for i in parts[2]):
                check_start(recipe, name)
            start_from(network, Path(recipe.model.start_network))

    def training(
        self, recipe: Recipe, data: Utterances, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
    ) -> Job:
        """See UtteranceTask. The prior is that of what is drawn."""
        assert isinstance(data, FaceData)
        prior = class_prior(data.targets(train), data.shares(train))
        return replace(super().training(recipe, data, network, train, valid), class_prior=prior)

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
        return InputSpec(kind="face", size_px=face_settings(recipe).size_px)

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """See Task."""
        settings = face_settings(recipe)
        own = [portrait_corpus(name) for name in settings.train_on if ":" in name]
        sets: tuple[Corpus[Any], ...] = (replace(FACES["ferplus"], part="FER2013Train"), *PORTRAITS.values(), *own)
        used = [one for one in sets if one.name in settings.train_on]
        if settings.original_share and used[0].name == "ferplus":
            used[0] = replace(used[0], title="FER+, and the labels of FER2013")
        return tuple(used)

    def sources(self, recipe: Recipe) -> tuple[DataSource, ...]:
        """See Task. What the teachers were made of beside the same sets counts, too."""
        return with_teachers(super().sources(recipe), face_settings(recipe).teachers)

    def cautions(self, recipe: Recipe) -> tuple[str, ...]:
        """See Task. What a teacher's card must say, its pupil's must, too."""
        teachers = [Path(path) for path in face_settings(recipe).teachers]
        taught = [caution for path in teachers if path.exists() for caution in read_card(path).cautions]
        own = [UNKNOWN_FACES.format("facex's network")] if recipe.model.own_files else []
        return tuple(dict.fromkeys((*super().cautions(recipe), *own, *taught)))

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        assert spec.size_px is not None
        return [(torch.rand(n, 1, spec.size_px, spec.size_px, generator=random) * 255,) for n in (2, 1, 7)]


def logits_of(network: OnnxNetwork, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits, (N, C), of a face network for grey faces, (N, S, S), which are given in its own size."""
    parts = np.array_split(faces, max(1, len(faces) // 64))
    return np.concatenate([network.logits(as_input(network.card.input, part)) for part in parts])


def logits_of_portraits(network: OnnxNetwork, faces: Portraits) -> NDArray[np.float32]:
    """Return the logits, (N, C), of a face network for the faces of a laboratory set, cut as the product would."""
    assert network.card.input.size_px is not None  # of a network of faces
    return logits_of(network, faces.grey(network.card.input.size_px))


def as_input(spec: InputSpec, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return grey faces (N, S, S) as a network of faces is given them: (N, 1, P, P) float32."""
    assert spec.size_px is not None  # by the card, of a network of faces
    return resized(faces, spec.size_px)[:, None].astype(np.float32)


def check_start(recipe: Recipe, name: str) -> None:
    """Raise UsageError where what a recipe starts from, or a teacher, learnt from the set that is to be left out."""
    title = FACES[name].title if name in FACES else portrait_corpus(name).title
    roles = dict.fromkeys(face_settings(recipe).teachers, ("who teaches", "data.teachers=[]"))
    if start := recipe.model.start_network:
        roles[start] = ("where the training starts", "model.start=''")
    for network, (role, without) in roles.items():
        if any(title in name for name in read_card(network).learnt_from):
            raise UsageError(f"{network}, {role}, knows {title}", f"set {without} or another")


def _archive(name: str, data: Path) -> Path:
    """Return where a set lies in the data folder."""
    if name in FACES:
        return data / f"{name}.zip"
    return data / "faces" / (name.rpartition(":")[2] if ":" in name else f"{name}.zip")


def _manifest(name: str, data: Path) -> Manifest:
    archive = _archive(name, data)
    if name in FACES:
        images, targets = read_ferplus(archive, "Train").distributions(None, 0.0)
        emotions, people = targets.argmax(axis=1), [f"{name}-{number:05}" for number in range(len(images))]
        corpus: Corpus[Any] = FACES[name]
    else:
        corpus, portraits = portrait_corpus(name), read_portraits(name, data).scored()
        emotions, people = portraits.truth, [f"{name}-{subject}" for subject in portraits.subjects]
    clips = tuple(
        Clip(archive / f"{number:05}", FERPLUS[emotion], person, licence=corpus.licence, style=corpus.style)
        for number, (emotion, person) in enumerate(zip(emotions.tolist(), people, strict=True))
    )
    return Manifest(corpus.title, FERPLUS, clips, corpus.licence)


def _data_folder(archive: Path) -> Path:
    """Return the data folder of a set that lies where `_archive` says."""
    return archive.parent if archive.stem in FACES else archive.parents[1]


def _faces_of(
    name: str, data: Path, settings: FaceDataSettings
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """Return of a set's faces, as `_manifest` has them, those to train on, those to test, and the targets."""
    if name not in FACES:
        portraits = read_portraits(name, data).scored()
        edge = edge_px(settings.size_px)
        return portraits.grey(settings.size_px, edge), portraits.grey(settings.size_px), portraits.targets
    wide, targets = _read(name, settings, data, frozenset())
    return wide, _inner(wide), targets


def _inner(wide: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return faces without their edges: (N, S, S) of (N, 1.25 S, 1.25 S)."""
    edge = wide.shape[1] // 10
    return wide[:, edge:-edge, edge:-edge]


def face_settings(recipe: Recipe) -> FaceDataSettings:
    """Return a recipe's settings of faces. Raises RecipeError for a recipe of something else."""
    if not isinstance(recipe.data, FaceDataSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {recipe.data.corpus!r} with {recipe.model.name!r}")
    return recipe.data


def face_job(recipe: Recipe, data: str | Path, without: Mapping[str, frozenset[str]] | None = None) -> Job:
    """Prepare a training on faces: distributions of the train part of FER+ and of laboratory sets; majority labels of
    FER+'s valid part validate.

    without: people who are left out, by the name of their set. Raises CorpusError where a set is not there, RecipeError
    where the model is not a face network or starts from another one's weights, BundleError for a teacher that cannot be
    used, AssetError where pretrained weights cannot be had.
    """
    settings = face_settings(recipe)
    torch.manual_seed(recipe.seed)
    network = FaceTask().network(recipe, len(FERPLUS), pretrained_weights(recipe))
    if recipe.model.start_network:
        start_from(network, Path(recipe.model.start_network))
    faces = read_training_faces(settings, data, without)
    if settings.teachers:
        log_prior = recipe.train.logit_adjustment * np.log(faces.prior.clip(min=1e-4))  # as Classifier has it
        faces.batches.targets = torch.from_numpy(taught(settings, faces.batches, log_prior))
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


def taught(settings: FaceDataSettings, faces: FaceBatches, log_prior: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the targets (N, C) of wide faces, with what the teachers answer in them.

    log_prior: (C,) what the training adds to the network's logits, and so to the teachers'.
    """
    cut = _inner(faces.images.numpy())
    offset = settings.teacher_temperature * log_prior.astype(np.float32)
    answers = [
        softmax(logits_of(teacher, cut) + offset, settings.teacher_temperature)
        for teacher in map(face_network, settings.teachers)
    ]
    share = np.float32(settings.teacher_share)
    return np.asarray((1 - share) * faces.targets.numpy() + share * np.mean(answers, axis=0), dtype=np.float32)


def face_network(path: str | Path) -> OnnxNetwork:
    """Load a network of faces under FER+'s labels. Raises BundleError for one of something else."""
    network = OnnxNetwork(path)
    if network.card.modality != "face" or network.card.labels != FERPLUS:
        raise BundleError(f"{Path(path).name} is not a network of faces under FER+'s labels")
    return network


def start_from(network: BuiltNetwork, path: Path) -> None:
    """Give a face network the weights of an exported one, and set it to training.

    Raises BundleError where there is no such file, RecipeError where its network has another form or other labels.
    """
    try:
        load_exported(network, path)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = first_line(error)[:160]
        raise RecipeError(
            f"model.start: {path} is not an exported face network of this form: {reason}",
            "train and export the recipe that it comes from, or set model.start=''",
        ) from None
    network.train()
