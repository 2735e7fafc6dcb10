"""Utterances as features that were computed before: pooled, normalised, and with their neighbours in the dialogue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from emofuse.card import DataSource, InputSpec
from emofuse.errors import CorpusError, RecipeError, UsageError
from emofuse.formatting import pluralise
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.feature_sets.store import FeatureSet, find_feature_set
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet
from emofuse.research.models.fusion.frontend import MEAN
from emofuse.research.models.registry import NETWORKS, BuiltNetwork
from emofuse.research.recipes.data import FeatureDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Example, UtteranceTask
from emofuse.research.tasks.batches import Augment, Batch
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, utterance_settings
from emofuse.research.training.svm import standardise_by_speaker
from emofuse.types import MODALITIES

PADDING: Final = -1  # in place of a neighbour, where the dialogue has none
Steps = NDArray[np.float32]  # (T, D)
ContextKey = tuple[Path, str, str]  # corpus, dialogue, and speaker where others do not count


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One modality of all utterances. x: (N, T, D) float32, 0 where absent; mask: (N, T) float32, 1 where present."""

    x: Tensor
    mask: Tensor


class FeatureBatches(Dataset[Batch]):
    """Utterances and their targets. windows: (N, S) rows of the tables that are an utterance's steps, PADDING where
    there is none, or (N, 1): the row of the utterance itself, whose own steps are given; targets: (N, C) float32."""

    n_at_once: ClassVar[int] = 512  # that are scored together in a test: none depends on its neighbours in a batch

    def __init__(self, tables: Sequence[Table], windows: NDArray[np.int64], targets: NDArray[np.float32]) -> None:
        self.tables = tuple(tables)
        self.windows = torch.from_numpy(windows)
        self.targets = torch.from_numpy(targets)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Batch:
        """Return of one utterance (T, D) and (T,) for each modality, and its target (C,)."""
        inputs, targets = self.__getitems__([index])
        return tuple(part[0] for part in inputs), targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return of each modality in turn x, (B, T, D), and its mask, (B, T); and the targets (B, C)."""
        chosen = torch.as_tensor(indices)
        windows = self.windows[chosen]
        rows, is_there = windows.clamp(min=0).flatten(), (windows != PADDING).float().flatten()
        inputs: list[Tensor] = []
        for table in self.tables:
            mask = table.mask[rows] * is_there.unsqueeze(1)
            x = table.x[rows] * is_there.view(-1, 1, 1)
            inputs += [x.view(len(chosen), -1, x.shape[2]), mask.view(len(chosen), -1)]
        return tuple(inputs), self.targets[chosen]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FeatureData(Utterances):
    """Utterances as features. tables: by modality, in the order of the networks' inputs; windows: as in
    FeatureBatches, of every utterance."""

    settings: FeatureDataSettings
    tables: Mapping[str, Table]
    windows: NDArray[np.int64]
    absent: str

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of the networks' inputs."""
        return tuple(self.tables)

    @property
    def dims(self) -> dict[str, int]:
        """The number of features of each modality."""
        return {name: table.x.shape[2] for name, table in self.tables.items()}

    def batches(self, indices: Sequence[int]) -> FeatureBatches:
        """Make a set of these utterances; nothing is drawn."""
        chosen = list(indices)
        return FeatureBatches(tuple(self.tables.values()), self.windows[chosen], self.targets(chosen))

    def training(self, indices: Sequence[int]) -> FeatureBatches:
        """Make a training set, rare emotions repeated where the recipe balances."""
        return self.batches(self.balanced(indices))

    def statistics(self, indices: Sequence[int]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the mean and the deviation (D,) of each modality over the steps that these utterances have of it;
        0 and 1 where they have none."""
        found = {}
        for name, table in self.tables.items():
            own = table.x[list(indices)][table.mask[list(indices)] > 0].double()
            if len(own):
                found[name] = own.mean(dim=0).float(), own.std(dim=0, correction=0).float()
            else:
                found[name] = torch.zeros(table.x.shape[2]), torch.ones(table.x.shape[2])
        return found

    def check_no_context_leak(self, *parts: Sequence[int]) -> None:
        """Raise RecipeError where a dialogue is in two of these parts, whose utterances would be each other's
        context."""
        if not self.settings.context:
            return
        part_of: dict[ContextKey, int] = {}
        for number, part in enumerate(parts):
            for i in part:
                clip = self.manifest.clips[i]
                if part_of.setdefault(_context_key(self.settings, clip), number) != number:
                    raise RecipeError(
                        f"dialogue {clip.dialogue} is in two parts of a fold, and its utterances are each other's "
                        "context",
                        "choose folds of whole sessions or dialogues, or set data.context_of=speaker or data.context=0",
                    )

    def note(self) -> str:
        """Say how many utterances lack a modality, and why."""
        return self.absent


def decode_features(settings: FeatureDataSettings, corpora: Corpora) -> FeatureData:
    """Pool, normalise and put in order the features of the utterances that have a label of the recipe's.

    Raises CorpusError where feature sets do not go together, or lack a modality that the recipe names, or, for a
    context, where an utterance names no dialogue.
    """
    sets = corpora.feature_sets
    dims = _dims(settings, sets)
    manifest = corpora.joined.manifest
    everybody = [clip for one in sets for clip in one.manifest]
    place = {clip.path: at for at, clip in enumerate(everybody)}
    rows = [place[clip.path] for clip in manifest]
    arrays = {name: [_steps(settings, array) for one in sets for array in _column(one, name)] for name in dims}
    for name in settings.normalise_by_speaker:
        # by all that a speaker says in the set, utterances without a label of the recipe's too
        arrays[name] = _normalised(arrays[name], everybody)
    kept = {name: [column[row] for row in rows] for name, column in arrays.items()}
    own = [_digest([column[i] for column in kept.values()]) for i in range(len(rows))]
    windows = _windows(settings, manifest)
    return FeatureData(
        settings=settings,
        corpora=replace(corpora, feature_sets=()),  # nobody needs them any more, and folds are sent to other processes
        digests=tuple(_joined([own[i] for i in row if i != PADDING]) for row in windows),
        tables={name: _table(column, dims[name]) for name, column in kept.items()},
        windows=windows,
        absent=_missing_summary(kept, sets),
    )


def _dims(settings: FeatureDataSettings, sets: Sequence[FeatureSet]) -> dict[str, int]:
    """Return the number of features of each modality that is used. Raises CorpusError as `decode_features` does."""
    found: dict[str, int] = {}
    for one in sets:
        for name, n_features in one.dims.items():
            if settings.modalities and name not in settings.modalities:
                continue
            if found.setdefault(name, n_features) != n_features:
                raise CorpusError(
                    f"{one.manifest.name} has {n_features} {name} features, and {sets[0].manifest.name} {found[name]}",
                    "name the modalities that they share in data.modalities",
                )
    missing = [name for name in (*settings.modalities, *settings.normalise_by_speaker) if name not in found]
    if missing:
        has = ", ".join(dict.fromkeys(name for one in sets for name in one.dims))
        raise CorpusError(f"{sets[0].manifest.name} has no {missing[0]} features", f"it has {has}")
    order = [name for one in sets for name in one.dims]  # as the sets have them
    return {name: found[name] for name in dict.fromkeys(order) if name in found}


def _column(one: FeatureSet, name: str) -> Sequence[Steps | None]:
    return one.features.get(name) or [None] * len(one.manifest)


def _steps(settings: FeatureDataSettings, array: Steps | None) -> Steps | None:
    """Pool an array (T, D), or keep at most max_steps of its steps, evenly spread."""
    if array is None:
        return None
    if settings.pool == "none" and not settings.context:
        places = np.linspace(0, len(array) - 1, min(len(array), settings.max_steps)).round().astype(int)
        kept: Steps = array[places]
        return kept
    pooled: Steps = array.max(axis=0, keepdims=True) if settings.pool == "max" else array.mean(axis=0, keepdims=True)
    return pooled


def _normalised(arrays: Sequence[Steps | None], clips: Sequence[Clip]) -> list[Steps | None]:
    """Standardise each speaker's arrays by all of the speaker's own steps."""
    there = [i for i, array in enumerate(arrays) if array is not None]
    present = [array for array in arrays if array is not None]
    lengths = [len(array) for array in present]
    speakers = np.repeat([clips[i].speaker for i in there], lengths)
    together = standardise_by_speaker(np.concatenate(present), speakers.tolist())
    out: list[Steps | None] = [None] * len(arrays)
    for i, part in zip(there, np.split(together, np.cumsum(lengths)[:-1]), strict=True):
        out[i] = part
    return out


def _table(column: Sequence[Steps | None], n_features: int) -> Table:
    n_steps = max((len(array) for array in column if array is not None), default=1)
    x = torch.zeros(len(column), n_steps, n_features)
    mask = torch.zeros(len(column), n_steps)
    for row, array in enumerate(column):
        if array is not None:
            x[row, : len(array)] = torch.from_numpy(array)
            mask[row, : len(array)] = 1
    return Table(x, mask)


def _windows(settings: FeatureDataSettings, manifest: Manifest) -> NDArray[np.int64]:
    """Return (N, S): each utterance between its neighbours in the dialogue, or in what its speaker says there, in the
    manifest's order."""
    if not settings.context:
        return np.arange(len(manifest))[:, np.newaxis]
    talks: dict[ContextKey, list[int]] = {}
    for i, clip in enumerate(manifest):
        if not clip.dialogue:
            raise CorpusError(f"{clip.path} names no dialogue", "set data.context=0")
        talks.setdefault(_context_key(settings, clip), []).append(i)
    before = settings.context
    after = settings.context if settings.context_after else 0
    windows = np.full((len(manifest), before + 1 + after), PADDING)
    for turns in talks.values():
        padded = np.array([PADDING] * before + turns + [PADDING] * after)
        windows[turns] = np.lib.stride_tricks.sliding_window_view(padded, windows.shape[1])
    return windows


def _context_key(settings: FeatureDataSettings, clip: Clip) -> ContextKey:
    """Say within what an utterance's context lies: its dialogue, or what its speaker says in it."""
    speaker = clip.speaker if settings.context_of == "speaker" else ""
    return clip.path.parent, clip.dialogue, speaker  # two corpora may call their dialogues alike


def _digest(arrays: Sequence[Steps | None]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(b"absent" if array is None else str(array.shape).encode() + array.tobytes())
    return digest.hexdigest()


def _joined(digests: Sequence[str]) -> str:
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _missing_summary(kept: Mapping[str, Sequence[Any]], sets: Sequence[FeatureSet]) -> str:
    """Say of each modality how many of the labelled utterances lack it, with the reasons of the whole sets."""
    parts = []
    for name, column in kept.items():
        n_absent = sum(array is None for array in column)
        reasons = ", ".join(dict.fromkeys(reason for one in sets for reason in one.absent.get(name, ())))
        if n_absent:
            parts.append(f"{n_absent} of {pluralise(len(column), 'utterance')} have no {name} features ({reasons})")
    nobody = [name for one in sets for name in one.absent if name not in kept and name not in one.dims]
    parts += [f"no utterance has {name} features" for name in dict.fromkeys(nobody)]
    return "; ".join(parts)


class FeatureTask(UtteranceTask):
    """Utterances as features that were computed before."""

    name: ClassVar[str] = "features"
    noun: ClassVar[str] = "utterances"
    modality: ClassVar[str] = "fusion"
    kind: ClassVar[str] = "embeddings"
    settings: ClassVar[type[FeatureDataSettings]] = FeatureDataSettings

    def check(self, recipe: Recipe) -> None:
        """See Task."""
        super().check(recipe)
        if cast(FeatureDataSettings, recipe.data).context and not recipe.model.uses_context:
            fit = [entry.settings for entry in NETWORKS if entry.settings.uses_context]
            names = ", ".join(str(one.model_fields["name"].default) for one in fit)
            raise RecipeError(
                f"{recipe.model.name} does not look at the utterances around one", f"with data.context: {names}"
            )

    def made_with(self, recipe: Recipe, dims: Mapping[str, int] | None) -> dict[str, Any]:
        """See Task."""
        assert dims is not None
        return {"layout": FeatureLayout(dims, cast(FeatureDataSettings, recipe.data).context or None)}

    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> FeatureData:
        """See UtteranceTask."""
        return decode_features(cast(FeatureDataSettings, recipe.data), corpora)

    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """See UtteranceTask."""
        return lambda features, generator: features, None

    def dims(self, data: Utterances) -> dict[str, int]:
        """See UtteranceTask."""
        return cast(FeatureData, data).dims

    def start(self, recipe: Recipe, network: BuiltNetwork, data: Utterances, parts: Sequence[Sequence[int]]) -> None:
        """See UtteranceTask: what features are standardised by is of the training part."""
        features = cast(FeatureData, data)
        features.check_no_context_leak(*parts)
        for name, (mean, deviation) in features.statistics(parts[0]).items():
            cast(FeatureNet, network).frontend.fit(name, mean, deviation)

    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """See Task."""
        return InputSpec(kind="embeddings", dims=cast(FeatureNet, network).frontend.dims)

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """Return none: a feature set is told of by the licences of its utterances."""
        return ()

    def sources(self, recipe: Recipe) -> tuple[DataSource, ...]:
        """See Task."""
        return tuple(map(_source, utterance_settings(recipe).train_on))

    def exported_dims(self, recipe: Recipe, weights: Mapping[str, Tensor], checkpoint: str | Path) -> dict[str, int]:
        """See Task. Raises UsageError where it is not a fusion of a bundle: its modalities are not those of one, or an
        answer rests on several steps."""
        settings = cast(FeatureDataSettings, recipe.data)
        dims = {name.rpartition(MEAN)[2]: len(one) for name, one in weights.items() if MEAN in name}
        if not set(dims) <= set(MODALITIES):
            raise UsageError(
                f"{checkpoint} is a network over features: {', '.join(dims)}",
                f"a bundle's fusion is over the embeddings of its networks: {', '.join(MODALITIES)}",
            )
        if settings.context or settings.pool == "none":
            raise UsageError(
                f"{checkpoint} uses several steps", "a bundle's fusion has pool mean or max, and no context"
            )
        return dims

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        assert spec.dims is not None
        return [_embedded(spec.dims, n, random) for n in (4, 1, 7)]


def _embedded(dims: Mapping[str, int], n: int, random: torch.Generator) -> Example:
    """Make n embeddings of each modality, one modality after the other absent."""
    made: list[Tensor] = []
    for number, size in enumerate(dims.values()):
        is_there = (torch.arange(n) % (len(dims) + 1) != number).float()
        made += [torch.randn(n, 1, size, generator=random), is_there[:, None]]
    return tuple(made)


def _source(name: str) -> DataSource:
    """Describe a feature set by the licences of its utterances."""
    try:
        licences = dict.fromkeys(clip.licence for clip in find_feature_set(name, None).manifest if clip.licence)
    except (CorpusError, UsageError):  # it has gone since the training, or was in the data folder
        licences = {}
    return DataSource(name=f"the feature set {Path(name).name}", licence="; ".join(licences) or "as its table says")
