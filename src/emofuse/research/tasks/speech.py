"""Utterances that are heard: corpora decoded to samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from emofuse.assets import find
from emofuse.card import InputSpec
from emofuse.emotions import LABEL_SETS, label_map
from emofuse.errors import CorpusError, RecipeError
from emofuse.research.corpora.cache import FeatureCache
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.decode import read_samples
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.models.frontends import RATE_HZ, SHORTEST_S
from emofuse.research.models.narrowing import narrow_whisper
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.recipes.data import SoundSettings, VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.activations import (
    AT_ONCE,
    ActivationBatches,
    Activations,
    AfterFrozen,
    WindowActivations,
    make_activations,
)
from emofuse.research.tasks.augment import speech_augmentation
from emofuse.research.tasks.base import Example, Job, UtteranceTask, class_prior, loss_weights, voiced_example
from emofuse.research.tasks.batches import Augment, VoiceBatches, speech_part
from emofuse.research.tasks.other_sound import other_sounds
from emofuse.research.tasks.speech_bounds import cut_to_speech
from emofuse.research.tasks.taught_encoder import at_other_speed, teach, told
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances, corpora_of, utterance_settings
from emofuse.research.training.fit import load_weights, load_weights_into

N_OTHER: Final = 300  # sounds without a voice, where a recipe has them
FRAMED: Final = 400  # clips of a corpus: some 60,000 frames, for directions in at most 2,048 dimensions


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpeechData(Utterances):
    """Utterances as sound. samples: (T,) int16 at RATE_HZ for each clip of the manifest."""

    settings: VoiceDataSettings
    samples: tuple[NDArray[np.int16], ...]
    _made: dict[str, Activations] = field(default_factory=dict)

    @property
    def n_labelled(self) -> int:
        """See Utterances. Corpora of sound alone come after them."""
        n_others = len(self.settings.sound_only)
        return len(self.samples) - sum(self.corpora.sizes[len(self.corpora.sizes) - n_others :])

    def batches(self, indices: Sequence[int]) -> VoiceBatches:
        """Make an evaluation set: several windows a clip."""
        clips = [self.samples[i] for i in indices]
        return VoiceBatches(clips, self.targets(indices), self._window, self.settings.eval_windows)

    def training(self, indices: Sequence[int]) -> VoiceBatches:
        """Make a training set: one random window a clip, rare emotions repeated or corpora balanced as the recipe has
        it."""
        weights = self.draw_weights(indices)
        chosen = self.balanced(indices) if weights is None else indices
        return VoiceBatches([self.samples[i] for i in chosen], self.targets(chosen), self._window, weights=weights)

    def activations(self, network: VoiceNet | WhisperVoice, augment: tuple[Augment, Augment], seed: int) -> Activations:
        """Make augmented versions of every labelled clip, and after them of N_OTHER other sounds, where the recipe has
        them, as the frozen blocks of a network have them. All folds share them: the blocks are as they were pretrained,
        and know of no fold."""
        key = f"{network.frozen_part} {seed}"
        if key not in self._made:
            kinds = self.settings
            labelled = self.samples[: self.n_labelled]
            clips = (*labelled, *other_sounds(N_OTHER if kinds.other_sound else 0, self._window, seed))
            self._made[key] = make_activations(
                network, clips, self._window, augment, kinds.versions, seed, kinds.as_recorded
            )
        return self._made[key]

    def sound_of_no_fold(self) -> Iterator[Tensor]:
        """Yield windows (N, T) of the first corpus, and of those of sound alone, which no fold tests: of FRAMED clips
        of each at most, evenly spread over it."""
        for corpus in self._of_no_fold():
            chosen = corpus[np.linspace(0, len(corpus) - 1, min(len(corpus), FRAMED)).astype(int)]
            yield from self._drawn(chosen, VoiceBatches(self.samples, self._no_targets, self._window))

    def lessons(self, augment_input: Augment, n_versions: int, seed: int) -> Iterator[Tensor]:
        """Yield windows (N, T) of all clips that no fold tests, n_versions times: first as recorded, then augmented,
        every second of these at other speeds."""
        generator = Generator().manual_seed(seed)
        draws = VoiceBatches(self.samples, self._no_targets, self._window)
        for version in range(n_versions):
            draws.reseed(seed, version)
            order = np.random.default_rng((seed, version)).permutation(np.concatenate(self._of_no_fold()))
            for samples in self._drawn(order, draws):
                if version and version % 2 == 0:
                    samples = at_other_speed(samples, generator)
                yield augment_input(samples, generator) if version else samples

    @property
    def n_of_no_fold(self) -> int:
        """How many clips no fold tests."""
        return sum(map(len, self._of_no_fold()))

    @property
    def untested_hash(self) -> str:
        """A hash of the sound that no fold tests."""
        clips = np.concatenate(self._of_no_fold()).tolist()
        return hashlib.sha256(" ".join(self.digests[i] for i in clips).encode()).hexdigest()

    def _of_no_fold(self) -> list[NDArray[np.int64]]:
        """Return the clips of each corpus that no fold tests."""
        bounds = pairwise([0, *accumulate(self.corpora.sizes or (len(self.samples),))])
        corpora = [np.arange(start, end) for start, end in bounds]
        return [corpora[0], *corpora[len(corpora) - len(self.settings.sound_only) :]]

    def _drawn(self, chosen: NDArray[np.int64], draws: VoiceBatches) -> Iterator[Tensor]:
        for first in range(0, len(chosen), AT_ONCE):
            yield draws.__getitems__(chosen[first : first + AT_ONCE].tolist())[0]

    @property
    def _no_targets(self) -> NDArray[np.float32]:
        return np.zeros((len(self.samples), 0), np.float32)

    @property
    def _window(self) -> int:
        return round(self.settings.window_s * RATE_HZ)


def decode_speech(settings: VoiceDataSettings, corpora: Corpora, hook: Hook | None = None) -> SpeechData:
    """Decode the sound of every clip; decoded once, it comes from the cache. hook(step, completed, total): of it.

    Raises CorpusError for the first clip that cannot be read.
    """
    cache = FeatureCache()
    manifest = corpora.joined.manifest
    samples = []
    for done, clip in enumerate(manifest, start=1):
        decoded = decoded_samples(clip, cache)
        if settings.cut_to_speech:
            decoded = cut_to_speech(clip, decoded, cache)
        samples.append(speech_part(decoded, settings.trim_db))
        if hook is not None:
            hook("reading", done, len(manifest))
    digests = tuple(hashlib.sha256(s.tobytes()).hexdigest() for s in samples)
    return SpeechData(settings=settings, corpora=corpora, digests=digests, samples=tuple(samples))


def decoded_samples(clip: Clip, cache: FeatureCache) -> NDArray[np.int16]:
    """Return the sound of a clip, (T,) int16 at RATE_HZ. Raises CorpusError where it cannot be read."""
    key: dict[str, Any] = {"what": "samples", "rate_hz": RATE_HZ, "start_s": clip.start_s, "end_s": clip.end_s}
    key["decoder"] = av.__version__
    if not clip.sound_file.is_file():
        raise CorpusError(
            f"{clip.sound_file} is missing", "the manifest names it; prepare it again, or bring the file back"
        )
    return cache.get(clip.sound_file, key, lambda: read_samples(clip, RATE_HZ)).astype(np.int16, copy=False)


class SpeechTask(UtteranceTask):
    """Utterances as sound."""

    name: ClassVar[str] = "speech"
    noun: ClassVar[str] = "utterances"
    modality: ClassVar[str] = "voice"
    kind: ClassVar[str] = "samples"
    settings: ClassVar[type[VoiceDataSettings]] = VoiceDataSettings
    smaller: ClassVar[tuple[str, ...]] = ("data.window_s",)

    def check(self, recipe: Recipe) -> None:
        """See Task."""
        if recipe.model.learner != "svm":
            super().check(recipe)

    def find(
        self, recipe: Recipe, names: Sequence[str], data: str | Path | None
    ) -> tuple[list[Manifest], tuple[FeatureSet, ...]]:
        """See UtteranceTask. Of a corpus with more clips than `data.most_clips`, so many are drawn."""
        manifests, feature_sets = super().find(recipe, names, data)
        most = recipe.data.most_clips if isinstance(recipe.data, VoiceDataSettings) else 0
        return [some_clips(manifest, most) for manifest in manifests] if most else manifests, feature_sets

    def decode(self, recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> SpeechData:
        """See UtteranceTask."""
        return decode_speech(cast(VoiceDataSettings, recipe.data), corpora, hook)

    def augmentation(self, recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
        """See UtteranceTask."""
        return speech_augmentation(cast(VoiceDataSettings, recipe.data), network.feature_kind)

    def make_shared(self, recipe: Recipe, data: Utterances, hook: Hook | None = None) -> None:
        """See UtteranceTask. A narrow encoder is made, which may take half an hour."""
        network = self.new_network(recipe, data) if recipe.model.knows_first_corpus else None
        if isinstance(network, WhisperVoice) and isinstance(data, SpeechData):
            narrow_encoder(network, recipe, data, hook)

    def start(self, recipe: Recipe, network: BuiltNetwork, data: Utterances, parts: Sequence[Sequence[int]]) -> None:
        """See UtteranceTask."""
        if recipe.model.start_checkpoint:
            go_on_from(Path(recipe.model.start_checkpoint), network, recipe)
        if isinstance(network, WhisperVoice) and isinstance(data, SpeechData):
            narrow_encoder(network, recipe, data)

    def training(
        self, recipe: Recipe, data: Utterances, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
    ) -> Job:
        """See UtteranceTask. With `data.versions` what comes after a network's frozen blocks is trained, on what these
        make of each clip. No label of a corpus of sound alone is learnt."""
        speech = cast(SpeechData, data)
        train, valid = ([i for i in part if i < speech.n_labelled] for part in (train, valid))
        if speech.settings.versions:
            return frozen_job(recipe, speech, network, train, valid)
        return super().training(recipe, data, network, train, valid)

    def input_spec(self, recipe: Recipe, network: BuiltNetwork) -> InputSpec:
        """See Task."""
        window_s = cast(VoiceDataSettings, recipe.data).window_s
        return InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=window_s)

    def corpora(self, recipe: Recipe) -> tuple[Corpus[Any], ...]:
        """See Task."""
        return corpora_of(recipe)

    def examples(self, network: BuiltNetwork, spec: InputSpec, random: torch.Generator) -> list[Example]:
        """See Task."""
        noise = [torch.randn(n, round(s * RATE_HZ), generator=random) * 0.1 for n, s in ((2, 3.0), (1, 1.0), (3, 5.37))]
        return [(x,) for x in (*noise, voiced_example(4, 2.5), voiced_example(1, SHORTEST_S))]


def some_clips(manifest: Manifest, most: int) -> Manifest:
    """Return a manifest with at most so many of its clips, always the same ones, in their order."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(manifest))[:most]).tolist()
    return replace(manifest, clips=tuple(manifest.clips[i] for i in chosen))


def narrow_encoder(network: WhisperVoice, recipe: Recipe, data: SpeechData, hook: Hook | None = None) -> None:
    """Make an encoder of a rank of the pretrained one, by sound that no fold tests, and teach it where the recipe says
    so; a whole one stays. Its weights are kept in the cache: all folds, and later trainings, have the same ones."""
    settings = network.settings
    if not (settings.rank and settings.pretrained):
        return
    whole = find(settings.pretrained)

    def make() -> NDArray[np.float32]:
        narrow_whisper(network, whole, map(network.frontend, data.sound_of_no_fold()))
        if settings.teacher_taps:
            teacher = WhisperVoice(settings.of_teacher, len(data.labels), whole).eval()
            augment = speech_augmentation(data.settings, network.feature_kind)[0]
            windows = data.lessons(augment, settings.teacher_versions, recipe.seed)
            n_windows = data.n_of_no_fold * settings.teacher_versions
            teach(network, teacher, told(windows, n_windows, hook), settings.teacher_epochs, recipe.seed, hook)
        weights: NDArray[np.float32] = parameters_to_vector(network.backbone.parameters()).detach().numpy()
        return weights

    key = {"what": "narrow encoder", "code": 1, "seed": recipe.seed, "model": settings.of_encoder}
    key["sound"] = data.settings.model_dump(mode="json", include={*SoundSettings.model_fields})
    weights = FeatureCache().get(data.untested_hash, key, make)
    vector_to_parameters(torch.from_numpy(weights), network.backbone.parameters())


def go_on_from(checkpoint: Path, network: nn.Module, recipe: Recipe) -> None:
    """Give a network the weights of an earlier training; where that had other labels, each row of the last layer is the
    mean of those that its label stands for, or as it was where there is none.

    Raises UsageError when the file is missing, or holds the weights of another network.
    """
    weights, _, labels = load_weights(checkpoint)
    wanted = LABEL_SETS[utterance_settings(recipe).labels]
    if labels != wanted:
        table = label_map(utterance_settings(recipe).labels)
        own = network.state_dict()
        last = [name for name in own if name.startswith("head.")][-2:]  # weight and bias
        for name in last:
            for row, label in enumerate(wanted):
                stands_for = [i for i, old in enumerate(labels) if table[old] == label]
                if stands_for:
                    own[name][row] = weights[name][stands_for].mean(dim=0)
            weights[name] = own[name]
    load_weights_into(network, weights, checkpoint)


def frozen_job(
    recipe: Recipe, data: SpeechData, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
) -> Job:
    """Prepare the training of what comes after a network's frozen blocks, on what these make of each clip.

    Raises RecipeError for a network without frozen blocks.
    """
    if not isinstance(network, VoiceNet | WhisperVoice) or not network.frozen_blocks:
        raise RecipeError(f"recipe {recipe.name!r}: data.versions goes with model.frozen_blocks", "set both or neither")
    settings = cast(VoiceDataSettings, recipe.data)
    activations = data.activations(network, speech_augmentation(settings, network.feature_kind), recipe.seed)
    weights = data.draw_weights(train)
    chosen = data.balanced(train) if weights is None else list(train)
    batches = ActivationBatches(activations, chosen, data.targets(chosen), weights)
    if settings.other_sound:
        first = data.n_labelled
        batches = batches.beside(range(first, first + N_OTHER), settings.other_sound)
    return Job(
        network=AfterFrozen(network),
        labels=data.labels,
        train=batches,
        valid=WindowActivations(network, data.batches(valid)) if valid else None,
        augment_input=lambda activations, generator: activations,
        augment_features=None,
        monitor="val_uar",
        fingerprint=data.fingerprint(train, valid),
        class_weights=loss_weights(recipe.train.class_weights, data.targets(chosen)),
        class_prior=class_prior(data.targets(chosen), weights),
        smaller=("train.batch_size", "data.window_s"),
    )
