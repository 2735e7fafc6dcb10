"""Train single modalities and fusions on the same folds, and test them whole, in part, and corrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from emofuse.formatting import pluralise
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.protocols import Fold, Split, make_split
from emofuse.research.corpora.splits.subsample import proportional_counts, stratified_subsample
from emofuse.research.evaluation.fusion.answers import ScoredClips
from emofuse.research.evaluation.fusion.late_fusion import fuse_folds
from emofuse.research.evaluation.fusion.robustness import Condition, conditions, scores_under
from emofuse.research.evaluation.fusion.settings import (
    DrawSettings,
    FusionComparisonSettings,
    RobustnessSettings,
    modalities_used,
)
from emofuse.research.evaluation.protocols.cross_corpus import across_corpora
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.folds import FoldResult, FoldTask, as_folder, fold_tasks, run_tasks
from emofuse.research.evaluation.protocols.learners import RunContext, run_folds
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport
from emofuse.research.models.fusion.settings import AttentionFusionSettings
from emofuse.research.recipes.data import FeatureDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe
from emofuse.research.tasks.features import FeatureData
from emofuse.research.tasks.utterances import FusedUtterances, Hook, Utterances, find_corpora, read_corpora
from emofuse.research.training.jobs import decode_utterances

_TRAININGS = "trainings"


@dataclass(frozen=True, slots=True, eq=False)
class MethodRun:
    """What one method gave in one draw. results: seed by seed, fold by fold.

    under: (K, S, N, C) log-probabilities of its S seeds under each of the comparison's K conditions.
    """

    report: EvaluationReport
    predictions: Predictions
    results: tuple[FoldResult, ...]
    under: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonRuns:
    """Everything that was run. ran: of every method, a MethodRun for each draw. modalities_used: those of every method.

    over_seeds: the methods whose networks of all seeds answer as one.
    """

    modalities: tuple[str, ...]
    modalities_used: Mapping[str, tuple[str, ...]]
    over_seeds: frozenset[str]
    conditions: tuple[Condition, ...]
    splits: tuple[Split, ...]
    clips: tuple[ScoredClips, ...]
    unit: str
    ran: Mapping[str, tuple[MethodRun, ...]]
    notes: tuple[str, ...]


def run_methods(
    settings: FusionComparisonSettings, data: Path | None, context: RunContext, hook: Hook | None = None
) -> ComparisonRuns:
    """Train and test every method of a comparison; what `context.out` holds of it is not trained again.

    Late fusions put the trained single modalities' answers together. Raises RecipeError for methods that do not fit the
    data, CorpusError for data that cannot be used, UsageError where the folder holds trainings of something else.
    """
    whole, splits = _read(settings, settings.data, data, hook)
    recipes = settings.recipes(whole.modalities)
    kinds = {settings.data: whole}
    for recipe in recipes.values():
        if _of(recipe) not in kinds:
            kinds[_of(recipe)] = _read(settings, _of(recipe), data)[0]
    places = [context.within(_TRAININGS)]
    if settings.reference is not None:
        places = [places[0].within(f"draw{k + 1}") for k in range(len(splits))]
    _train(recipes, kinds, splits, places, hook)
    listed = conditions(settings.robustness, whole.modalities)
    unit = "dialogue" if splits[0].protocol.startswith("dialogue") else "speaker"
    ran: dict[str, list[MethodRun]] = {name: [] for name in recipes}
    done, total = 0, len(recipes) * len(splits)
    for split, place in zip(splits, places, strict=True):
        under: dict[str, list[NDArray[np.float32]]] = {}
        for name in sorted(recipes, key=lambda name: bool(recipes[name].members)):
            recipe = recipes[name]  # late fusions after what they are made of
            utterances = _data(recipe, kinds)
            own = place if recipe.members else place.within(as_folder(name))
            results = run_folds(recipe, utterances, split, own, _ignore)
            under[name] = _score_conditions(recipe, utterances, split, own, listed, settings.robustness, under)
            found = cross_validate(recipe, utterances, split, own, _ignore)
            ran[name].append(MethodRun(*found, tuple(results), _by_seed(under[name], len(own.seeds))))
            done += 1
            if hook is not None:
                hook("testing", done, total)
    return ComparisonRuns(
        modalities=whole.modalities,
        modalities_used={name: modalities_used(recipe, whole.modalities) for name, recipe in recipes.items()},
        over_seeds=frozenset(
            name
            for name, recipe in recipes.items()
            if recipe.members and cast(LateFusionSettings, recipe.model).over_seeds
        ),
        conditions=tuple(listed),
        splits=splits,
        clips=tuple(_scored_clips(whole, split, unit) for split in splits),
        unit=unit,
        ran={name: tuple(each) for name, each in ran.items()},
        notes=tuple(filter(None, [whole.note()])),
    )


def _of(recipe: Recipe) -> FeatureDataSettings:
    return cast(FeatureDataSettings, recipe.data)


def _ignore(text: str) -> None:
    """Take a notice of a training, which the progress bar has counted."""


def _train(
    recipes: Mapping[str, Recipe],
    kinds: Mapping[FeatureDataSettings, FeatureData],
    splits: Sequence[Split],
    places: Sequence[RunContext],
    hook: Hook | None,
) -> None:
    """Train what is not trained yet, all methods over the same data by the same processes."""
    tasks: dict[FeatureDataSettings, list[FoldTask]] = {}
    for name, recipe in recipes.items():
        if recipe.members:
            continue
        for split, place in zip(splits, places, strict=True):
            folder = place.out / as_folder(name)
            own = fold_tasks(recipe, split.folds, place.seeds, folder, place.device)
            tasks.setdefault(_of(recipe), []).extend(own)
    total, done = sum(map(len, tasks.values())), 0

    def heard(text: str) -> None:
        nonlocal done
        done += 1
        if hook is not None:
            hook("training", done, total)

    for kind, own in tasks.items():
        run_tasks(own, kinds[kind], places[0].jobs, heard, hook)


def _data(recipe: Recipe, kinds: Mapping[FeatureDataSettings, FeatureData]) -> Utterances:
    own = kinds[_of(recipe)]
    if not recipe.members:
        return own
    members = tuple(_data(member, kinds) for member in recipe.members)
    return FusedUtterances(settings=own.settings, corpora=own.corpora, digests=own.digests, members=members)


def _score_conditions(
    recipe: Recipe,
    data: Utterances,
    split: Split,
    context: RunContext,
    listed: Sequence[Condition],
    settings: RobustnessSettings,
    known: Mapping[str, list[NDArray[np.float32]]],
) -> list[NDArray[np.float32]]:
    """Return (K, N, C) for every seed and fold. known: those of the methods before, which a late fusion is made of."""
    if not recipe.members:
        assert isinstance(data, FeatureData)
        tasks = fold_tasks(recipe, split.folds, context.seeds, context.out, context.device)
        return [scores_under(task, data, listed, settings) for task in tasks]
    assert isinstance(data, FusedUtterances)
    members = []
    for member, own in zip(recipe.members, data.members, strict=True):
        results = run_folds(member, own, split, context.within(as_folder(member.name)), _ignore)
        pairs = zip(results, known[member.name], strict=True)
        # all conditions as so many test clips: a fusion is fitted to the validation clips alone
        members.append([replace(result, test=rows.reshape(-1, rows.shape[-1])) for result, rows in pairs])
    fused = fuse_folds(cast(LateFusionSettings, recipe.model), members, len(context.seeds))
    shapes = [rows.shape for rows in known[recipe.members[0].name]]
    return [result.test.reshape(shape) for result, shape in zip(fused, shapes, strict=True)]


def _by_seed(rows: Sequence[NDArray[np.float32]], n_seeds: int) -> NDArray[np.float32]:
    """Put (K, n, C) of every seed and fold together: (K, S, N, C)."""
    n_folds = len(rows) // n_seeds
    seeds = [np.concatenate(rows[s * n_folds : (s + 1) * n_folds], axis=1) for s in range(n_seeds)]
    return np.stack(seeds, axis=1)


def _scored_clips(data: Utterances, split: Split, unit: str) -> ScoredClips:
    indices = [i for fold in split.folds for i in fold.test]
    clips = [data.manifest.clips[i] for i in indices]
    commonest = int(np.bincount(data.truth(indices)).argmax())
    return ScoredClips(
        truth=data.truth(indices),
        groups=tuple(getattr(clip, unit) for clip in clips),
        folds=tuple(fold.name for fold in split.folds for _ in fold.test),
        styles=tuple(clip.style for clip in clips),
        fallback=commonest,
        n_classes=len(data.labels),
    )


def _read(
    settings: FusionComparisonSettings, own: FeatureDataSettings, data: Path | None, hook: Hook | None = None
) -> tuple[FeatureData, tuple[Split, ...]]:
    """Return the comparison's utterances as a method's own settings want them, and the splits, which are the same for
    all."""
    recipe = Recipe(name=settings.name, data=own, model=AttentionFusionSettings())  # reads with or without a context
    if settings.test_on:
        across, split = across_corpora(recipe, settings.test_on, data, hook)
        return cast(FeatureData, across), (split,)
    whole = decode_utterances(recipe, read_corpora(*find_corpora(own, own.train_on, data), own.labels), hook)
    split = make_split(settings.protocol, whole.folded, own.valid_speakers, settings.seeds[0])
    drawn = (split,) if settings.reference is None else _drawn(settings.reference, split, whole.folded)
    return cast(FeatureData, whole), drawn


def _drawn(settings: DrawSettings, split: Split, manifest: Manifest) -> tuple[Split, ...]:
    """Keep of a split what is drawn, once for each draw."""
    counts = proportional_counts(manifest, split, settings.size)
    splits = []
    for number in range(settings.draws):
        kept = set(stratified_subsample(manifest, split, counts, settings.seed + number))
        folds = tuple(_only(kept, fold) for fold in split.folds)
        how = (
            f"; {settings.size:,} of {pluralise(len(manifest), 'utterance')}, drawn with the seeds {settings.seed} to "
            f"{settings.seed + settings.draws - 1} in proportion to each fold's classes: means over "
            f"{pluralise(settings.draws, 'draw')}, the counts of each fold being the first draw's"
        )
        splits.append(Split(split.protocol, split.description + how, folds))
    return tuple(splits)


def _only(kept: set[int], fold: Fold) -> Fold:
    """Return a fold with those of its clips that are kept."""
    train, valid, test = (tuple(i for i in part if i in kept) for part in (fold.train, fold.valid, fold.test))
    return replace(fold, train=train, valid=valid, test=test)
