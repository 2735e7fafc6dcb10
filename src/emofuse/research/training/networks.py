"""From a recipe to its network: whether it goes with the data, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.registry import task_of


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
