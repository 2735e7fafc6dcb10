"""The tasks: every kind of data that a recipe can be of. A new one is a file and a line here."""

from __future__ import annotations

from typing import Final

from emofuse.errors import RecipeError
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Task, UtteranceTask
from emofuse.research.tasks.clips import ClipTask
from emofuse.research.tasks.faces import FaceTask
from emofuse.research.tasks.features import FeatureTask
from emofuse.research.tasks.speech import SpeechTask
from emofuse.research.tasks.text import TextTask

TASKS: Final[tuple[Task, ...]] = (FaceTask(), SpeechTask(), ClipTask(), FeatureTask(), TextTask())
"""Every kind of data."""


def task_of(recipe: Recipe) -> Task:
    """Return the task of a recipe.

    Args:
        recipe: Of any kind of data.

    Returns:
        The task whose name its `data.corpus` is.

    Example:
        >>> from emofuse.research.models.settings import SvmSettings
        >>> from emofuse.research.recipes.data import VoiceDataSettings
        >>> task_of(Recipe(name="own", data=VoiceDataSettings(corpus="speech"), model=SvmSettings())).modality
        'voice'
    """
    return next(task for task in TASKS if task.name == recipe.data.corpus)


def task_of_kind(kind: str) -> Task:
    """Return the task whose networks take an input of a kind.

    Args:
        kind: As `InputSpec.kind` of cards has it.

    Returns:
        The task.

    Example:
        >>> task_of_kind("samples").name
        'speech'
    """
    return next(task for task in TASKS if task.kind == kind)


def utterance_task(recipe: Recipe) -> UtteranceTask:
    """Return the task of a recipe of utterances, which are cross-validated.

    Args:
        recipe: Of any kind of data.

    Returns:
        The task.

    Raises:
        RecipeError: It is a recipe of something else.

    Example:
        >>> from emofuse.research.models.settings import SvmSettings
        >>> from emofuse.research.recipes.data import VoiceDataSettings
        >>> recipe = Recipe(name="own", data=VoiceDataSettings(corpus="speech"), model=SvmSettings())
        >>> utterance_task(recipe).protocol
        'actor-6fold'
    """
    task = task_of(recipe)
    if not isinstance(task, UtteranceTask):
        raise RecipeError(f"recipe {recipe.name!r} is not of utterances")
    return task
