"""What a recipe's model is trained by: a network by gradient, a support vector machine, or a fusion of its members."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar, Final, cast

import torch

from emofuse import __version__
from emofuse.errors import UsageError
from emofuse.research.corpora.splits.protocols import Split
from emofuse.research.evaluation.fusion.late_fusion import fuse_folds
from emofuse.research.evaluation.protocols.folds import FoldResult, Notice, as_folder, fold_tasks, run_tasks
from emofuse.research.models.settings import Learner as LearnerName
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe
from emofuse.research.tasks.utterances import FusedUtterances, Hook, Utterances
from emofuse.research.training.svm import OPENSMILE_SETS, utterance_features


@dataclass(frozen=True, slots=True, eq=False)
class RunContext:
    """How an evaluation is run: where it is stored, by which seeds, on what, and the command that asked for it.

    transductive: the networks are adapted to each test speaker by all of the speaker's clips, without their labels.
    """

    out: Path
    seeds: tuple[int, ...]
    command: str
    device: str = "cpu"
    jobs: int = 1
    transductive: bool = False

    def within(self, folder: str) -> RunContext:
        """Return the same context, stored in a folder of this one's."""
        return replace(self, out=self.out / folder)


class Learner(ABC):
    """By what a recipe's model is trained and tested, fold by fold. A new one is a class, and its object in LEARNERS.

    Attributes:
        name: As `learner` of the settings of models has it.

    Example:
        >>> from emofuse.research.models.settings import SvmSettings
        >>> from emofuse.research.recipes.data import VoiceDataSettings
        >>> recipe = Recipe(name="own", data=VoiceDataSettings(corpus="speech"), model=SvmSettings())
        >>> learner_of(recipe).selection(recipe).partition(" of ")[0]
        'C'
    """

    name: ClassVar[LearnerName]

    def seeds(self, context: RunContext) -> RunContext:
        """Choose the seeds that make a difference.

        Args:
            context: How the evaluation is run, with every seed that was asked for.

        Returns:
            The same with those seeds; all of them, unless a subclass says otherwise.
        """
        return context

    def check_adaptable(self, recipe: Recipe) -> None:
        """Check, before anything is trained, that a model can be adapted to test speakers.

        Args:
            recipe: Of the model.

        Raises:
            UsageError: It cannot.
        """
        if not recipe.model.is_adaptable:
            raise UsageError(f"--transductive goes with voice-mobilenet and svm, not with {recipe.model.name}")

    @abstractmethod
    def run_folds(
        self, recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None
    ) -> list[FoldResult]:
        """Train and test on every fold.

        Args:
            recipe: Of the model.
            data: The utterances, decoded.
            split: The folds.
            context: How the evaluation is run.
            notice: Gets lines on what is not as it could be.
            hook: Is called with a step, and how many are done of how many; None for nobody.

        Returns:
            What every fold gives, seed by seed.
        """

    @abstractmethod
    def selection(self, recipe: Recipe, *, by_corpus: bool = False) -> str:
        """Describe how a recipe's model is chosen within a fold, before its test part is looked at.

        Args:
            recipe: Of the model.
            by_corpus: Whether what the other folds test fits the temperature.

        Returns:
            A line for reports.
        """

    def uses_speakers(self, recipe: Recipe) -> bool:
        """Tell whether test speakers' clips are standardised by each other, without their labels.

        Args:
            recipe: Of the model.

        Returns:
            Whether they are, which a report must say.
        """
        return bool(recipe.data.normalised_modalities)

    @abstractmethod
    def libraries(self, recipe: Recipe) -> list[str]:
        """Name the libraries that compute a score.

        Args:
            recipe: Of the model.

        Returns:
            Their names, each with its version.
        """


class NetworkLearner(Learner):
    """A network, by gradient descent."""

    name: ClassVar[LearnerName] = "network"

    def run_folds(
        self, recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None
    ) -> list[FoldResult]:
        """See Learner."""
        tasks = fold_tasks(recipe, split.folds, context.seeds, context.out, context.device, None, context.transductive)
        return run_tasks(tasks, data, context.jobs, notice, hook)

    def selection(self, recipe: Recipe, *, by_corpus: bool = False) -> str:
        """See Learner."""
        again = "; it started from random weights, not torchvision's" if recipe.model.is_randomly_initialised else ""
        if recipe.train.refit:
            again += "; the network that is tested was trained anew, for as many epochs, on the validation speakers too"
        if recipe.train.keep == "best":
            chosen = f"the best of at most {recipe.train.epochs} epochs by the validation speakers' UAR"
            fitted = "the other left-out corpora" if by_corpus else "them too"
            return f"{chosen}; the temperature is fitted on {fitted}{again}"
        stopping = ["stopping"] if recipe.train.patience else []
        by = [*stopping, *(["rate"] if recipe.train.schedule == "plateau" else [])]
        if by:
            chosen = f"the {' and the '.join(by)} of the training by the validation speakers"
            return f"{chosen}, who fit the temperature too{again}"
        chosen = f"none: {recipe.train.epochs} epochs as the recipe says"
        fitted_by = (
            "the other left-out corpora fit the temperature"
            if by_corpus
            else "the validation speakers fit the temperature alone"
        )
        return f"{chosen}; {fitted_by}{again}"

    def libraries(self, recipe: Recipe) -> list[str]:
        """See Learner."""
        return [f"torch {torch.__version__}", f"lightning {version('lightning')}"]


class SvmLearner(Learner):
    """A support vector machine over one vector of features an utterance."""

    name: ClassVar[LearnerName] = "svm"

    def seeds(self, context: RunContext) -> RunContext:
        """Return the first seed alone: nothing is drawn."""
        return replace(context, seeds=context.seeds[:1])

    def run_folds(
        self, recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None
    ) -> list[FoldResult]:
        """See Learner. A transductive one is standardised by the speakers, and its recipe says so."""
        features = utterance_features(data, cast(SvmSettings, recipe.model).features, hook)
        if context.transductive:
            recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"normalise": "speaker"})})
        tasks = fold_tasks(
            recipe, split.folds, context.seeds, context.out, context.device, features, context.transductive
        )
        return run_tasks(tasks, data, context.jobs, notice, hook)

    def selection(self, recipe: Recipe, *, by_corpus: bool = False) -> str:
        """See Learner."""
        values = ", ".join(f"{c:g}" for c in cast(SvmSettings, recipe.model).c)
        return f"C of {values} by the validation speakers, who are then trained on too"

    def uses_speakers(self, recipe: Recipe) -> bool:
        """See Learner."""
        return cast(SvmSettings, recipe.model).normalise == "speaker"

    def libraries(self, recipe: Recipe) -> list[str]:
        """See Learner."""
        names = [f"scikit-learn {version('scikit-learn')}"]
        features = cast(SvmSettings, recipe.model).features
        if features == "audioset":
            names.append(f"torch {torch.__version__}")
        elif features in OPENSMILE_SETS:
            names.append(f"opensmile {_opensmile()}")
        return names


class LateFusionLearner(Learner):
    """Models that are each trained by their own recipe; only their fusion is fitted here."""

    name: ClassVar[LearnerName] = "late-fusion"

    def check_adaptable(self, recipe: Recipe) -> None:
        """See Learner."""
        for member in recipe.members:
            learner_of(member).check_adaptable(member)

    def run_folds(
        self, recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None
    ) -> list[FoldResult]:
        """See Learner. The members are trained in folders of their own."""
        own = cast(FusedUtterances, data).members  # as such a recipe's are decoded
        members = [
            run_folds(member, clips, split, context.within(as_folder(member.name)), notice, hook)
            for member, clips in zip(recipe.members, own, strict=True)
        ]
        return fuse_folds(cast(LateFusionSettings, recipe.model), members, len(context.seeds))

    def selection(self, recipe: Recipe, *, by_corpus: bool = False) -> str:
        """See Learner."""
        model = cast(LateFusionSettings, recipe.model)
        own = "; ".join(f"{member.name}: {selection(member)}" for member in recipe.members)
        how = "weights of the log-probabilities" if model.rule == "learned" else "temperatures"
        together = "; the networks of all seeds answer as one" if model.over_seeds else ""
        return f"{how} by the validation speakers{together}; {own}"

    def uses_speakers(self, recipe: Recipe) -> bool:
        """See Learner."""
        return any(learner_of(member).uses_speakers(member) for member in recipe.members)

    def libraries(self, recipe: Recipe) -> list[str]:
        """See Learner."""
        return list(dict.fromkeys(name for member in recipe.members for name in learner_of(member).libraries(member)))


LEARNERS: Final[tuple[Learner, ...]] = (NetworkLearner(), SvmLearner(), LateFusionLearner())
"""All of them."""


def learner_of(recipe: Recipe) -> Learner:
    """Return by what a recipe's model is trained."""
    return next(learner for learner in LEARNERS if learner.name == recipe.model.learner)


def run_folds(
    recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None = None
) -> list[FoldResult]:
    """Return what every fold gives, seed by seed; the members of a late fusion are trained in folders of their own."""
    return learner_of(recipe).run_folds(recipe, data, split, context, notice, hook)


def selection(recipe: Recipe, *, by_corpus: bool = False) -> str:
    """Say how a recipe's model is chosen: see `Learner.selection`."""
    return learner_of(recipe).selection(recipe, by_corpus=by_corpus)


def versions(recipe: Recipe) -> str:
    """Name the versions of what computes a score."""
    own = [f"emofuse {__version__}", f"Python {platform.python_version()}"]
    return ", ".join([*own, *learner_of(recipe).libraries(recipe)])


def _opensmile() -> str:
    try:
        return version("opensmile")
    except PackageNotFoundError:
        return "of an earlier run, whose features were kept"
