"""From a recipe to its network, its data and its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.registry import task_of, utterance_task
from emofuse.research.tasks.utterances import Corpora, FusedUtterances, Hook, Utterances


def check_pairing(recipe: Recipe) -> None:
    """Raise RecipeError where a recipe's model, or that of a late fusion's member, does not go with its data."""
    if recipe.model.learner == "late-fusion":
        for member in recipe.members:
            check_pairing(member)
    else:
        task_of(recipe).check(recipe)


def make_network(
    recipe: Recipe,
    n_classes: int,
    weights: Mapping[str, Path] | None = None,
    dims: Mapping[str, int] | None = None,
) -> BuiltNetwork:
    """Make a recipe's network: see `Task.network`."""
    return task_of(recipe).network(recipe, n_classes, weights, dims)


def load_utterances(recipe: Recipe, data: str | Path | None, hook: Hook | None = None) -> Utterances:
    """Read and decode the corpora of a recipe. hook(step, completed, total) is told of the decoding.

    Raises CorpusError for the first clip that cannot be used, and for a corpus with no usable label: a data set
    never becomes smaller silently.
    """
    return decode_utterances(recipe, utterance_task(recipe).read(recipe, data), hook)


def decode_utterances(recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> Utterances:
    """Decode every clip as the recipe's network, or each of its members, wants it.

    Raises RecipeError, before anything is decoded, where a model does not go with its data.
    """
    check_pairing(recipe)
    if recipe.members:
        members = tuple(decode_utterances(member, corpora, hook) for member in recipe.members)
        first = members[0]
        return FusedUtterances(settings=first.settings, corpora=corpora, digests=first.digests, members=members)
    return utterance_task(recipe).decode(recipe, corpora, hook)


def utterance_job(recipe: Recipe, data: Utterances, fold: Fold | None, held_out: Sequence[int] = ()) -> Job:
    """Prepare a training on utterances: see `UtteranceTask.job`."""
    return utterance_task(recipe).job(recipe, data, fold, held_out)
