"""What a task is: one kind of data, and all that trainings, tests and cards ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from emofuse.assets import find
from emofuse.card import DataSource, InputSpec
from emofuse.errors import AssetError, BundleError, RecipeError, UsageError
from emofuse.inference.network import read_card
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.models.registry import BuiltNetwork, NetworkSettings, build, goes_with
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.batches import Augment, Batch
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, find_corpora, read_corpora, utterance_settings
from emofuse.settings import Settings

Monitor: TypeAlias = Literal["val_accuracy", "val_uar"]
Example: TypeAlias = tuple[Tensor, ...]  # what a network's forward takes, in order


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What a recipe comes to: a network, its data and its labels. `valid` None: nothing is selected on.

    fingerprint: a hash of the data, so that a run is never resumed with other data. class_weights, class_prior: see
    `module.Classifier`. smaller: the settings to lower where the memory does not hold a batch. left_out: the names
    in `data.train_on` of corpora that it has nothing of: the weights do not name them.
    """

    network: nn.Module
    labels: tuple[str, ...]
    train: Dataset[Batch]
    valid: Dataset[Batch] | None
    augment_input: Augment
    augment_features: Augment | None
    monitor: Monitor
    fingerprint: str
    class_weights: Tensor | None = None
    class_prior: Tensor | None = None
    smaller: tuple[str, ...] = ("train.batch_size",)
    left_out: tuple[str, ...] = ()


class Task(ABC):
    """One kind of data. Trainings, tests, exports and cards ask it, and never what the settings are.

    Attributes:
        name: What `data.corpus` of a recipe calls it.
        noun: What its examples are called in messages.
        modality: What its networks are in a bundle.
        kind: What `InputSpec.kind` of its networks is.
        settings: The settings of its data.
        takes: The input of a network of one's own.
        smaller: The settings to lower, beside the batch, where the memory does not hold one.
        needs_folder: Whether its corpora are always looked for in the data folder.
        knows_people: Whether it is known who the examples are of, so that a report tells of them.

    Example:
        >>> from emofuse.research.tasks.registry import TASKS
        >>> {task.name: task.modality for task in TASKS}
        {'ferplus': 'face', 'speech': 'voice', 'video': 'clip', 'features': 'fusion', 'text': 'text'}
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    modality: ClassVar[str]
    kind: ClassVar[str]
    settings: ClassVar[type[Settings]]
    takes: ClassVar[str] = "samples"
    smaller: ClassVar[tuple[str, ...]] = ()
    needs_folder: ClassVar[bool] = True
    knows_people: ClassVar[bool] = True

    def check(self, recipe: Recipe) -> None:
        """Check that a recipe's model goes with its data.

        Args:
            recipe: Of this task.

        Raises:
            RecipeError: It does not.
        """
        if not goes_with(recipe.model, self.name):
            raise self.crossed(recipe)

    def crossed(self, recipe: Recipe) -> RecipeError:
        """Make the error of a model that does not go with the data.

        Args:
            recipe: Of this task.

        Returns:
            The error, to be raised.
        """
        return RecipeError(f"recipe {recipe.name!r} pairs {recipe.data.corpus!r} with {recipe.model.name!r}")

    def network(
        self,
        recipe: Recipe,
        n_classes: int,
        weights: Mapping[str, Path] | None = None,
        dims: Mapping[str, int] | None = None,
    ) -> BuiltNetwork:
        """Make a recipe's network.

        Args:
            recipe: Of this task.
            n_classes: How many labels there are.
            weights: Files by the names of their assets; what has none starts from random weights.
            dims: Where the data are features, how many there are of each modality, in order.

        Returns:
            The network.

        Raises:
            RecipeError: The model is not a network, or does not go with the data.
        """
        if recipe.model.learner != "network":
            raise self.crossed(recipe)
        self.check(recipe)
        settings = cast(NetworkSettings, recipe.model)
        return build(settings, n_classes, weights, takes=self.takes, **self.made_with(recipe, dims))

    def made_with(self, recipe: Recipe, dims: Mapping[str, int] | None) -> dict[str, Any]:
        """Choose what else a network is made with.

        Args:
            recipe: Of this task.
            dims: As of `network`.

        Returns:
            Arguments of `models.registry.build`, by their names.
        """
        return {}

    @abstractmethod
    def prepare(
        self, recipe: Recipe, data: Path | None, validate: bool, notice: Callable[[str], None], hook: Hook | None
    ) -> tuple[Recipe, Job]:
        """Prepare a training on all of a recipe's training data.

        Args:
            recipe: Of this task.
            data: The folder of the corpora.
            validate: Whether speakers are held out, to stop early and choose the epoch by.
            notice: Gets lines on what is not as it could be.
            hook: Is called with a step, and how many are done of how many.

        Returns:
            The recipe, as it can be trained here, and the job.

        Raises:
            CorpusError: A corpus is not there, or cannot be used.
        """

    @abstractmethod
    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """Describe what a recipe's network takes, for its card.

        Args:
            recipe: Of this task.
            network: That was made of it.

        Returns:
            The kind of its input, with the sizes.
        """

    @abstractmethod
    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """Look up the corpora that a recipe's network was trained on.

        Args:
            recipe: Of this task.

        Returns:
            The corpora, in the recipe's order.
        """

    def sources(self, recipe: Recipe) -> tuple[DataSource, ...]:
        """List the data that were trained on, for a card.

        Args:
            recipe: Of this task.

        Returns:
            The name, part and licence of each corpus.
        """
        return tuple(DataSource(name=c.title, licence=c.licence, part=c.part) for c in self.corpora(recipe))

    def cautions(self, recipe: Recipe) -> tuple[str, ...]:
        """List what a card must mention of a network that was trained on these data.

        Args:
            recipe: Of this task.

        Returns:
            Sentences, each once.
        """
        return tuple(dict.fromkeys(caution for corpus in self.corpora(recipe) for caution in corpus.all_cautions))

    def exported_dims(
        self, recipe: Recipe, weights: Mapping[str, Tensor], checkpoint: str | Path
    ) -> dict[str, int] | None:
        """Read, for an export, how many features each modality of a network over features has.

        Args:
            recipe: Of this task.
            weights: Of the network, by their names.
            checkpoint: The file of the weights.

        Returns:
            The numbers by modality; None where the data are no features.

        Raises:
            UsageError: No bundle has a use for the network.
        """
        return None

    @abstractmethod
    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """Make inputs of several sizes: an export traces the first, and is checked with all of them.

        Args:
            network: That is exported.
            spec: What it takes.
            random: Draws what is random in them.

        Returns:
            The inputs, each as the network's `forward` takes it.
        """


class UtteranceTask(Task):
    """A kind of data that is cross-validated: folds keep its examples apart by who they are of.

    Attributes:
        monitor: The score on the validation part that chooses an epoch.
        protocol: The split that is made where none is named.
        group: What folds keep together, in a description of one.

    Example:
        >>> from emofuse.research.tasks.registry import TASKS
        >>> [task.name for task in TASKS if isinstance(task, UtteranceTask)]
        ['ferplus', 'speech', 'video', 'features', 'text']
    """

    monitor: ClassVar[Monitor] = "val_uar"
    needs_folder: ClassVar[bool] = False

    def prepare(
        self, recipe: Recipe, data: Path | None, validate: bool, notice: Callable[[str], None], hook: Hook | None
    ) -> tuple[Recipe, Job]:
        """Prepare a training on all of a recipe's utterances.

        Args:
            recipe: See Task.
            data: See Task.
            validate: See Task; without it nothing is selected.
            notice: See Task.
            hook: See Task.

        Returns:
            See Task.
        """
        if recipe.model.learner != "network":
            raise UsageError(f"{recipe.model.name} is trained where it is tested", "`emofuse evaluate` does both")
        recipe = fall_back_to_random_init(recipe, notice)
        self.check(recipe)
        utterances = self.decode(recipe, self.read(recipe, data), hook)
        if utterances.note():
            notice(utterances.note())
        held_out = utterances.of_last_speakers(self.n_validating(recipe)) if validate else ()
        if validate:
            who = ", ".join(sorted({utterances.manifest.clips[i].speaker for i in held_out}))
            notice(f"{who} validate" if who else "there are too few speakers to hold any out: nothing is selected")
        self.make_shared(recipe, utterances, hook)
        return recipe, self.job(recipe, utterances, None, held_out)

    protocol: ClassVar[str] = "actor-6fold"
    group: ClassVar[str] = "speaker"

    def label_set(self, recipe: Recipe) -> str:
        """Name the labels that the corpora are brought under.

        Args:
            recipe: Of this task.

        Returns:
            The name of a label set.
        """
        return utterance_settings(recipe).labels

    def n_validating(self, recipe: Recipe) -> int:
        """Tell how many people, or other groups that stay together, are held out of each training to select by.

        Args:
            recipe: Of this task.

        Returns:
            Their number.
        """
        return utterance_settings(recipe).valid_speakers

    def is_tested(self, name: str) -> bool:
        """Tell whether a corpus can be tested, and not only trained on.

        Args:
            name: Of the corpus.

        Returns:
            Whether it can.
        """
        return True

    def find(
        self, recipe: Recipe, names: Sequence[str], data: str | Path | None
    ) -> tuple[list[Manifest], tuple[FeatureSet, ...]]:
        """Read corpora by their names or paths, and, where they are feature sets, those too.

        Args:
            recipe: Of this task.
            names: Of the corpora, or paths of manifests.
            data: The folder of the corpora; None where EMOFUSE_DATA names it.

        Returns:
            The manifests, and the feature sets among them.

        Raises:
            CorpusError: One is not there, or cannot be read.
        """
        return find_corpora(utterance_settings(recipe), names, data)

    def read(self, recipe: Recipe, data: str | Path | None) -> Corpora:
        """Read and relabel the corpora of a recipe.

        Args:
            recipe: Of this task.
            data: The folder of the corpora; None where EMOFUSE_DATA names it.

        Returns:
            The corpora, joined and apart.

        Raises:
            CorpusError: One is not there, or has no usable label.
        """
        return read_corpora(*self.find(recipe, recipe.data.train_on, data), self.label_set(recipe))

    @abstractmethod
    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> Utterances:
        """Read of every clip what the recipe's network takes.

        Args:
            recipe: Of this task.
            corpora: Whose clips they are.
            hook: Is called with a step, and how many clips are done of how many.

        Returns:
            The utterances, in the order of the clips.

        Raises:
            CorpusError: The first clip that cannot be used.
        """

    @abstractmethod
    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """Choose what is done to inputs in training.

        Args:
            recipe: Of this task.
            network: That is trained.

        Returns:
            What is done to the network's inputs, and to what its front end makes of them; None for nothing.
        """

    def dims(self, data: Utterances) -> dict[str, int] | None:
        """Tell how many features each modality has.

        Args:
            data: The utterances.

        Returns:
            The numbers by modality; None where the data are no features.
        """
        return None

    def make_shared(self, recipe: Recipe, data: Utterances, hook: Hook | None = None) -> None:
        """Make and keep what takes long and all trainings start from, before the first of them.

        Args:
            recipe: Of this task.
            data: The utterances.
            hook: Is called with a step, and how many are done of how many.
        """

    def start(self, recipe: Recipe, network: BuiltNetwork, data: Utterances, parts: Sequence[Sequence[int]]) -> None:
        """Give a network what it starts from.

        Args:
            recipe: Of this task.
            network: That is trained.
            data: The utterances.
            parts: The clips of train, valid and, in a fold, test.
        """

    def new_network(self, recipe: Recipe, data: Utterances) -> BuiltNetwork:
        """Make a recipe's network for some data, with pretrained weights where it has any, fetched if need be.

        Args:
            recipe: Of this task.
            data: The utterances.

        Returns:
            The network, of which nothing is trained yet.
        """
        torch.manual_seed(recipe.seed)
        return self.network(recipe, len(data.labels), pretrained_weights(recipe), self.dims(data))

    def job(self, recipe: Recipe, data: Utterances, fold: Fold | None, held_out: Sequence[int] = ()) -> Job:
        """Prepare one fold's training, or, without a fold, the training on every clip but those held out, which
        validate. Where no clip validates nothing is selected.

        Weights that a network starts from are fetched where they are not here yet.

        Args:
            recipe: Of this task.
            data: The utterances.
            fold: That is trained; None for a training on all.
            held_out: Clips that validate, without a fold.

        Returns:
            The job.

        Raises:
            RecipeError: The network does not go with the data.
            AssetError: Weights cannot be had.
        """
        if fold is not None:
            train, valid = data.trained_in(fold), fold.valid
        else:
            valid = tuple(held_out)
            train = tuple(i for i in range(len(data.manifest)) if i not in set(valid))
        tested = fold.test if fold is not None else ()
        network = self.new_network(recipe, data)
        self.start(recipe, network, data, (train, valid, tested))
        return self.training(recipe, data, network, train, valid)

    def training(
        self, recipe: Recipe, data: Utterances, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
    ) -> Job:
        """Prepare the training of a network on some of the clips.

        Args:
            recipe: Of this task.
            data: The utterances.
            network: That is trained.
            train: The clips that it is trained on.
            valid: The clips that validate; none for no selection.

        Returns:
            The job.
        """
        augment_input, augment_features = self.augmentation(recipe, network)
        shares = data.draw_weights(train)
        drawn = data.balanced(train) if shares is None else train
        return Job(
            network=network,
            labels=data.labels,
            train=data.training(train),
            valid=data.batches(valid) if valid else None,
            augment_input=augment_input,
            augment_features=augment_features,
            monitor=self.monitor,
            fingerprint=data.fingerprint(train, valid),
            class_weights=loss_weights(recipe.train.class_weights, data.targets(data.balanced(train))),
            class_prior=class_prior(data.targets(drawn), shares),
            smaller=("train.batch_size", *self.smaller),
        )


def with_teachers(own: tuple[DataSource, ...], teachers: Sequence[str]) -> tuple[DataSource, ...]:
    """Return what a network was trained on, and what its teachers were made of beside that, each once."""
    names = {source.name for source in own}
    beside = dict.fromkeys(source for path in teachers for source in _made_of(path) if source.name not in names)
    return (*own, *beside)


def _made_of(teacher: str) -> tuple[DataSource, ...]:
    try:
        data = read_card(teacher).data
    except BundleError:  # it has gone since the training
        return (DataSource(name=f"the network {teacher}", licence="as its card says", part="teacher"),)
    return tuple(source.model_copy(update={"part": "teacher"}) for source in data)


def loss_weights(choice: str, targets: NDArray[np.float32]) -> Tensor | None:
    """Return what TrainSettings.class_weights says each class of (N, C) targets is to count: (C,), None: all alike."""
    if choice == "none":
        return None
    weights = balanced_weights(targets)
    return weights.sqrt() if choice == "root" else weights


def class_prior(targets: NDArray[np.float32], weights: NDArray[np.float64] | None) -> Tensor:
    """Return (C,) the share of each class among (N, C) targets that are drawn by weights (N,); None: all alike."""
    return torch.from_numpy(np.average(targets, axis=0, weights=weights).astype(np.float32))


def balanced_weights(targets: NDArray[np.float32]) -> Tensor:
    """Return (C,) weights that make every class of (N, C) targets count alike in the loss: N / (C n_c), as
    scikit-learn's "balanced"."""
    counts = torch.from_numpy(targets.sum(axis=0))
    return len(targets) / (len(counts) * counts.clamp(min=1))


def voiced_example(n: int, duration_s: float) -> Tensor:
    """Make (n, T) samples as a voice has them: harmonics of a gliding pitch in syllables, and pauses without sound."""
    time = torch.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    pitch = torch.linspace(90, 300, n)[:, None] * (1 + 0.2 * torch.sin(2 * torch.pi * 1.3 * time))
    phase = 2 * torch.pi * (pitch.double() / RATE_HZ).cumsum(dim=1)
    harmonics = sum(torch.sin(k * phase) / k for k in range(1, 20))
    syllables = torch.sin(2 * torch.pi * 1.7 * time + torch.arange(n)[:, None]).clamp(min=0)
    return (0.1 * harmonics * syllables).float()


def pretrained_weights(recipe: Recipe) -> dict[str, Path]:
    """Return the files of what a recipe's network starts from, by their assets' names, fetched if need be, or by their
    own. Raises AssetError where they cannot be had."""
    fetched = {name: find(name) for name in dict.fromkeys(recipe.model.assets)}
    return fetched | {name: Path(name) for name in recipe.model.own_files}


def fall_back_to_random_init(recipe: Recipe, notice: Callable[[str], None]) -> Recipe:
    """Return the recipe, without pretraining where torchvision's weights cannot be had: `notice` gets a line then.

    So what is trained from random weights says so in its run, its report and its card. A random start has nothing to
    keep: it is neither frozen nor trained more slowly than the rest. Members of a late fusion are treated alike.
    """
    settings = recipe.model
    if settings.member_recipes:
        members = tuple(fall_back_to_random_init(member, notice) for member in settings.member_recipes)
        return recipe.model_copy(update={"model": settings.model_copy(update={"members": members})})
    if not settings.is_randomly_initialised or settings.assets:
        try:
            for name in settings.torchvision_assets:
                find(name)
            return recipe
        except AssetError as error:
            notice(f"{recipe.name} starts from random weights: {error.message}")
    train = recipe.train.model_copy(update={"frozen_epochs": 0, "backbone_lr_scale": 1.0})
    return recipe.model_copy(update={"model": settings.without_pretraining(), "train": train})
